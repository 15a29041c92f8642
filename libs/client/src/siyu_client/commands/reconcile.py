"""`siyu reconcile`: balances what the doors took in against what became of it."""

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu_client.commands import asking


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reconcile", help="balance what the doors took in against what became of it"
    )
    asking.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the account; fails when something is lost."""

    def ask() -> int:
        asker = asking.Asker(options, "analytics")
        stub = AnalyticsServiceStub(asker.channel)
        request = pb.GetReconciliationRequest(project_id=options.project)
        account = asker(stub.GetReconciliation, request)
        _show(account)
        return 0 if account.balanced else 1

    return asking.answered(ask)


def _show(account: pb.GetReconciliationResponse) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("events", justify="right")
    rows = [
        ("received", account.received),
        *((f"  refused: {row.reason}", row.count) for row in account.refused),
        ("  accepted", account.accepted),
        ("replayed dead letters", account.replayed),
        ("    stored", account.stored),
        ("    duplicates", account.duplicates),
        ("    for other services", account.passed),
        ("    dead letters", account.dead_lettered),
        ("    pending", account.pending),
        ("    lost", account.lost),
        ("    unaccounted", account.unaccounted),
    ]
    for what, count in rows:
        table.add_row(Text(what), f"{count:,}".replace(",", " "))
    console = Console()
    console.print(table)
    console.print("balanced" if account.balanced else "[bold red]NOT BALANCED[/]")
