"""Before and after the chapters: what is played, what it took, and how to look further."""

import json
from collections.abc import Mapping
from datetime import timedelta

from rich import box
from rich.console import Console
from rich.table import Table

from siyu_client.platform import Platform
from siyu_demo.story.checks import plain
from siyu_demo.story.figures import Figures
from siyu_demo.story.stage import Stage


def introduce(stage: Stage) -> None:
    """Say what will be played."""
    settings, quarter = stage.settings, stage.quarter
    first = settings.end - timedelta(days=settings.days - 1)
    stage.console.print(
        f"A broker's quarter, {first} to {settings.end}: {plain(settings.customers)} customers,"
        f" {plain(len(quarter))} records, seed {settings.seed}."
        f" The last day, {plain(quarter.live_count)} records, is played live."
        " Every number below stands beside the ground truth.",
        highlight=False,
    )
    if stage.mode.tamper:
        stage.console.print("[yellow]One event is altered on its way.[/]")


def show_memory(stage: Stage, rss_mb: Mapping[str, Mapping[str, float]]) -> None:
    """Resident memory of each process, idle and now."""
    memory = _table("Resident memory")
    memory.add_column("process")
    memory.add_column("idle, MB", justify="right")
    memory.add_column("now, MB", justify="right")
    for name, now in rss_mb["demo"].items():
        memory.add_row(name, f"{rss_mb['idle'][name]:.0f}", f"{now:.0f}")
    stage.console.print()
    stage.console.print(memory)


def look_further(stage: Stage) -> None:
    """Calls worth trying with the ids of this story, where its folder is kept."""
    stage.console.print()
    if not stage.mode.keeps:
        stage.console.print(
            "[bold]To look further[/]: `.venv/bin/python -m siyu_demo --keep` leaves data and keys"
            " in their folder and prints calls with the ids of its story; `siyu up` runs an"
            " empty platform.",
            highlight=False,
        )
        return
    folder = stage.platform.folder
    stage.console.print("[bold]To look further[/]:")
    lines = [f"siyu up --dir {folder}", "and in another terminal:"]
    for service, method, request in stage.examples:
        text = json.dumps(request, ensure_ascii=False)
        lines.append(f"siyu call --dir {folder} {service} {method} '{text}'")
    for line in lines:
        stage.console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def show_dead(console: Console, platform: Platform) -> None:
    """Name the processes that ended by themselves, with their last lines."""
    for name, process in platform.processes.items():
        if not process.running:
            console.print(f"[bold red]{name} ended by itself[/]; its last lines:")
            console.print(process.last_lines(), highlight=False, markup=False)


def show_times(console: Console, figures: Figures) -> None:
    """Where the time went."""
    table = _table("Time")
    table.add_column("chapter")
    table.add_column("s", justify="right")
    for name, took in figures.chapters_s.items():
        table.add_row(name, f"{took:.1f}")
    table.add_row("together", f"{figures.seconds:.1f}", style="bold")
    console.print()
    console.print(table)
    console.print()


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
