"""The files of a heartbeat: fresh while it beats, readiness only while ready, and never half."""

import time

import pytest

from siyu_kit.heartbeat import EVERY_S, Heartbeat


def test_readiness_comes_and_goes_at_once_and_liveness_stays(tmp_path):
    heartbeat = Heartbeat(tmp_path / "health")
    heartbeat.beat(ready=False)
    assert [path.name for path in (tmp_path / "health").iterdir()] == ["liveness"]
    heartbeat.beat(ready=True)
    assert abs(int((tmp_path / "health/readiness").read_text()) - time.time()) < 5
    heartbeat.beat(ready=False)
    assert [path.name for path in (tmp_path / "health").iterdir()] == ["liveness"]


def test_it_writes_once_a_second_however_often_it_beats(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heartbeat = Heartbeat(tmp_path)
    heartbeat.beat(ready=True)
    (tmp_path / "liveness").unlink()
    now[0] += EVERY_S / 2
    heartbeat.beat(ready=True)
    assert not (tmp_path / "liveness").exists()
    now[0] += EVERY_S / 2
    heartbeat.beat(ready=True)
    assert (tmp_path / "liveness").exists()


@pytest.mark.parametrize("missing", [True, False])
def test_what_cannot_be_written_stops_nothing(tmp_path, missing):
    (tmp_path / "file").touch()
    Heartbeat(None if missing else tmp_path / "file").beat(ready=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
