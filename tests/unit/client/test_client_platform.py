import json

import pytest

from siyu_client.cli import main
from siyu_client.platform import Credentials
from siyu_client.platform.ports import _last
from siyu_kit.errors import InvalidInput

NO_PROJECTS = ["Bad Project!", "a/b", "..", "*", "", "x" * 300, "项目"]


@pytest.mark.parametrize("project", NO_PROJECTS)
def test_a_project_that_no_door_takes_is_refused_before_anything_is_written(
    project, tmp_path, capsys
):
    folder = tmp_path / "new"
    assert main(["up", "--dir", str(folder), "--project", "demo", "--project", project]) == 1
    told = capsys.readouterr().err
    assert repr(project) in told
    assert not folder.exists()


@pytest.mark.parametrize("project", NO_PROJECTS)
def test_a_write_key_is_made_for_a_project_only(project, tmp_path):
    credentials = Credentials.ensure(tmp_path, ["collect"])
    with pytest.raises(InvalidInput):
        credentials.write_key(project)
    assert json.loads(credentials.write_keys_file.read_text()) == {}
    assert credentials.write_key("demo") == credentials.write_key("demo")


@pytest.fixture
def running(tmp_path):
    """The folder of a platform; nothing answers at its addresses."""
    Credentials.ensure(tmp_path / "keys", ["collect"])
    names = ("identity", "collect", "analytics", "profile", "segment", "touch")
    content = {"targets": dict.fromkeys(names, "127.0.0.1:1")}
    (tmp_path / "platform.json").write_text(json.dumps(content))
    return tmp_path


def failed(capsys, *words):
    """What a command that fails prints; a traceback would be an exception here."""
    try:
        status = main(words)
    except SystemExit as ended:  # argparse
        status = ended.code
    assert status
    return capsys.readouterr().err


LETTERS = ("dead-letters", "show", "analytics")


@pytest.mark.parametrize("number", ["99999999999999999999", "0", "1.5", "x", "²"])
def test_a_number_that_no_dead_letter_has_is_named(running, capsys, number):
    assert repr(number) in failed(capsys, *LETTERS, number, "--dir", str(running))


def test_a_file_that_cannot_be_read_is_named(running, capsys):
    fix = ("dead-letters", "fix", "analytics", "1", "--reason", "r", "--dir", str(running))
    assert "/nonexistent.json" in failed(capsys, *fix, "/nonexistent.json")
    latin = running / "latin"
    latin.write_bytes(b"\xe9")
    assert f"{latin} is not UTF-8" in failed(capsys, *fix, str(latin))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"targets": {"identity": "x"}}', "\xff"])
def test_a_damaged_address_file_is_named(running, capsys, content):
    (running / "platform.json").write_text(content, encoding="latin-1")
    assert "platform.json is damaged" in failed(capsys, "token", "--dir", str(running))


def test_a_token_is_of_projects_only(running, capsys):
    told = failed(capsys, "token", "--project", "Bad Project!", "--dir", str(running))
    assert "project_id must match" in told


@pytest.mark.parametrize("folder", ["/dev/null", "/proc/nope"])
def test_a_folder_that_cannot_be_used_is_named(capsys, folder):
    assert folder in failed(capsys, "up", "--dir", folder)


@pytest.mark.parametrize("base", ["65535", "65529", "-5", "70000"])
def test_ports_beyond_the_last_are_refused(tmp_path, capsys, base):
    told = failed(capsys, "up", "--dir", str(tmp_path), "--base-port", base)
    assert f"ports from {base} on do not exist" in told


def test_remembered_ports_that_are_none_are_forgotten(tmp_path):
    file = tmp_path / "ports.json"
    for content in ("[99999, 1]", '["a", 1]', "[-1, 1]", "[0, 1]", "{}"):
        file.write_text(content)
        assert _last(file, 2) is None
