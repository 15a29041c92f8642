"""What an image carries is listed whole, and each component has a licence that somebody read."""

import importlib.util
import json
import sys
import tomllib

import pytest

from support.tree import ROOT

POLICY = tomllib.loads((ROOT / "policy/licenses.toml").read_text())
SAFE = {"redis": {"Name": "redis", "Version": "8.1.0", "License": "MIT License"}}


@pytest.fixture(scope="module")
def sbom():
    sys.path.insert(0, str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "scripts/sbom.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["sbom"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sbom"]
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def written(sbom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sbom")
    assert sbom.write(folder) == []
    return {path.name: json.loads(path.read_text()) for path in folder.iterdir()}


def test_every_image_has_its_list(written):
    images = {path.parent.name for path in ROOT.glob("services/*/Dockerfile")} | {"client"}
    assert written.keys() == {f"{image}.cdx.json" for image in images}


def test_every_component_is_named_placed_and_licensed(written):
    for document in written.values():
        assert document["bomFormat"] == "CycloneDX"
        assert document["specVersion"] == "1.6"
        for component in document["components"]:
            assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
            (licence,) = component["licenses"]
            assert licence["expression"]
        references = [component["bom-ref"] for component in document["components"]]
        assert len(references) == len(set(references))


def test_lists_hold_what_the_locks_pin(sbom, written):
    document = written["analytics.cdx.json"]
    names = {component["name"] for component in document["components"]}
    assert {"chdb", "grpcio", "siyu-kit", "siyu-protos"} <= names
    assert "hypothesis" not in names
    assert "tzdata" not in names  # locked for other systems
    assert "async-timeout" in names  # before Python 3.11.3
    grpcio = next(item for item in document["components"] if item["name"] == "grpcio")
    assert len(grpcio["properties"]) > 1


@pytest.mark.parametrize(
    ("stated", "told"),
    [("UNKNOWN", "not allowed: UNKNOWN"), ("", "not allowed"), ("GPL-3.0-only", "GPL-3.0-only")],
)
def test_an_unknown_licence_fails(sbom, stated, told):
    installed = {"redis": {**SAFE["redis"], "License": stated}}
    with pytest.raises(sbom.SbomError, match=told):
        sbom.licence_of(sbom.Component("redis", "8.1.0", ()), installed, POLICY)


def test_a_component_that_nobody_lists_fails(sbom):
    with pytest.raises(sbom.SbomError, match="not installed"):
        sbom.licence_of(sbom.Component("surprise", "1.0", ()), SAFE, POLICY)
    with pytest.raises(sbom.SbomError, match="not installed"):
        sbom.licence_of(sbom.Component("redis", "9.9.9", ()), SAFE, POLICY)


def test_a_known_licence_is_written_as_spdx_has_it(sbom):
    assert sbom.licence_of(sbom.Component("redis", "8.1.0", ()), SAFE, POLICY) == "MIT"
