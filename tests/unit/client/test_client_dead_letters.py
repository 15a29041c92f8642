import json
from types import SimpleNamespace

import pytest

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu_client.cli import main

LETTER = pb.DeadLetter(
    dead_letter_id=7,
    reader="analytics",
    entry_id="1-1",
    topic="events",
    reason="VALUE_INVALID",
    message="a value of properties[amount] is not finite; see [/wiki/x]",
)
LISTED = pb.DeadLetter(dead_letter_id=8, reader="analytics", topic="events[/x]")
CHANGE = pb.DeadLetterChange(action="fix", actor="bob", reason="see [/wiki/y]", time_ms=1)


@pytest.fixture
def service(monkeypatch):
    """A service that gives one letter and keeps what it is asked."""
    asked = []
    letter = pb.GetDeadLetterResponse(dead_letter=LETTER, changes=[CHANGE])

    class Asker:
        channel = SimpleNamespace(unary_unary=lambda path, **_: path.rpartition("/")[2])

        def __init__(self, options, name):
            pass

        def __call__(self, method, request):
            asked.append(request)
            return {
                "GetDeadLetter": letter,
                "ListDeadLetters": pb.ListDeadLettersResponse(dead_letters=[LISTED]),
                "FixDeadLetter": pb.FixDeadLetterResponse(),
            }[method]

    monkeypatch.setattr("siyu_client.commands.dead_letters.Asker", Asker)
    return SimpleNamespace(letter=letter, asked=asked)


def test_brackets_are_shown_as_they_are(service, capsys):
    service.letter.payload_json = '{"a": "[/b]"}'
    assert main(["dead-letters", "show", "analytics", "7"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"a": "[/b]"}
    assert LETTER.message in told.err
    assert "fix by bob: see [/wiki/y]" in told.err


def test_brackets_stand_in_a_list_too(service, capsys):
    assert main(["dead-letters", "list", "analytics"]) == 0
    assert "events[/x]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("json_text", "payload"), [('{"events": []}', b"x"), ("", b"\xff\x00broken")]
)
def test_what_show_prints_can_be_given_to_fix(service, capsys, tmp_path, json_text, payload):
    service.letter.payload_json, service.letter.payload = json_text, payload
    main(["dead-letters", "show", "analytics", "7"])
    file = tmp_path / "letter"
    file.write_text(capsys.readouterr().out)
    assert main(["dead-letters", "fix", "analytics", "7", str(file), "--reason", "r"]) == 0
    fixed = service.asked[-1]
    if json_text:
        assert json.loads(fixed.payload_json) == json.loads(json_text)
    else:
        assert fixed.payload == payload
