"""The chart as Helm's own engine renders it."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

from support.tree import ROOT

CHART: Final = ROOT / "charts/siyu"
RELEASE: Final = "siyu"
NAMESPACE: Final = "broker"

Manifest = dict[str, Any]
Values = dict[str, Any]


@cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def defaults() -> Values:
    """The chart's values.yaml."""
    return dict(_chart().values)


def ci_values(name: str) -> Values:
    """One of the value sets under ``ci``."""
    loaded: Values = yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text()) or {}
    return loaded


def ci_names() -> list[str]:
    """The value sets under ``ci``."""
    return sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))


def check(values: Values) -> None:
    """Raise HelmValuesError when the schema refuses the values, laid over the defaults."""
    _chart().validate_schema(_chart().merge_values(values))


def rendered(values: Values | None = None, *, upgrade: bool = False) -> list[Manifest]:
    """Every manifest, in the order of their files; the schema is asked first, as Helm does."""
    check(values or {})
    texts = _chart().render(
        values, name=RELEASE, namespace=NAMESPACE, is_install=not upgrade, is_upgrade=upgrade
    )
    return [
        manifest
        for path, text in sorted(texts.items())
        if Path(path).suffix == ".yaml"
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


def notes(values: Values | None = None) -> str:
    """What is said after an installation."""
    texts = _chart().render(values, name=RELEASE, namespace=NAMESPACE)
    return next(text for path, text in texts.items() if path.endswith("NOTES.txt"))


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    """Manifests of these kinds by name."""
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] in kinds}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Every pod, or pod template, by the name of what makes it: ``{"metadata", "spec"}``."""
    found = {}
    for item in manifests:
        name = f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Pod":
            found[name] = item
        elif item["kind"] in {"Deployment", "StatefulSet", "Job"}:
            found[name] = item["spec"]["template"]
    return found


def container(pod: Manifest) -> Manifest:
    """The only container of a pod."""
    (only,) = pod["spec"]["containers"]
    return dict(only)


def environment(pod: Manifest) -> dict[str, str]:
    """The variables of a pod's only container."""
    return {item["name"]: item["value"] for item in container(pod)["env"]}
