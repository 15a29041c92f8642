"""The running cluster as tests see it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from cluster.control_plane import ControlPlane
from cluster.lab import Lab

NAMESPACE: Final = "siyu"
NODES: Final = ("one", "two")
RELEASE: Final = "siyu"
MOVABLE: Final = ("collect", "identity", "profile", "segment", "touch")
ONE_OWNER: Final = "analytics"


class HelmRefused(Exception):
    """Helm did not do it; the message says why."""


class Cluster:
    """The running cluster, and what was measured on it."""

    def __init__(self, lab: Lab, control: ControlPlane) -> None:
        self.lab, self.control = lab, control
        self.figures: dict[str, Any] = {}

    def helm(self, action: str, *arguments: Any, **options: Any) -> Any:
        """Let Helm do something, asking the API from the switch's namespace; its result."""
        wanted = {
            "action": action,
            "kubeconfig": str(self.control.kubeconfig),
            "namespace": NAMESPACE,
            "arguments": arguments,
            "options": options,
        }
        program = Path(__file__).with_name("helm_action.py")
        done = subprocess.run(
            self.lab.inside("lab", sys.executable, str(program)),
            input=json.dumps(wanted, default=str),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmRefused(done.stderr.strip())
        return json.loads(done.stdout)

    def measure(self, name: str, value: Any) -> None:
        """Keep a figure; all are printed at the end."""
        self.figures[name] = round(value, 1) if isinstance(value, float) else value

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the platform's namespace."""
        return self.control.kubectl("--namespace", NAMESPACE, *arguments)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component."""
        label = f"app.kubernetes.io/component={component}"
        found: list[dict[str, Any]] = json.loads(
            self.kubectl("get", "pods", "-l", label, "-o", "json")
        )["items"]
        return found

    def ready(self, component: str) -> int:
        """How many of its pods are ready, and not on their way out."""
        return sum(
            any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in pod["status"].get("conditions", [])
            )
            for pod in self.pods(component)
            if "deletionTimestamp" not in pod["metadata"]
        )
