"""What `make bundle` made, installed and played where no route leads out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.bundle import make_bundle

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace is made as root"),
]

# Loopback alone; a variable of the machine's that names an index would be no use either.
SEALED = ("unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def sealed(*command: object, home: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command as on a machine that has only itself."""
    python = str(Path(sys.base_prefix) / "bin")
    return subprocess.run(
        [*SEALED, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=home,
        env={**BARE, "PATH": f"{python}:{BARE['PATH']}", "HOME": str(home)},
    )


@pytest.fixture(scope="module")
def bundle() -> Path:
    """The bundle for machines; its images are the cluster test's."""
    return make_bundle(images=False)


@pytest.fixture(scope="module")
def installed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bundle")
    done = sealed(bundle / "install.sh", home / "siyu", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "siyu"


def test_no_route_leads_out(tmp_path: Path) -> None:
    assert sealed("ip", "route", home=tmp_path).stdout == ""
    call = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    assert "unreachable" in sealed("python3", "-c", call, home=tmp_path).stderr


def test_nothing_is_missing(installed: Path, tmp_path: Path) -> None:
    told = sealed(installed / "bin/siyu", "doctor", home=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_demo_is_right(installed: Path, tmp_path: Path) -> None:
    demo = ("-m", "siyu_demo", "--customers", "600", "--dir", tmp_path / "demo")
    told = sealed(installed / "bin/python", *demo, home=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "no difference" in told.stdout


@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_a_harmed_bundle_is_refused(bundle: Path, tmp_path: Path, harm: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    wheel = next((copy / "wheelhouse").glob("siyu_kit-*.whl"))
    content = wheel.read_bytes()
    wheel.unlink()
    if harm == "altered":
        wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = sealed(copy / "install.sh", tmp_path / "siyu", home=tmp_path)
    assert done.returncode == 1
    assert wheel.name in done.stderr + done.stdout
    assert not (tmp_path / "siyu").exists()
