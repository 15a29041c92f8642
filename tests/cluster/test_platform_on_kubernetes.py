"""The chart on a real cluster, as a platform lives; each test goes on from the last."""

import base64
import time
from pathlib import Path

import pytest

from cluster import load as program
from cluster import releases
from cluster.certificates import certificate_shown, put_certificate
from cluster.load_pod import Load
from cluster.world import MOVABLE, NAMESPACE, ONE_OWNER, RELEASE, Cluster, HelmRefused
from support.certificates import Authority
from support.secret_text import telling

# The first test makes the cluster too, and what it is made of.
pytestmark = pytest.mark.timeout(3000)

# What the release before knows of too.
OLD_VALUES = {
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
# The lab's name server reads the cluster twice a second.
VALUES = {**OLD_VALUES, "defaults": {**OLD_VALUES["defaults"], "nameCacheSeconds": 5}}


@pytest.fixture(scope="module")
def load(cluster: Cluster) -> Load:
    return Load(cluster)


def test_install(cluster: Cluster, chart: Path) -> None:
    began = time.monotonic()
    release = cluster.helm("install", chart, RELEASE, VALUES, wait="watcher", timeout=600)
    cluster.measure("install_s", time.monotonic() - began)
    assert release["status"] == "deployed", release
    places = {name: [pod["spec"]["nodeName"] for pod in cluster.pods(name)] for name in MOVABLE}
    cluster.measure("places", places)
    assert {node for nodes in places.values() for node in nodes} == {"one", "two"}


def test_smoke(cluster: Cluster) -> None:
    cluster.measure("smoke_s", _smoke(cluster))


def test_rolling_restart_under_load(cluster: Cluster, load: Load) -> None:
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
    _unharmed(counts)


def test_the_one_owner_restarts_and_is_away_meanwhile(cluster: Cluster, load: Load) -> None:
    load.begin()
    began = time.monotonic()
    cluster.kubectl("rollout", "restart", f"statefulset/{RELEASE}-{ONE_OWNER}")
    cluster.kubectl("rollout", "status", f"statefulset/{RELEASE}-{ONE_OWNER}", "--timeout=300s")
    cluster.measure("analytics_restart_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("analytics_restart_calls", counts)
    _unharmed(counts)
    cluster.measure("smoke_after_owner_s", _smoke(cluster))


def test_upgrade_under_load(cluster: Cluster, chart: Path, load: Load) -> None:
    load.begin()
    values = {**VALUES, "settings": {"SIYU_MAX_QUEUE_AGE_S": 6}}
    began = time.monotonic()
    release = cluster.helm("upgrade", chart, RELEASE, values, wait="watcher", timeout=600)
    cluster.measure("upgrade_s", time.monotonic() - began)
    assert release["status"] == "deployed", release
    counts = load.end()
    cluster.measure("upgrade_calls", counts)
    _unharmed(counts)


def test_a_bad_release_is_rolled_back_under_load(cluster: Cluster, chart: Path, load: Load) -> None:
    load.begin()
    values = {**VALUES, "image": {"tag": "missing"}, "migrations": {"job": False}}
    with pytest.raises(HelmRefused):
        cluster.helm("upgrade", chart, RELEASE, values, wait="watcher", timeout=40)
    began = time.monotonic()
    cluster.helm("rollback", RELEASE, timeout=400, wait="watcher")
    cluster.measure("rollback_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("rollback_calls", counts)
    _unharmed(counts)
    cluster.measure("smoke_after_rollback_s", _smoke(cluster))


def test_a_release_forth_and_back_under_load(
    cluster: Cluster, chart: Path, previous_chart: Path, load: Load
) -> None:
    """N-1, N with a migration in every database, N-1 again; then this tree, as it was."""
    old = {**OLD_VALUES, "image": {"tag": releases.PREVIOUS}}
    cluster.helm("upgrade", previous_chart, RELEASE, old, wait="watcher", timeout=600)
    _smoke(cluster)
    assert _image_tags(cluster) == {releases.PREVIOUS}
    load.begin()
    began = time.monotonic()
    new = {**VALUES, "image": {"tag": releases.NEXT}}
    cluster.helm("upgrade", chart, RELEASE, new, wait="watcher", timeout=600)
    cluster.measure("to_n_s", time.monotonic() - began)
    assert _image_tags(cluster) == {releases.NEXT}
    _smoke(cluster)
    began = time.monotonic()
    cluster.helm("rollback", RELEASE, timeout=600, wait="watcher")
    cluster.measure("back_to_n_1_s", time.monotonic() - began)
    assert _image_tags(cluster) == {releases.PREVIOUS}
    _smoke(cluster)
    counts = load.end()
    cluster.measure("forth_and_back_calls", counts)
    _unharmed(counts)
    cluster.helm("upgrade", chart, RELEASE, VALUES, wait="watcher", timeout=600)


def test_every_call_is_mutual_tls(cluster: Cluster, chart: Path, tmp_path: Path) -> None:
    """The smoke's own call shows a certificate; certificates are changed under the pods."""
    authority = Authority(tmp_path)
    put_certificate(cluster, authority, tmp_path)
    values = {**VALUES, "tls": {"existingSecret": "tls"}}
    cluster.helm("upgrade", chart, RELEASE, values, wait="watcher", timeout=600)
    cluster.measure("smoke_with_tls_s", _smoke(cluster))
    put_certificate(cluster, authority, tmp_path)
    # A kubelet looks at its Secrets about once a minute.
    time.sleep(100)
    serial = authority.serial("tls")
    shown = [certificate_shown(cluster, name) for name in (*MOVABLE, ONE_OWNER)]
    assert shown == [serial] * len(shown)
    _smoke(cluster)
    cluster.helm("rollback", RELEASE, timeout=600, wait="watcher")
    _smoke(cluster)


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


def test_no_log_holds_a_secret_or_a_customer(cluster: Cluster) -> None:
    """After all of the above: what the pods wrote, and what the cluster says of them."""
    secrets = {program.CUSTOMER: "a customer's number"}
    for item in cluster.control.get("secrets", "--namespace", NAMESPACE)["items"]:
        if item["type"] == "Opaque":
            for name, value in item["data"].items():
                secrets[telling(base64.b64decode(value).decode())] = name
    secrets.pop("{}", None)  # no write keys
    assert len(secrets) > 10
    texts = {"events": cluster.kubectl("get", "events", "-o", "json")}
    # Of a pod that ended on a lost node there is no log any more.
    living = ("get", "pods", "-o", "name", "--field-selector=status.phase!=Failed")
    for pod in cluster.kubectl(*living).split():
        texts[pod] = cluster.kubectl("logs", pod, "--tail=-1")
    assert len(texts) > len(MOVABLE)
    assert sum(len(text) for text in texts.values()) > 10_000
    found = [
        (place, name)
        for place, text in texts.items()
        for secret, name in secrets.items()
        if secret in text
    ]
    assert found == []


def _unharmed(counts: dict[str, dict[str, object]]) -> None:
    """No call failed, and every event that was taken is there to be asked for."""
    assert {name: counts[name]["errors"] for name in MOVABLE if counts[name]["failed"]} == {}
    assert counts["events"]["stored"] == counts["events"]["accepted"] > 0, counts


def _smoke(cluster: Cluster) -> float:
    began = time.monotonic()
    result = cluster.helm("test", RELEASE, timeout=300, logs=True)
    assert "touch put the message" in result["logs"], result
    return time.monotonic() - began


def _image_tags(cluster: Cluster) -> set[str]:
    """Tags of the images that the platform's pods run, those on their way out left out."""
    return {
        pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        for name in (*MOVABLE, ONE_OWNER)
        for pod in cluster.pods(name)
        if "deletionTimestamp" not in pod["metadata"]
    }


def _is_ready(cluster: Cluster, node: str) -> bool:
    status = '{.status.conditions[?(@.type=="Ready")].status}'
    return cluster.kubectl("get", "node", node, "-o", f"jsonpath={status}") == "True"
