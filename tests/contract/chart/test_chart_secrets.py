"""What is secret stands in Secrets, and nowhere else in what the chart makes."""

import base64
import json

import helm_python
import pytest

from support import helm
from support.secret_text import telling

TRIAL = {"keys": {"writeKeys": {"canary-write-key-5ac2": {"project": "demo"}}}}
SECRET_SETTINGS = {
    "profile": ("SIYU_PROFILE_KEY", "SIYU_FIELD_MASTER_KEYS", "SIYU_DATABASE_URL"),
    "identity": ("SIYU_IDENTITY_KEY", "SIYU_FIELD_MASTER_KEYS", "SIYU_STREAM_URL"),
    "collect": ("SIYU_COLLECT_WRITE_KEYS",),
}


def secret_values(manifests):
    """Every value of every Secret."""
    for item in manifests:
        if item["kind"] != "Secret":
            continue
        for name, value in item.get("data", {}).items():
            yield name, telling(base64.b64decode(value).decode())
        yield from item.get("stringData", {}).items()


def test_no_value_of_a_secret_stands_outside_of_it():
    manifests = helm.rendered(TRIAL)
    secrets = dict(secret_values(manifests))
    assert len(secrets) > 10
    assert "canary-write-key-5ac2" in secrets["write_keys.json"]
    open_to_all = [json.dumps(item) for item in manifests if item["kind"] != "Secret"]
    open_to_all.append(helm.notes(TRIAL))
    wanted = {**secrets, "write key": "canary-write-key-5ac2"}
    assert [name for name, text in wanted.items() if any(text in it for it in open_to_all)] == []


@pytest.mark.parametrize(
    ("service", "variable"),
    [(service, variable) for service, names in SECRET_SETTINGS.items() for variable in names],
)
@pytest.mark.parametrize("place", ["all", "one"])
def test_a_secret_is_no_setting(service, variable, place):
    canary = {variable: "canary"}
    values = (
        {"settings": canary} if place == "all" else {"services": {service: {"settings": canary}}}
    )
    with pytest.raises(helm_python.HelmError, match=variable):
        helm.check(values)
