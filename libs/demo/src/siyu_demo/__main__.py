"""`make demo`: plays a broker's quarter through the platform and checks every number."""

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from siyu_client.platform import PlatformError
from siyu_client.platform.process import ProcessError
from siyu_demo.simulator import Settings
from siyu_demo.simulator.settings import SHANGHAI
from siyu_demo.story.arrival.vendors import DeliveryFailed
from siyu_demo.story.figures import Figures
from siyu_demo.story.stage import Mode
from siyu_demo.story.teller import tell
from siyu_kit.errors import DomainError

_DEFAULTS = Settings()
_LOOPBACK = "127.0.0.1,localhost"
_WIDTH = 130
"""Columns without a terminal, so that tables do not break."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story; 0 when every number was right, 1 when not, 2 when it could not be told."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    logging.getLogger("segment").setLevel(logging.CRITICAL)
    _stay_inside()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    folder = options.dir or Path(tempfile.mkdtemp(prefix="siyu-demo-"))
    keeps = options.keep or options.dir is not None
    mode, figures = Mode(tamper=options.tamper, keeps=keeps), Figures()
    try:
        right = tell(console, _settings(options), folder.resolve(), mode, figures)
        keeps |= not right
        if options.figures is not None:
            figures.write(options.figures)
    except (PlatformError, ProcessError, DeliveryFailed, DomainError) as error:
        keeps = True
        console.print(f"[bold red]the story broke off:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    finally:
        if keeps:
            console.print(f"data, keys and logs: {folder}", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="siyu-demo", description=__doc__)
    parser.add_argument("--customers", type=int, default=_DEFAULTS.customers, help="how many")
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="of the simulator")
    parser.add_argument("--dir", type=Path, help="folder of data, keys and logs; it is kept")
    parser.add_argument(
        "--figures", type=Path, help="file for what it took: seconds, and memory in MB, as JSON"
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    parser.add_argument(
        "--tamper", action="store_true", help="alter one event on its way: the story must fail"
    )
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    """The quarter ends yesterday: the door takes live events of the last days only."""
    yesterday = datetime.now(SHANGHAI).date() - timedelta(days=1)
    return Settings(seed=options.seed, customers=options.customers, end=yesterday)


def _stay_inside() -> None:
    """Keep proxies out of it: the vendors' libraries and the services talk to this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name)
        os.environ[name] = f"{known},{_LOOPBACK}" if known else _LOOPBACK


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
