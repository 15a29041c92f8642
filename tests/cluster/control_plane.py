"""etcd, the API, the controllers, the scheduler and the names, in the switch's namespace."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from cluster.lab import CONTROL, SERVICES, Lab, sh

API: Final = f"https://{CONTROL}:6443"
TOKEN: Final = "laboratory"
ETCD: Final = "http://127.0.0.1:2379"


class ControlPlane:
    """``binaries`` holds Kubernetes' programs."""

    def __init__(self, lab: Lab, binaries: Path) -> None:
        self._lab, self._binaries = lab, binaries
        self.kubeconfig = lab.folder / "kubeconfig"

    def start(self) -> None:
        """Start everything and wait until the API is ready."""
        folder = self._lab.folder
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        sh("openssl", "genrsa", "-out", str(folder / "sa.key"), "2048")
        self.kubeconfig.write_text(_kubeconfig())
        self._lab.start(
            "etcd",
            "lab",
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
        )
        self._start_api()
        self._lab.until("the API", self._is_ready, 120)
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        self._run(
            "kube-controller-manager",
            kubeconfig,
            "--leader-elect=false",
            "--port=0",
            f"--service-account-private-key-file={folder / 'sa.key'}",
            # A node that is cut off is given up sooner than a real cluster would.
            "--node-monitor-grace-period=16s",
            "--node-monitor-period=2s",
        )
        self._run("kube-scheduler", kubeconfig, "--leader-elect=false", "--port=0")
        dns = Path(__file__).with_name("cluster_dns.py")
        self._lab.start("names", "lab", sys.executable, str(dns), API, TOKEN, CONTROL)

    def _start_api(self) -> None:
        folder = self._lab.folder
        key = folder / "sa.key"
        self._run(
            "kube-apiserver",
            f"--etcd-servers={ETCD}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--bind-address={CONTROL}",
            f"--advertise-address={CONTROL}",
            f"--cert-dir={folder / 'api'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            "--kubelet-preferred-address-types=InternalIP",
            "--default-not-ready-toleration-seconds=10",
            "--default-unreachable-toleration-seconds=10",
        )

    def _run(self, name: str, *flags: str) -> None:
        self._lab.start(name, "lab", str(self._binaries / name), *flags)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl; its output."""
        command = self._lab.inside("lab", "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments)
        return sh(*command)

    def get(self, *what: str) -> Any:
        """Objects as the API has them."""
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def _is_ready(self) -> bool:
        return self.kubectl("get", "--raw", "/readyz") == "ok"


def _kubeconfig() -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "lab", "cluster": {"server": API, "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
            "current-context": "lab",
        }
    )
