"""The chart on a real cluster, as a platform lives; each test goes on from the last."""

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509

from cluster import releases
from cluster.world import NAMESPACE, Cluster, HelmRefused
from support.certificates import Authority
from support.tree import ROOT

# The first test makes the cluster too, and what it is made of.
pytestmark = pytest.mark.timeout(3000)

RELEASE = "siyu"
MOVABLE = ("collect", "identity", "profile", "segment", "touch")
ONE_OWNER = "analytics"
# Who the load speaks of.
CUSTOMER = "C00012345"
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
                "the load", lambda: cluster.kubectl(*phase) in {"Succeeded", "Failed"}, 120
            )
            return json.loads(cluster.kubectl("logs", "load").splitlines()[-1])

    return Load()


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
    _unharmed(counts)


def test_the_one_owner_restarts_and_is_away_meanwhile(cluster: Cluster, load) -> None:
    load.begin()
    began = time.monotonic()
    cluster.kubectl("rollout", "restart", f"statefulset/{RELEASE}-{ONE_OWNER}")
    cluster.kubectl("rollout", "status", f"statefulset/{RELEASE}-{ONE_OWNER}", "--timeout=300s")
    cluster.measure("analytics_restart_s", time.monotonic() - began)
    counts = load.end()
    cluster.measure("analytics_restart_calls", counts)
    _unharmed(counts)
    cluster.measure("smoke_after_owner_s", _smoke(cluster))


def test_upgrade_under_load(cluster: Cluster, chart: Path, load) -> None:
    load.begin()
    values = {**VALUES, "settings": {"SIYU_MAX_QUEUE_AGE_S": 6}}
    began = time.monotonic()
    release = cluster.helm("upgrade", chart, RELEASE, values, wait="watcher", timeout=600)
    cluster.measure("upgrade_s", time.monotonic() - began)
    assert release["status"] == "deployed", release
    counts = load.end()
    cluster.measure("upgrade_calls", counts)
    _unharmed(counts)


def test_a_bad_release_is_rolled_back_under_load(cluster: Cluster, chart: Path, load) -> None:
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
    cluster: Cluster, chart: Path, previous_chart: Path, load
) -> None:
    """N-1, N with a migration in every database, N-1 again; then this tree, as it was."""
    old = {**VALUES, "image": {"tag": releases.PREVIOUS}}
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
    _put_certificate(cluster, authority, tmp_path)
    values = {**VALUES, "tls": {"existingSecret": "tls"}}
    cluster.helm("upgrade", chart, RELEASE, values, wait="watcher", timeout=600)
    cluster.measure("smoke_with_tls_s", _smoke(cluster))
    _put_certificate(cluster, authority, tmp_path)
    # A kubelet looks at its Secrets about once a minute.
    time.sleep(100)
    serial = authority.serial("tls")
    shown = [_certificate_shown(cluster, name) for name in (*MOVABLE, ONE_OWNER)]
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
    secrets = {CUSTOMER: "a customer's number"}
    for item in cluster.control.get("secrets", "--namespace", NAMESPACE)["items"]:
        if item["type"] == "Opaque":
            for name, value in item["data"].items():
                text = base64.b64decode(value).decode().strip()
                secrets[text.splitlines()[1] if "BEGIN" in text else text] = name
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


def _put_certificate(cluster: Cluster, authority: Authority, folder: Path) -> None:
    """Issue a certificate for every service and write it into the Secret."""
    authority.issue("tls", hosts=[f"*.{NAMESPACE}.svc.cluster.local"])
    files = {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": authority.ca_file.name}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls"},
        "stringData": {key: (folder / name).read_text() for key, name in files.items()},
    }
    file = folder / "secret.json"
    file.write_text(json.dumps(secret))
    cluster.kubectl("apply", "-f", str(file))


def _certificate_shown(cluster: Cluster, component: str) -> int:
    """The serial number of the certificate that a pod shows to a new connection."""
    address = cluster.pods(component)[0]["status"]["podIP"]
    # Shown before the server asks for ours, so none is needed.
    command = ("openssl", "s_client", "-connect", f"{address}:9090", "-alpn", "h2")
    done = subprocess.run(
        cluster.lab.inside("lab", *command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    body = done.stdout.partition(begin)[2].partition(end)[0]
    return x509.load_pem_x509_certificate(begin + body + end).serial_number


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
