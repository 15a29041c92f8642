"""`siyu smoke`: takes one event through the whole platform, and says which step failed."""

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from siyu_client.client import SiyuClient
from siyu_client.commands import running
from siyu_client.loop import Loop, LoopError
from siyu_client.platform.services import SERVICES
from siyu_kit.auth import IssuedTokens, TokenIssuer, TokenSource
from siyu_kit.auth.keys import read_signing_key
from siyu_kit.auth.source import FileTokens
from siyu_kit.auth.tokens import LOCAL_ISSUER
from siyu_kit.config import CommonConfig, load, setting
from siyu_kit.errors import DomainError
from siyu_kit.rpc.tls import certificates

_AUTHOR, _APPROVER = "smoke-author", "smoke-approver"


@dataclass(frozen=True, kw_only=True)
class SmokeConfig(CommonConfig):
    """Where a platform is that was not started by `siyu up`, and who asks it."""

    collect_target: str = setting("SIYU_COLLECT_TARGET", default="", doc="dns:///name:port")
    identity_target: str = setting("SIYU_IDENTITY_TARGET", default="", doc="dns:///name:port")
    analytics_target: str = setting("SIYU_ANALYTICS_TARGET", default="", doc="dns:///name:port")
    profile_target: str = setting("SIYU_PROFILE_TARGET", default="", doc="dns:///name:port")
    segment_target: str = setting("SIYU_SEGMENT_TARGET", default="", doc="dns:///name:port")
    touch_target: str = setting("SIYU_TOUCH_TARGET", default="", doc="dns:///name:port")
    token_file: Path | None = setting(
        "SIYU_SMOKE_TOKEN_FILE", default=None, doc="token of an admin, where no key signs tokens"
    )
    approver_token_file: Path | None = setting(
        "SIYU_SMOKE_APPROVER_TOKEN_FILE", default=None, doc="token of another admin"
    )


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "smoke",
        help="take one event through the whole platform",
        description="Without --dir the platform is where SIYU_<SERVICE>_TARGET say.",
    )
    parser.add_argument("--dir", type=Path, help="folder of a platform that `siyu up` runs")
    parser.add_argument("--project", default="smoke", help="project (default smoke)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for the whole way")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Go the whole way; 1 when a step fails or the time is over."""
    console = Console()
    try:
        asyncio.run(_go(options, console))
    except TimeoutError:
        console.print(f"not done in {options.timeout:.0f} s", highlight=False)
        return 1
    except (LoopError, DomainError) as error:
        console.print(f"failed: {error}", highlight=False, soft_wrap=True)
        return 1
    return 0


async def _go(options: argparse.Namespace, console: Console) -> None:
    config = load(SmokeConfig)
    targets, (author, approver) = _whereabouts(options.dir, config)
    trusted = certificates(config)
    async with (
        asyncio.timeout(options.timeout),
        SiyuClient(targets, author, certificates=trusted) as client,
        SiyuClient(targets, approver, certificates=trusted) as second,
    ):
        async for step in Loop(client, second, options.project).steps():
            console.print("ok", step, highlight=False)


def _whereabouts(
    folder: Path | None, config: SmokeConfig
) -> tuple[Mapping[str, str], tuple[TokenSource, TokenSource]]:
    """Targets, and the tokens of two people: nobody approves their own work."""
    if folder is not None:
        platform = running.find(folder)
        keys = platform.credentials.issuer_key_file
        return platform.targets, _signed(keys, LOCAL_ISSUER)
    targets = {spec.name: str(getattr(config, f"{spec.name}_target")) for spec in SERVICES}
    missing = [f"SIYU_{name.upper()}_TARGET" for name, target in targets.items() if not target]
    if missing:
        raise LoopError(f"name a folder with --dir, or set {', '.join(missing)}")
    return targets, _tokens(config)


def _tokens(config: SmokeConfig) -> tuple[TokenSource, TokenSource]:
    if config.token_file is not None and config.approver_token_file is not None:
        return FileTokens(config.token_file), FileTokens(config.approver_token_file)
    if config.auth_signing_key_file is not None:
        return _signed(config.auth_signing_key_file, config.auth_issuer)
    raise LoopError("SIYU_AUTH_SIGNING_KEY_FILE, or both SIYU_SMOKE_*TOKEN_FILE, are needed")


def _signed(key_file: Path, issuer: str) -> tuple[TokenSource, TokenSource]:
    signer = TokenIssuer(read_signing_key(key_file), issuer=issuer)
    return IssuedTokens(signer, _AUTHOR, ["admin"]), IssuedTokens(signer, _APPROVER, ["admin"])
