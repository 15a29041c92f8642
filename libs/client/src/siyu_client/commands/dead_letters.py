"""`siyu dead-letters`: what could not be processed; look, mend, replay, give up."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_client.commands import asking
from siyu_client.commands.asking import Asker
from siyu_client.platform import PlatformError
from siyu_kit.rpc.status import from_status

SERVICES: Final = ("analytics", "identity", "profile")
"""Those that read streams."""

_WIDE: Final = 200
_LAST: Final = 2**63 - 1

Action = Callable[[argparse.Namespace, Asker, OpsServiceStub], int]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "dead-letters", help="list, show, fix, replay or discard what could not be processed"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = _action(actions, "list", _list, "list them, oldest first")
    listing.add_argument("--reader", default="", help="only this reader's")
    listing.add_argument(
        "--state", choices=("open", "replayed", "discarded"), default="open", help="default open"
    )
    showing = _action(actions, "show", _show, "show one with its content")
    showing.add_argument("id", type=_number)
    fixing = _action(actions, "fix", _fix, "replace the content of one; somebody else replays it")
    fixing.add_argument("id", type=_number)
    fixing.add_argument("file", help="the new content as show prints it, JSON or hex; - for stdin")
    replaying = _action(actions, "replay", _replay, "process open ones again")
    replaying.add_argument("id", type=_number, nargs="*", help="default: all open ones")
    replaying.add_argument("--reader", default="", help="without numbers: only this reader's")
    discarding = _action(actions, "discard", _discard, "give up for good")
    discarding.add_argument("id", type=_number, nargs="+")
    for changing in (fixing, replaying, discarding):
        changing.add_argument("--reason", required=True, help="why; it is recorded")


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= _LAST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a dead letter")
    return number


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    act: Action,
    words: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("service", choices=SERVICES)
    asking.add_options(parser)

    def run(options: argparse.Namespace) -> int:
        def ask() -> int:
            asker = Asker(options, options.service)
            return act(options, asker, OpsServiceStub(asker.channel))

        return asking.answered(ask)

    parser.set_defaults(run=run)
    return parser


def _list(options: argparse.Namespace, ask: Asker, stub: OpsServiceStub) -> int:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("number", "project", "reader", "topic", "given up", "messages", "reason", ""):
        table.add_column(column, overflow="fold")
    request = pb.ListDeadLettersRequest(
        project_id=options.project,
        reader=options.reader,
        state=pb.DeadLetterState.Value(f"DEAD_LETTER_STATE_{options.state.upper()}"),
    )
    while True:
        page = ask(stub.ListDeadLetters, request)
        for letter in page.dead_letters:
            table.add_row(
                *map(
                    Text,  # as it is: a plain str would be read as markup
                    (
                        str(letter.dead_letter_id),
                        letter.project_id or "unknown",
                        letter.reader,
                        letter.topic,
                        _time(letter.created_time_ms),
                        str(letter.count),
                        letter.reason,
                        "fixed" if letter.fixed else "",
                    ),
                )
            )
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)  # for a pipe nothing is cut off
    console.print(table if table.row_count else f"no {options.state} dead letters")
    return 0


def _show(options: argparse.Namespace, ask: Asker, stub: OpsServiceStub) -> int:
    """The content alone on standard output, so that it can be edited and given to fix."""
    answer = ask(
        stub.GetDeadLetter,
        pb.GetDeadLetterRequest(project_id=options.project, dead_letter_id=options.id),
    )
    letter = answer.dead_letter
    _aside(
        f"dead letter {letter.dead_letter_id} of {letter.reader}, entry {letter.entry_id} of"
        f" {letter.topic}.{letter.partition}: {letter.reason}, {letter.message}"
    )
    for change in answer.changes:
        _aside(f"{_time(change.time_ms)} {change.action} by {change.actor}: {change.reason}")
    if not answer.payload_json:
        _aside("the content cannot be read as a message; it is shown, and taken by fix, as hex")
    print(answer.payload_json or answer.payload.hex())
    return 0


def _aside(line: str) -> None:
    """For the reader, beside the content; square brackets in it are no markup."""
    print(line, file=sys.stderr)


def _fix(options: argparse.Namespace, ask: Asker, stub: OpsServiceStub) -> int:
    raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise PlatformError(f"{options.file} is not UTF-8") from None
    request = pb.FixDeadLetterRequest(
        project_id=options.project, dead_letter_id=options.id, reason=options.reason
    )
    try:  # a JSON object is never hex, and hex never a JSON object
        request.payload = bytes.fromhex(text)
    except ValueError:
        request.payload_json = text
    ask(stub.FixDeadLetter, request)
    print(f"fixed {options.id}; somebody else has to replay it (--subject)")
    return 0


def _replay(options: argparse.Namespace, ask: Asker, stub: OpsServiceStub) -> int:
    request = pb.ReplayDeadLettersRequest(
        project_id=options.project,
        dead_letter_ids=options.id,
        reader=options.reader,
        reason=options.reason,
    )
    status = 0
    while True:
        answer = ask(stub.ReplayDeadLetters, request)
        print(f"replayed {answer.replayed}")
        status = _failed(answer.failed) or status
        request.after_dead_letter_id = answer.next_after_dead_letter_id
        if not answer.next_after_dead_letter_id:
            return status


def _discard(options: argparse.Namespace, ask: Asker, stub: OpsServiceStub) -> int:
    answer = ask(
        stub.DiscardDeadLetters,
        pb.DiscardDeadLettersRequest(
            project_id=options.project, dead_letter_ids=options.id, reason=options.reason
        ),
    )
    print(f"discarded {answer.discarded}")
    return _failed(answer.failed)


def _failed(failed: Sequence[ItemResult]) -> int:
    for item in failed:
        error = from_status(item.status)
        letter = error.metadata.get("dead_letter_id", f"asked for as number {item.index + 1}")
        print(f"dead letter {letter}: {error.reason}, {item.status.message}", file=sys.stderr)
    return 1 if failed else 0


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
