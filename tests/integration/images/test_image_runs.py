"""One image from the locked packages, as a cluster runs it: no rights, nothing to write on."""

import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from siyu_kit.auth import write_key_pair
from support.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="images are built as root"),
]

NAME = "segment"
CLOSED = (
    *("--read-only", "--network", "none", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp:rw,mode=1777"),  # noqa: S108 - inside
)


def engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run podman on what images.sh keeps."""
    shell = '. scripts/containers.sh "$PWD/build/images"; exec podman "$@"'
    return subprocess.run(
        ["bash", "-c", shell, "podman", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# What lies about in a working tree, and in the variables of who builds.
CANARY = f"canary-{os.urandom(12).hex()}"
LYING_ABOUT = (".siyu/keys/canary.key", ".env", f"services/{NAME}/.env", "libs/kit/canary.pem")


@pytest.fixture(scope="module")
def image(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[str]:
    subprocess.run([ROOT / "scripts/apt-install.sh", "podman", "runc", "buildah"], check=True)
    monkeypatch_module.setenv("SIYU_CANARY", CANARY)
    planted = [ROOT / name for name in LYING_ABOUT]
    for path in planted:
        assert not path.exists(), path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CANARY)
    try:
        yield _built()
    finally:
        for path in planted:
            path.unlink()


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _built() -> str:
    built = subprocess.run(
        [ROOT / "scripts/images.sh", NAME], check=True, capture_output=True, text=True
    )
    return built.stdout.splitlines()[-1].split()[0]


def test_help(image: str) -> None:
    told = engine("run", "--rm", *CLOSED, image, "--help")
    assert told.returncode == 0, told.stderr
    assert "migrate" in told.stdout


def test_it_runs_as_nobody_in_particular(image: str) -> None:
    told = engine("run", "--rm", *CLOSED, "--entrypoint", "id", image, "-u")
    assert told.stdout.strip() == "10001", told.stderr


def test_it_carries_no_tools(image: str) -> None:
    look = "command -v pip pip3 uv gcc cc make git; python3 -c 'import pip'"
    told = engine("run", "--rm", *CLOSED, "--entrypoint", "sh", image, "-c", look)
    assert told.stdout == ""
    assert "No module named 'pip'" in told.stderr


def test_no_layer_holds_what_lay_about(image: str, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    saved = engine("save", "--output", str(archive), image)
    assert saved.returncode == 0, saved.stderr
    layers = 0
    with tarfile.open(archive) as parts:
        for part in parts.getmembers():
            file = parts.extractfile(part)
            content = file.read() if file else b""
            assert CANARY.encode() not in content, part.name
            layers += part.name.endswith(".tar") or len(content) > 1_000_000
    # Layers are tar archives, not compressed: a file in one is found as it is.
    assert layers >= 2
    assert b"siyu_kit" in archive.read_bytes()


def test_it_carries_its_migrations(image: str) -> None:
    url = "SIYU_DATABASE_URL=sqlite+aiosqlite:////tmp/state.db"
    told = engine("run", "--rm", *CLOSED, "--env", url, image, "migrate")
    assert told.returncode == 0, told.stderr + told.stdout
    assert "migration_done" in told.stderr + told.stdout


def test_it_serves_and_stops(image: str, tmp_path: Path) -> None:
    signing, _ = write_key_pair(tmp_path)
    tmp_path.chmod(0o755)
    signing.chmod(0o644)
    variables = {
        "SIYU_LISTEN": "127.0.0.1:9090",
        "SIYU_DATABASE_URL": "sqlite+aiosqlite:////tmp/state.db",
        "SIYU_AUTH_SIGNING_KEY_FILE": "/keys/issuer.key.pem",
        "SIYU_ANALYTICS_TARGET": "127.0.0.1:9",
    }
    pairs = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    keys = ("--volume", f"{tmp_path}:/keys:ro")
    started = engine("run", "--detach", *CLOSED, *pairs, *keys, image)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        deadline = time.monotonic() + 60
        while engine("exec", container, f"siyu-{NAME}", "health", "liveness").returncode:
            assert time.monotonic() < deadline, engine("logs", container).stderr
            time.sleep(0.5)
        # Its stream server is missing: alive, and not ready.
        assert engine("exec", container, f"siyu-{NAME}", "health", "readiness").returncode == 1
        assert engine("stop", "--time", "30", container).returncode == 0
        state = engine("inspect", "--format", "{{.State.ExitCode}}", container)
        assert state.stdout.strip() == "0"
    finally:
        engine("rm", "--force", container)
