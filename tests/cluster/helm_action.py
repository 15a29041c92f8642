"""One action of Helm, in a process that is in the laboratory's namespace: JSON in, JSON out.

``{"action": "install", "kubeconfig": ..., "namespace": ..., "arguments": [...], "options": {...}}``
"""

import json
import sys

import helm_python


def main() -> int:
    """Do it; 1 and the reason when Helm refuses."""
    wanted = json.load(sys.stdin)
    try:
        with helm_python.Config(
            namespace=wanted["namespace"], kubeconfig_path=wanted["kubeconfig"]
        ) as helm:
            result = getattr(helm, wanted["action"])(*wanted["arguments"], **wanted["options"])
    except helm_python.HelmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(result, sys.stdout, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
