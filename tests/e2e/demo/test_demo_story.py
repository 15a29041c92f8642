"""The whole story on a small quarter: every number is right, and an altered event is noticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
CUSTOMERS = "600"


def tell(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "siyu_demo", "--customers", CUSTOMERS, "--dir", str(folder)]
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=220, check=False
    )


def test_every_number_is_the_truth(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    story = tell(tmp_path, "--figures", str(file))
    assert story.returncode == 0, story.stdout + story.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["seconds"] == pytest.approx(sum(figures["chapters_s"].values()))
    assert figures["rss_mb"]["idle"].keys() == figures["rss_mb"]["demo"].keys() > {"redis", "touch"}
    assert all(mb > 1 for moment in figures["rss_mb"].values() for mb in moment.values())
    assert "no difference" in story.stdout
    assert "no significant difference" in story.stdout
    assert "DIFFERENT" not in story.stdout


@pytest.mark.slow
def test_an_altered_event_is_noticed(tmp_path: Path) -> None:
    story = tell(tmp_path, "--tamper")
    assert story.returncode == 1, story.stdout + story.stderr
    assert "One event is altered on its way." in story.stdout
    differences = story.stdout.partition("are DIFFERENT")[2]
    assert "Persons by step, everybody, 开户成功" in differences
