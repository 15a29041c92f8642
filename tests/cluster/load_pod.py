"""The pod that calls everything while a test does something to the platform (see load.py)."""

import json
import time
from pathlib import Path
from typing import Any, Final

from cluster.world import MOVABLE, NAMESPACE, ONE_OWNER, RELEASE, Cluster
from support.tree import ROOT, VERSION

_PROGRAM: Final = ROOT / "tests/cluster/load.py"


class Load:
    """Begins and ends; what it counted is in the last line of its log."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._file: Path = cluster.lab.folder / "load.json"
        items = [_config_map({_PROGRAM.name: _PROGRAM.read_text()}), _pod()]
        self._file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def begin(self) -> None:
        """Start the pod, and return when it is at work."""
        self._cluster.kubectl("delete", "pod", "load", "--ignore-not-found")
        self._cluster.kubectl("apply", "-f", str(self._file))
        self._cluster.kubectl("wait", "pod/load", "--for=condition=Ready", "--timeout=60s")
        time.sleep(5)

    def end(self) -> dict[str, dict[str, Any]]:
        """Stop it; calls and failures of each service, and events accepted and stored."""
        kubectl = self._cluster.kubectl
        kubectl("exec", "load", "--", "sh", "-c", "kill -TERM 1")
        phase = ("get", "pod", "load", "-o", "jsonpath={.status.phase}")
        self._cluster.lab.until("the load", lambda: kubectl(*phase) in {"Succeeded", "Failed"}, 120)
        counts: dict[str, dict[str, Any]] = json.loads(kubectl("logs", "load").splitlines()[-1])
        return counts


def _config_map(data: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "load"},
        "data": data,
    }


def _pod() -> dict[str, object]:
    names = (*MOVABLE, ONE_OWNER)
    variables = {
        f"SIYU_{name.upper()}_TARGET": (
            f"dns:///{RELEASE}-{name}-headless.{NAMESPACE}.svc.cluster.local:9090"
        )
        for name in names
    }
    variables["SIYU_AUTH_SIGNING_KEY_FILE"] = "/keys/issuer.key.pem"
    container = {
        "name": "load",
        "image": f"localhost/siyu/client:{VERSION}",
        "command": ["python3", "/load/load.py"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": [
            {"name": "load", "mountPath": "/load"},
            {"name": "keys", "mountPath": "/keys"},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load"},
        "spec": {
            "restartPolicy": "Never",
            # With the stores, away from the node that is cut off.
            "nodeName": "one",
            "securityContext": {"runAsUser": 10001, "fsGroup": 10001},
            "containers": [container],
            "volumes": [
                {"name": "load", "configMap": {"name": "load"}},
                {"name": "keys", "secret": {"secretName": f"{RELEASE}-keys"}},
            ],
        },
    }
