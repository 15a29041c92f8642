"""Tells the story: starts everything, goes from chapter to chapter, stops everything."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Final

from rich.console import Console
from rich.rule import Rule

from siyu_client.client import SiyuClient
from siyu_client.platform import Platform
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.story import closing
from siyu_demo.story.chapters import (
    arriving,
    audiences,
    effect,
    opening_funnel,
    persons,
    sending,
    turning_point,
)
from siyu_demo.story.checks import Comparison
from siyu_demo.story.figures import Figures
from siyu_demo.story.push_receiver import PushReceiver
from siyu_demo.story.stage import PROJECT, Mode, Stage

CHAPTERS: Final[tuple[ModuleType, ...]] = (
    arriving,
    persons,
    opening_funnel,
    turning_point,
    audiences,
    sending,
    effect,
)


def tell(console: Console, settings: Settings, folder: Path, mode: Mode, figures: Figures) -> bool:
    """Tell the whole story in the folder; whether every number was right.

    ``figures`` is filled on the way. Raises what the platform's start, a service or a vendor's
    library raises; whatever was started is stopped in any case.
    """
    checks = Comparison(console)
    receiver = PushReceiver(folder / "receiver")
    with ThreadPoolExecutor(1) as pool:
        quarter = pool.submit(Quarter, settings)
        try:
            # Started by this thread: the kernel ends children whose starting thread is gone.
            receiver.start()
            platform = _platform(folder, receiver.url)
            with console.status("starting the platform, simulating the quarter"):
                platform.start()
                made = quarter.result()
            try:
                figures.weigh("idle", platform.resident_mb())
                figures.lap("starting")
                asyncio.run(_chapters(console, platform, receiver, made, checks, figures, mode))
            finally:
                closing.show_dead(console, platform)
                with console.status("stopping"):
                    platform.stop()
                figures.lap("stopping")
        finally:
            receiver.stop()
    closing.show_times(console, figures)
    return checks.conclude()


def _platform(folder: Path, push_url: str) -> Platform:
    extra = {"touch": {"SIYU_TOUCH_PUSH_URL": push_url}}
    return Platform(folder / "platform", projects=(PROJECT,), extra=extra)


async def _chapters(
    console: Console,
    platform: Platform,
    receiver: PushReceiver,
    quarter: Quarter,
    checks: Comparison,
    figures: Figures,
    mode: Mode,
) -> None:
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("demo", ["admin"], [PROJECT])
    async with SiyuClient(targets, tokens) as client:
        stage = Stage(console, platform, client, receiver, quarter, checks, mode)
        closing.introduce(stage)
        for number, chapter in enumerate(CHAPTERS, 1):
            console.print()
            console.print(Rule(f"[bold]{number}  {chapter.TITLE}[/]", align="left"))
            await chapter.tell(stage)
            figures.lap(f"{number} {chapter.TITLE}")
        figures.weigh("demo", platform.resident_mb())
        closing.show_memory(stage, figures.rss_mb)
        closing.look_further(stage)
