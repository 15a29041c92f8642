"""A node: containerd, kubelet and kube-proxy in a network namespace of its own."""

import json
from collections.abc import Iterable
from pathlib import Path

from cluster.control_plane import ControlPlane
from cluster.lab import CONTROL, Lab, sh

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""


class Node:
    """One machine of the cluster."""

    def __init__(self, name: str, lab: Lab, control: ControlPlane, binaries: Path) -> None:
        self.name = name
        self._lab, self._control, self._binaries = lab, control, binaries
        self._folder = lab.folder / name
        self._socket = self._folder / "cri.sock"

    def start(self, archives: Iterable[Path]) -> None:
        """Start the engine, give it the images, and join."""
        (self._folder / "cni").mkdir(parents=True)
        (self._folder / "cni/10-bridge.conflist").write_text(self._network())
        (self._folder / "containerd.toml").write_text(
            CONTAINERD.format(folder=self._folder, socket=self._socket)
        )
        (self._folder / "resolv.conf").write_text(f"nameserver {CONTROL}\n")
        self._start("containerd", "containerd", "--config", str(self._folder / "containerd.toml"))
        self._lab.until(f"containerd of {self.name}", self._socket.exists, 60)
        for archive in archives:
            engine = ("ctr", "--address", str(self._socket), "--namespace", "k8s.io")
            sh(*self._lab.inside(self.name, *engine, "images", "import", str(archive)))
        self._make_cgroups()
        self._start_kubelet()
        self._start(
            "kube-proxy",
            str(self._binaries / "kube-proxy"),
            f"--kubeconfig={self._control.kubeconfig}",
            f"--hostname-override={self.name}",
            "--proxy-mode=iptables",
            "--cluster-cidr=198.18.32.0/19",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        )

    def stop_pods(self) -> None:
        """Kill what the engine still runs: it would outlive the engine."""
        engine = self._lab.inside(
            self.name, "ctr", "--address", str(self._socket), "--namespace", "k8s.io"
        )
        for task in sh(*engine, "tasks", "list", "--quiet").split():
            sh("sh", "-c", f"{' '.join(engine)} tasks kill --signal KILL --all {task} || true")
        for task in sh(*engine, "tasks", "list", "--quiet").split():
            sh("sh", "-c", f"{' '.join(engine)} tasks delete --force {task} || true")

    def _start(self, name: str, *command: str) -> None:
        self._lab.start(f"{self.name}-{name}", self.name, *command)

    def _start_kubelet(self) -> None:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/siyu-{self.name}",
            "clusterDNS": [CONTROL],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self._folder / "resolv.conf"),
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "nodeStatusUpdateFrequency": "4s",
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        }
        (self._folder / "kubelet.json").write_text(json.dumps(config))
        self._start(
            "kubelet",
            str(self._binaries / "kubelet"),
            f"--config={self._folder / 'kubelet.json'}",
            f"--kubeconfig={self._control.kubeconfig}",
            f"--hostname-override={self.name}",
            f"--node-ip={self._lab.address(self.name)}",
            f"--root-dir={self._folder / 'kubelet'}",
            f"--cert-dir={self._folder / 'pki'}",
            "--container-runtime=remote",
            f"--container-runtime-endpoint=unix://{self._socket}",
        )

    def _network(self) -> str:
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self._folder / "addresses"),
                "ranges": [[{"subnet": self._lab.pod_range(self.name)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        return json.dumps(
            {
                "cniVersion": "0.4.0",
                "name": "pods",
                "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
            }
        )

    def _make_cgroups(self) -> None:
        """A kubelet of several on one machine needs a place of its own in each hierarchy."""
        for hierarchy in Path("/sys/fs/cgroup").iterdir():
            if not hierarchy.is_dir() or hierarchy.is_symlink() or hierarchy.name == "unified":
                continue
            own = hierarchy / f"siyu-{self.name}"
            own.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (hierarchy / file).exists():
                    (own / file).write_text((hierarchy / file).read_text())
