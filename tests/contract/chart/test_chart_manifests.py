"""What the chart renders: valid for each version of Kubernetes, restricted, and addressed right."""

import functools
import subprocess
import time

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from siyu_client.platform.services import SERVICES
from siyu_kit import service
from siyu_kit.heartbeat import Heartbeat
from support import helm

VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
CUSTOM = {"ServiceMonitor"}
ENGINE = "siyu-analytics"


@pytest.fixture(scope="module", autouse=True)
def schemas_read_once():
    patch = pytest.MonkeyPatch()
    patch.setattr(utils, "schema_contents", functools.lru_cache(None)(utils.schema_contents))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def manifests():
    return {name: helm.rendered(helm.ci_values(name)) for name in helm.ci_names()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", ["trial", "production"])
def test_manifests_are_valid(manifests, values, version):
    for manifest in manifests[values]:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_check_sees_a_misspelt_field(manifests):
    (deployment, *_) = helm.of_kind(manifests["trial"], "Deployment").values()
    deployment = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.30", strict=True)


def test_an_old_cluster_gets_what_it_knows(manifests):
    old, new = manifests["old-cluster"], manifests["production"]
    assert _versions(old) >= {"policy/v1beta1", "autoscaling/v2beta2"}
    assert _versions(new) >= {"policy/v1", "autoscaling/v2"}
    for pod in helm.pods(old).values():
        assert "grpc" not in str(helm.container(pod).get("livenessProbe"))


def test_probes_speak_grpc_unless_calls_are_encrypted(manifests):
    plain = helm.container(helm.pods(manifests["trial"])["Deployment/siyu-identity"])
    assert plain["livenessProbe"]["grpc"] == {"port": 9090, "service": "liveness"}
    assert plain["readinessProbe"]["grpc"] == {"port": 9090, "service": "readiness"}
    pod = helm.pods(manifests["production"])["Deployment/siyu-identity"]
    probe = helm.container(pod)["readinessProbe"]
    assert probe["exec"]["command"][-1] == "/tmp/health/readiness"  # noqa: S108
    assert helm.environment(pod)["SIYU_HEALTH_DIR"] == "/tmp/health"  # noqa: S108


def test_a_shell_tells_a_heartbeat_from_none(manifests, tmp_path):
    encrypted = helm.container(helm.pods(manifests["production"])["Deployment/siyu-identity"])
    *command, _ = encrypted["livenessProbe"]["exec"]["command"]
    heartbeat, old = tmp_path / "liveness", tmp_path / "old"
    Heartbeat(tmp_path).beat(ready=False)
    old.write_text(str(int(time.time()) - 30))
    codes = [
        subprocess.run([*command, path], check=False, capture_output=True).returncode
        for path in (heartbeat, old, tmp_path / "missing")
    ]
    assert codes[0] == 0
    assert all(codes[1:])


@pytest.mark.parametrize("values", helm.ci_names())
def test_pods_pass_the_restricted_profile(manifests, values):
    """The rules of the profile, as its documentation lists them."""
    pods = helm.pods(manifests[values])
    assert pods
    for name, pod in pods.items():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume.keys() - {"name"}}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}, name
        shared = spec["securityContext"]
        assert shared["runAsNonRoot"] is True, name
        assert shared["runAsUser"] > 0, name
        assert shared["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for item in [*spec["containers"], *spec.get("initContainers", [])]:
            own = item["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert not {"privileged", "procMount", "seLinuxOptions", "runAsUser"} & own.keys()
            assert all("hostPort" not in port for port in item.get("ports", [])), name


@pytest.mark.parametrize("values", helm.ci_names())
def test_pods_are_closed_beyond_the_profile(manifests, values):
    for name, pod in helm.pods(manifests[values]).items():
        asks = values == "production" and name.rpartition("-")[2] in LEADING
        asks &= not name.startswith("Job/")
        assert pod["spec"]["automountServiceAccountToken"] is asks, name
        assert ("serviceAccountName" in pod["spec"]) is asks, name
        # Variables of other Services would be read as settings.
        assert pod["spec"]["enableServiceLinks"] is False, name
        assert helm.container(pod)["securityContext"]["readOnlyRootFilesystem"] is True, name


@pytest.mark.parametrize("values", helm.ci_names())
def test_every_port_names_its_protocol(manifests, values):
    def ports(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "ports" and isinstance(value, list):
                    yield from value
                yield from ports(value)
        elif isinstance(node, list):
            for value in node:
                yield from ports(value)

    found = list(ports(manifests[values]))
    assert found
    assert all(port["protocol"] in {"TCP", "UDP"} for port in found), found


def test_a_stop_has_time_for_its_steps(manifests):
    longest = service.WORKER_GRACE_S + service.FLUSH_S
    for values in helm.ci_names():
        for name, pod in helm.pods(manifests[values]).items():
            variables = (
                {item["name"]: item.get("value") for item in helm.container(pod)["env"]}
                if ("env" in helm.container(pod))
                else {}
            )
            if "SIYU_STOP_GRACE_S" in variables:
                own = float(variables["SIYU_DRAIN_DELAY_S"]) + float(variables["SIYU_STOP_GRACE_S"])
                assert pod["spec"]["terminationGracePeriodSeconds"] == own + longest + 5, name


def test_the_next_pod_is_replaced_when_clients_know_the_last_one(manifests):
    for values in helm.ci_names():
        deployments = [item for item in manifests[values] if item["kind"] == "Deployment"]
        assert deployments
        for item in deployments:
            drain_s = float(helm.environment(item["spec"]["template"])["SIYU_DRAIN_DELAY_S"])
            assert item["spec"]["minReadySeconds"] == drain_s + 30, item["metadata"]["name"]


def test_one_owner_for_what_opens_files(manifests):
    engine = helm.of_kind(manifests["production"], "StatefulSet")[ENGINE]
    assert engine["spec"]["replicas"] == 1
    assert engine["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    assert ENGINE not in helm.of_kind(manifests["production"], "PodDisruptionBudget")


def test_what_a_service_overrides_and_what_it_takes(manifests):
    deployments = helm.of_kind(manifests["production"], "Deployment")
    assert "replicas" not in deployments["siyu-collect"]["spec"]  # its autoscaler says
    assert deployments["siyu-profile"]["spec"]["replicas"] == 3
    off = helm.rendered(
        {
            "defaults": {"replicas": 3},
            "services": {
                "analytics": {"replicas": 0},
                "profile": {"podDisruptionBudget": {"enabled": False}},
            },
        }
    )
    assert helm.of_kind(off, "StatefulSet")[ENGINE]["spec"]["replicas"] == 0
    budgets = helm.of_kind(off, "PodDisruptionBudget")
    assert "siyu-profile" not in budgets
    assert "siyu-touch" in budgets


def test_peers_are_those_of_the_platform(manifests):
    for spec in SERVICES:
        kind = "StatefulSet" if spec.name == "analytics" else "Deployment"
        pod = helm.pods(manifests["trial"])[f"{kind}/siyu-{spec.name}"]
        targets = {
            name: value for name, value in helm.environment(pod).items() if name.endswith("_TARGET")
        }
        assert targets == {
            f"SIYU_{peer.upper()}_TARGET": (
                f"dns:///siyu-{peer}-headless.broker.svc.cluster.local:9090"
            )
            for peer in spec.peers
        }
        assert bool("SIYU_COLLECT_HTTP_LISTEN" in helm.environment(pod)) is spec.http


def test_headless_services_hide_pods_that_are_not_ready(manifests):
    services = helm.of_kind(manifests["trial"], "Service")
    for spec in SERVICES:
        headless = services[f"siyu-{spec.name}-headless"]["spec"]
        assert headless["clusterIP"] == "None"
        assert "publishNotReadyAddresses" not in headless
        assert "clusterIP" not in services[f"siyu-{spec.name}"]["spec"]


def test_images_come_from_the_registry_that_is_named(manifests):
    for pod in helm.pods(manifests["production"]).values():
        assert helm.container(pod)["image"].startswith("registry.example/team/siyu/")
    stores = helm.rendered({"global": {"imageRegistry": "registry.example/"}})
    images = {helm.container(pod)["image"] for pod in helm.pods(stores).values()}
    assert {"registry.example/postgres:15", "registry.example/redis:7"} <= images
    assert all(image.startswith("registry.example/") for image in images)


def test_migrations_run_before_pods_change(manifests):
    for values, hook in (("production", "pre-install,pre-upgrade"), ("trial", "pre-upgrade")):
        jobs = helm.of_kind(manifests[values], "Job")
        assert {f"siyu-migrate-{name}" for name in STORED} == jobs.keys()
        assert {job["metadata"]["annotations"]["helm.sh/hook"] for job in jobs.values()} == {hook}
    assert not helm.of_kind(helm.rendered({"migrations": {"job": False}}), "Job")


LEADING = {"identity", "profile", "segment", "touch"}
STORED = ("identity", "analytics", "profile", "segment", "touch")


def test_services_that_ask_the_cluster_may_do_nothing_else(manifests):
    (role,) = helm.of_kind(manifests["production"], "Role").values()
    assert role["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "create", "update"],
        }
    ]
    assert not helm.of_kind(manifests["trial"], "Role", "RoleBinding", "ServiceAccount")


def _versions(manifests):
    return {manifest["apiVersion"] for manifest in manifests}
