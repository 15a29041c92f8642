"""Values: typos are refused wherever they stand, and so is what cannot work."""

import copy
import importlib.util
import json

import helm_python
import pytest

from support import helm
from support.tree import ROOT

# Maps whose keys are the operator's own.
FREE = {
    "affinity",
    "annotations",
    "labels",
    "limits",
    "nodeSelector",
    "podAnnotations",
    "podLabels",
    "writeKeys",
}


def closed(values, path=()):
    """Paths of the maps whose keys are the chart's."""
    yield path
    for key, value in values.items():
        free = key in FREE and not (key == "limits" and "resources" in path)
        if isinstance(value, dict) and not free:
            yield from closed(value, (*path, key))


def places():
    everything = helm.defaults()
    for service in everything["services"].values():
        for key, value in everything["defaults"].items():
            service.setdefault(key, copy.deepcopy(value))
    return sorted(closed(everything))


def test_all_maps_are_looked_at():
    assert len(places()) > 80


@pytest.mark.parametrize("path", places(), ids=".".join)
def test_a_typo_is_refused(path):
    values = typo = {}
    for key in path:
        typo[key] = typo = {}
    typo["tpyo"] = "x"
    with pytest.raises(helm_python.HelmValuesError, match="tpyo"):
        helm.check(values)


def unexplained(schema, values, path, definitions):
    """Keys that the schema knows and values.yaml does not show."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for key, below in schema.get("properties", {}).items():
        here = (*path, key)
        if key in {"settings", "resources"} or here[0] == "services":
            continue
        if key not in values:
            yield here
        elif isinstance(values[key], dict):
            yield from unexplained(below, values[key], here, definitions)


def test_every_key_stands_in_the_values_file():
    schema = json.loads((helm.CHART / "values.schema.json").read_text())
    assert list(unexplained(schema, helm.defaults(), (), schema["definitions"])) == []


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"services": {"analytics": {"replicas": 2}}}, id="chdb-replicas"),
        pytest.param(
            {"services": {"analytics": {"autoscaling": {"enabled": True}}}}, id="chdb-hpa"
        ),
        pytest.param({"settings": {"SIYU_PARTITIONS": "many"}}, id="type-of-a-setting"),
        pytest.param({"settings": {"SIYU_STREAM_DURABILITY": "maybe"}}, id="word-of-a-setting"),
        pytest.param({"settings": {"SIYU_LISTEN": "0.0.0.0:1"}}, id="setting-of-the-chart"),
        pytest.param({"settings": {"SIYU_IDENTITY_KEY": "ab"}}, id="secret-as-a-setting"),
        pytest.param(
            {"services": {"touch": {"settings": {"SIYU_PARTITIONS": 2}}}}, id="shared-setting"
        ),
        pytest.param(
            {"services": {"touch": {"settings": {"SIYU_SEGMENT_EVALUATE_TIMEOUT_S": 2}}}},
            id="setting-of-another",
        ),
        pytest.param({"database": {"mode": "sqlite"}}, id="mode"),
        pytest.param({"metrics": {"port": 0}}, id="port"),
        pytest.param({"global": {"imagePullPolicy": "Sometimes"}}, id="pull-policy"),
        pytest.param(
            {"defaults": {"extraEnv": [{"name": "SIYU_LOG_LEVEL", "value": "x"}]}},
            id="setting-past-the-schema",
        ),
    ],
)
def test_what_cannot_work_is_refused(values):
    with pytest.raises(helm_python.HelmValuesError):
        helm.check(values)


def test_a_default_of_several_pods_leaves_chdb_its_one():
    values = {"defaults": {"replicas": 3, "autoscaling": {"enabled": True}}}
    manifests = helm.rendered(values)
    engine = helm.of_kind(manifests, "StatefulSet")["siyu-analytics"]
    assert engine["spec"]["replicas"] == 1
    assert "siyu-analytics" not in helm.of_kind(manifests, "HorizontalPodAutoscaler")
    assert "siyu-touch" in helm.of_kind(manifests, "HorizontalPodAutoscaler")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"database": {"mode": "external"}}, "database.existingSecret"),
        ({"stream": {"mode": "external"}}, "stream.existingSecret"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.enabled"),
    ],
)
def test_what_is_missing_is_named(values, told):
    with pytest.raises(helm_python.HelmRenderError, match=told):
        helm.rendered(values)


def test_keys_that_are_gone_are_not_made_again():
    outside = {"mode": "external", "existingSecret": "own"}
    with pytest.raises(helm_python.HelmRenderError, match="other person ids"):
        helm.rendered({"database": outside, "stream": outside}, upgrade=True)
    with pytest.raises(helm_python.HelmRenderError, match="no other passwords"):
        helm.rendered({"keys": {"existingSecret": "own"}}, upgrade=True)
    helm.rendered(helm.ci_values("production"), upgrade=True)


def test_with_secrets_of_ones_own_none_is_rendered():
    assert not helm.of_kind(helm.rendered(helm.ci_values("production")), "Secret")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("old-cluster", "v1.20.0"),
        *(
            (name, version)
            for name in ("trial", "production")
            for version in ("v1.25.0", "v1.37.0")
        ),
    ],
)
def test_lint_has_nothing_to_say(name, version):
    report = helm_python.lint(
        helm.CHART, helm.ci_values(name), strict=True, namespace="broker", kube_version=version
    )
    heard = [item for item in report["messages"] if item["severity"] >= 2]
    assert heard == []
    assert report["errors"] == []


def test_notes_warn_of_what_is_risky():
    trial, production = helm.notes({}), helm.notes(helm.ci_values("production"))
    for words in ("keys in the Secret", "bundled stores", "not encrypted", "one replica"):
        assert words in trial
        assert words not in production


def test_the_schema_is_what_the_settings_say():
    assert (helm.CHART / "values.schema.json").read_text() == _script("chart_schema").text()


def test_dockerfiles_are_what_their_template_says():
    for path, text in _script("dockerfiles").dockerfiles().items():
        assert path.read_text() == text, path


def _script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
