"""No secret is seen on a command line, in a log, in what the doctor says, or over the wire."""

import subprocess
import sys
from pathlib import Path

import pytest

from siyu_client.commands import running
from support.secret_text import telling

pytestmark = pytest.mark.e2e
PROJECT = "other"


def secrets_of(platform):
    """Every secret of the platform, by the file it lies in."""
    found = {}
    for path in sorted(platform.credentials.folder.iterdir()):
        issuer = path.name == "issuer.key.pem"
        if issuer or path.suffix == ".key" or path.name.startswith("write_key."):
            found[path.name] = telling(path.read_text(encoding="utf-8"))
    assert len(found) > 7
    return found


def shown_in(text, secrets):
    return [name for name, secret in secrets.items() if secret in text]


def test_no_secret_is_on_a_command_line_or_in_the_environment(platform):
    secrets = secrets_of(platform)
    for process in platform.processes.values():
        for part in ("cmdline", "environ"):
            content = Path(f"/proc/{process.pid}/{part}").read_bytes().decode(errors="replace")
            assert content
            assert shown_in(content, secrets) == [], (process.name, part)


def test_no_secret_is_in_a_log_or_said_by_the_doctor(platform):
    secrets = secrets_of(platform)
    logs = sorted((platform.folder / "logs").iterdir())
    assert len(logs) == len(platform.processes)
    for path in logs:
        assert shown_in(path.read_text(errors="replace"), secrets) == [], path.name
    running.publish(platform)
    command = [sys.executable, "-m", "siyu_client.cli", "doctor", "--dir", str(platform.folder)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Python" in said.stdout
    assert shown_in(said.stdout + said.stderr, secrets) == []
    published = (platform.folder / "platform.json").read_text()
    assert shown_in(published, secrets) == []


def test_secret_files_are_their_owners_alone(platform):
    assert platform.credentials.folder.stat().st_mode & 0o077 == 0
    public = {"issuer.pub.pem"}
    for path in platform.credentials.folder.iterdir():
        if path.name not in public:
            assert path.stat().st_mode & 0o077 == 0, path.name
