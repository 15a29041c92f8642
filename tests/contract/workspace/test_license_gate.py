"""The licence gate reads expressions as SPDX means them, and lets nothing unknown through."""

import importlib.util
import tomllib

import pytest

from support.tree import ROOT

POLICY = tomllib.loads((ROOT / "policy/licenses.toml").read_text())


@pytest.fixture(scope="module")
def gate():
    spec = importlib.util.spec_from_file_location("licenses", ROOT / "scripts/licenses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("GPL-3.0-only AND (MIT OR BSD-3-Clause)", False),
        ("MIT AND (GPL-3.0-only OR BSD-3-Clause)", True),
        ("Apache Software License; MIT License", True),
        ("MIT License; GNU General Public License (GPL)", False),
        ("LGPL-3.0-only", False),
        ("MPL-2.0", False),
        ("UNKNOWN", False),
        ("", False),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT MIT", False),
    ],
)
def test_an_expression_holds_when_its_parts_do(gate, expression, holds):
    assert gate.holds(expression, POLICY["spellings"], set(POLICY["allow"])) is holds


def test_file_level_copyleft_is_for_tools_and_named_packages(gate):
    shipped = {"orjson", "redis"}
    assert "MPL-2.0" in gate.allowed("hypothesis", shipped, POLICY)
    assert "MPL-2.0" in gate.allowed("orjson", shipped, POLICY)
    assert "MPL-2.0" not in gate.allowed("redis", shipped, POLICY)


def test_what_an_image_carries_is_read_from_its_requirements(gate):
    assert {"grpcio", "chdb", "orjson"} <= gate.shipped()
    assert "hypothesis" not in gate.shipped()
