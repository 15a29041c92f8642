"""One cluster for the session: two nodes, the platform's images, volumes on this machine's disk."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster import releases
from cluster.control_plane import ControlPlane
from cluster.lab import Lab
from cluster.node import Node
from cluster.world import NAMESPACE, NODES, Cluster
from support.bundle import make_bundle
from support.tree import ROOT

KEEPERS = {"postgres", "redis", "analytics"}
# kubelets set these for the whole machine.
TUNED = ("vm.overcommit_memory", "kernel.panic", "kernel.panic_on_oops")


@pytest.fixture(scope="session")
def binaries() -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, a container engine")
    built = subprocess.run(
        [ROOT / "scripts/cluster-binaries.sh"], check=True, capture_output=True, text=True
    )
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def bundle() -> Path:
    """What is carried to a place without a network, which the cluster is: nothing leads out."""
    return make_bundle(images=True)


@pytest.fixture(scope="session")
def chart(bundle: Path) -> Path:
    (package,) = (bundle / "chart").glob("*.tgz")
    return package


@pytest.fixture(scope="session")
def previous_chart(binaries: Path) -> Path:
    """The chart of the release before, its images built."""
    return releases.previous() / "charts/siyu"


@pytest.fixture(scope="session")
def archives(bundle: Path, previous_chart: Path) -> list[Path]:
    """The images, and the pods' own process, which a cluster brings along."""
    before = (releases.IMAGES / releases.PREVIOUS).glob("*.tar")
    own = (bundle / "images").glob("*.tar")
    pause = ROOT / "build/images/pause.tar"
    return [pause, *sorted(own), *sorted(before), *releases.following()]


@pytest.fixture(scope="session")
def cluster(binaries: Path, archives: list[Path]) -> Iterator[Cluster]:
    # A short path, since sockets below it have names of at most 108 bytes; on a disk, since images
    # are unpacked there for each node.
    folder = Path(tempfile.mkdtemp(prefix="siyu-", dir="/var/tmp"))
    tuned = {name: _sysctl(name) for name in TUNED}
    lab = Lab("siyu", folder, NODES)
    control = ControlPlane(lab, binaries)
    nodes = [Node(name, lab, control, binaries) for name in NODES]
    running = Cluster(lab, control)
    try:
        began = time.monotonic()
        lab.build()
        control.start()
        with ThreadPoolExecutor(len(nodes)) as starting:
            list(starting.map(lambda node: node.start(_of(node, archives)), nodes))
        lab.until("the nodes", lambda: _ready_nodes(control) == len(NODES), 120)
        running.measure("cluster_s", time.monotonic() - began)
        _make_volumes(control, folder)
        control.kubectl("create", "namespace", NAMESPACE)
        yield running
    finally:
        print("\n" + json.dumps(running.figures, indent=2))
        (ROOT / "build").mkdir(exist_ok=True)
        (ROOT / "build/cluster.json").write_text(json.dumps(running.figures, indent=2))
        for node in nodes:
            with contextlib.suppress(Exception):
                node.stop_pods()
        lab.stop()
        _unmount(folder)
        lab.clear()
        for name, value in tuned.items():
            _sysctl(name, value)
        if not os.environ.get("SIYU_CLUSTER_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


def _of(node: Node, archives: list[Path]) -> list[Path]:
    """The images that a node needs: what keeps files runs where the volumes are."""
    return [path for path in archives if node.name == NODES[0] or path.stem not in KEEPERS]


def _ready_nodes(control: ControlPlane) -> int:
    nodes: Any = control.get("nodes")
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes["items"]
        for condition in node["status"]["conditions"]
    )


def _make_volumes(control: ControlPlane, folder: Path) -> None:
    """Volumes that only the first node has: what lies on them stays when the second is cut off."""
    for number in range(3):
        place = folder / "volumes" / str(number)
        place.mkdir(parents=True)
        place.chmod(0o777)
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODES[0]]}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"volume-{number}"},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": str(place)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
            },
        }
        file = folder / f"volume-{number}.json"
        file.write_text(json.dumps(volume))
        control.kubectl("apply", "-f", str(file))


def _unmount(folder: Path) -> None:
    """What engines and kubelets left mounted below the folder."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", place], check=False)


def _sysctl(name: str, value: str = "") -> str:
    file = Path("/proc/sys") / name.replace(".", "/")
    if value:
        file.write_text(value)
    return file.read_text().strip()
