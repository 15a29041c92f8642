"""The chart on a real cluster, as a platform lives; each test goes on from the last."""

import json
import time

import pytest

from cluster.world import NAMESPACE, Cluster, HelmRefused
from support.helm import CHART
from support.tree import ROOT

# The first test makes the cluster too, and what it is made of.
pytestmark = pytest.mark.timeout(3000)

RELEASE = "siyu"
MOVABLE = ("collect", "identity", "profile", "segment", "touch")
ONE_OWNER = "analytics"
VALUES = {
    "global": {"imageRegistry": "localhost", "imagePullPolicy": "IfNotPresent"},
    # Two cores for two nodes and their control plane: requests are what the scheduler counts.
    "defaults": {
        "replicas": 2,
        "startupSeconds": 300,
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}},
    },
    "services": {
        "analytics": {
            "resources": {
                "requests": {"cpu": "50m", "memory": "512Mi"},
                "limits": {"memory": "4Gi"},
            },
            "settings": {
                "SIYU_ANALYTICS_ENGINE_MEMORY": 2_000_000_000,
                "SIYU_ANALYTICS_QUERY_MEMORY": 1_000_000_000,
            },
        }
    },
    "bundled": {
        "postgresql": {"resources": {"requests": {"cpu": "20m"}}, "size": "5Gi"},
        "redis": {"resources": {"requests": {"cpu": "20m"}}, "size": "5Gi"},
    },
    "tests": {"timeoutSeconds": 180},
}


@pytest.fixture(scope="module")
def load(cluster: Cluster):
    """Starts and ends the pod that calls everything."""
    config = {"load.py": (ROOT / "tests/cluster/load.py").read_text()}
    manifest = json.dumps([_config_map(config), _load_pod()])
    file = cluster.lab.folder / "load.json"
    items = {"apiVersion": "v1", "kind": "List", "items": json.loads(manifest)}
    file.write_text(json.dumps(items))

    class Load:
        def begin(self) -> None:
            cluster.kubectl("delete", "pod", "load", "--ignore-not-found")
            cluster.kubectl("apply", "-f", str(file))
            cluster.kubectl("wait", "pod/load", "--for=condition=Ready", "--timeout=60s")
            time.sleep(5)

        def end(self) -> dict[str, dict[str, object]]:
            cluster.kubectl("exec", "load", "--", "sh", "-c", "kill -TERM 1")
            phase = ("get", "pod", "load", "-o", "jsonpath={.status.phase}")
            cluster.lab.until(
                "the load", lambda: cluster.kubectl(*phase) in {"Succeeded", "Failed"}, 60
            )
            return json.loads(cluster.kubectl("logs", "load").splitlines()[-1])

    return Load()


def test_install(cluster: Cluster) -> None:
    began = time.monotonic()
    release = cluster.helm("install", CHART, RELEASE, VALUES, wait="watcher", timeout=600)
    cluster.measure("install_s", time.monotonic() - began)
    assert release["status"] == "deployed", release
    places = {name: [pod["spec"]["nodeName"] for pod in cluster.pods(name)] for name in MOVABLE}
    cluster.measure("places", places)
    assert {node for nodes in places.values() for node in nodes} == {"one", "two"}


def test_smoke(cluster: Cluster) -> None:
    cluster.measure("smoke_s", _smoke(cluster))


def test_rolling_restart_under_load(cluster: Cluster, load) -> None:
    load.begin()
    began = time.monotonic()
    for name in MOVABLE:
        cluster.kubectl("rollout", "restart", f"deployment/{RELEASE}-{name}")
        cluster.kubectl("rollout", "status", f"deployment/{RELEASE}-{name}", "--timeout=300s")
    # The old pods are still draining when the new ones are all there.
    for name in MOVABLE:
        cluster.lab.until(name, lambda name=name: len(cluster.pods(name)) == 2, 120)
    cluster.measure("rolling_restart_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("rolling_restart_calls", counts)
    assert all(counts[name]["calls"] > 50 for name in MOVABLE), counts
    assert {name: counts[name]["errors"] for name in MOVABLE if counts[name]["failed"]} == {}


def test_the_one_owner_restarts_and_is_away_meanwhile(cluster: Cluster, load) -> None:
    load.begin()
    began = time.monotonic()
    cluster.kubectl("rollout", "restart", f"statefulset/{RELEASE}-{ONE_OWNER}")
    cluster.kubectl("rollout", "status", f"statefulset/{RELEASE}-{ONE_OWNER}", "--timeout=300s")
    cluster.measure("analytics_restart_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("analytics_restart_calls", counts)
    assert {name: counts[name]["errors"] for name in MOVABLE if counts[name]["failed"]} == {}
    cluster.measure("smoke_after_owner_s", _smoke(cluster))


def test_upgrade_under_load(cluster: Cluster, load) -> None:
    load.begin()
    values = {**VALUES, "settings": {"SIYU_MAX_QUEUE_AGE_S": 6}}
    began = time.monotonic()
    release = cluster.helm("upgrade", CHART, RELEASE, values, wait="watcher", timeout=600)
    cluster.measure("upgrade_s", time.monotonic() - began)
    assert release["status"] == "deployed", release
    counts = load.end()
    cluster.measure("upgrade_calls", counts)
    assert {name: counts[name]["errors"] for name in MOVABLE if counts[name]["failed"]} == {}


def test_a_bad_release_is_rolled_back_under_load(cluster: Cluster, load) -> None:
    load.begin()
    values = {**VALUES, "image": {"tag": "missing"}, "migrations": {"job": False}}
    with pytest.raises(HelmRefused):
        cluster.helm("upgrade", CHART, RELEASE, values, wait="watcher", timeout=40)
    began = time.monotonic()
    cluster.helm("rollback", RELEASE, timeout=400, wait="watcher")
    cluster.measure("rollback_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("rollback_calls", counts)
    assert {name: counts[name]["errors"] for name in MOVABLE if counts[name]["failed"]} == {}
    cluster.measure("smoke_after_rollback_s", _smoke(cluster))


def test_a_node_is_cut_off_and_comes_back(cluster: Cluster) -> None:
    lab = cluster.lab
    lab.cut("two")
    began = time.monotonic()
    lab.until("the loss is noticed", lambda: not _is_ready(cluster, "two"), 90)
    cluster.measure("node_lost_noticed_s", time.monotonic() - began)
    _smoke(cluster)
    cluster.measure("node_lost_smoke_green_s", time.monotonic() - began)
    lab.mend("two")
    began = time.monotonic()
    lab.until("the node is back", lambda: _is_ready(cluster, "two"), 90)
    lab.until(
        "all pods are ready",
        lambda: all(cluster.ready(name) == 2 for name in MOVABLE) and cluster.ready(ONE_OWNER) == 1,
        300,
    )
    cluster.measure("node_back_all_ready_s", time.monotonic() - began)
    _smoke(cluster)


def _smoke(cluster: Cluster) -> float:
    began = time.monotonic()
    result = cluster.helm("test", RELEASE, timeout=300, logs=True)
    assert "touch put the message" in result["logs"], result
    return time.monotonic() - began


def _is_ready(cluster: Cluster, node: str) -> bool:
    status = '{.status.conditions[?(@.type=="Ready")].status}'
    return cluster.kubectl("get", "node", node, "-o", f"jsonpath={status}") == "True"


def _config_map(data: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "load"},
        "data": data,
    }


def _load_pod() -> dict[str, object]:
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
        "image": "localhost/siyu/client:0.1.0",
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
