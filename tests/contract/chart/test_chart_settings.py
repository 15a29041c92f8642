"""The variables of each pod are a configuration of its service: no more, no less, and it loads."""

import importlib

import pytest

from siyu_kit.config import load, settings_of
from support import helm

SERVICES = ("collect", "identity", "analytics", "profile", "segment", "touch")
SECRETS = {
    "/etc/siyu/database/url": "postgresql+asyncpg://u:p@db/siyu",
    "/etc/siyu/stream/url": "redis://:p@redis/0",
    "/etc/siyu/keys/service.key": "ab" * 32,
    "/etc/siyu/engine/url": "https://u:p@clickhouse:8443/siyu",
    "/etc/siyu/masters/keys": f"{'cd' * 16},{'ef' * 16}",
}


def config_of(name):
    module = importlib.import_module(f"siyu_{name}.config")
    return getattr(module, f"{name.capitalize()}Config")


def pod_of(manifests, name):
    return next(pod for key, pod in helm.pods(manifests).items() if key.endswith(f"/siyu-{name}"))


@pytest.fixture(scope="module")
def manifests():
    return {name: helm.rendered(helm.ci_values(name)) for name in helm.ci_names()}


@pytest.mark.parametrize("values", helm.ci_names())
@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_declared(manifests, values, name):
    declared = settings_of(config_of(name))
    names = {item.env for item in declared} | {
        f"{item.env}_FILE" for item in declared if item.secret
    }
    given = helm.environment(pod_of(manifests[values], name))
    assert given.keys() - names == set()
    required = {item.env for item in declared if item.required}
    assert {env for env in required if env not in given and f"{env}_FILE" not in given} == set()


@pytest.mark.parametrize("values", helm.ci_names())
@pytest.mark.parametrize("name", SERVICES)
def test_the_service_accepts_them(manifests, values, name, tmp_path):
    environ = dict(helm.environment(pod_of(manifests[values], name)))
    for number, (variable, value) in enumerate(sorted(environ.items())):
        if value in SECRETS:
            file = tmp_path / str(number)
            file.write_text(SECRETS[value])
            environ[variable] = str(file)
    config = load(config_of(name), environ)
    assert config.listen == "0.0.0.0:9090"
    if name != "collect":
        assert config.database_url.reveal().startswith("postgresql") is True


def test_settings_arrive_as_they_were_written(manifests):
    production = manifests["production"]
    collect = helm.environment(pod_of(production, "collect"))
    assert collect["SIYU_COLLECT_MAX_STREAM_BYTES"] == "16000000000"
    assert collect["SIYU_PARTITIONS"] == "8"
    assert collect["SIYU_LOG_LEVEL"] == "WARNING"
    assert collect["SIYU_STOP_GRACE_S"] == "45"
    assert "SIYU_COLLECT_HTTP_ORIGINS" not in helm.environment(pod_of(production, "identity"))


def test_migrations_are_left_to_the_job_where_there_is_one(manifests):
    for values, migrates in (("production", "false"), ("trial", "true")):
        assert helm.environment(pod_of(manifests[values], "identity"))["SIYU_MIGRATE"] == migrates
    without = helm.rendered({**helm.ci_values("production"), "migrations": {"job": False}})
    assert helm.environment(pod_of(without, "identity"))["SIYU_MIGRATE"] == "true"


@pytest.mark.parametrize("values", helm.ci_names())
@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_named_is_mounted(manifests, values, name):
    pod = pod_of(manifests[values], name)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounted = set()
    for mount in helm.container(pod)["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        items = volume.get("secret", {}).get("items", [])
        mounted |= {f"{mount['mountPath']}/{item['path']}" for item in items}
        if "secret" in volume and not items:
            mounted |= {f"{mount['mountPath']}/{key}" for key in ("tls.crt", "tls.key", "ca.crt")}
        if "configMap" in volume:
            mounted.add(f"{mount['mountPath']}/limits.json")
    files = {value for env, value in helm.environment(pod).items() if env.endswith("_FILE")}
    assert files == mounted


def test_a_service_sees_no_key_of_another(manifests):
    for name in SERVICES:
        pod = pod_of(manifests["production"], name)
        keys = next(v for v in pod["spec"]["volumes"] if v["name"] == "keys")["secret"]["items"]
        own = {item["key"] for item in keys} - {"issuer.key.pem", "issuer.pub.pem"}
        assert own == ({"write_keys.json"} if name == "collect" else {f"{name}.key"})


def test_master_keys_reach_those_that_encrypt_fields(manifests):
    for name in SERVICES:
        pod = pod_of(manifests["production"], name)
        volumes = [v["secret"] for v in pod["spec"]["volumes"] if v["name"] == "masters"]
        own = [item["key"] for secret in volumes for item in secret["items"]]
        assert own == ([f"{name}.masters"] if name in {"identity", "profile"} else [])
        assert all(secret["secretName"] == "siyu-masters" for secret in volumes)
        without = helm.environment(pod_of(manifests["trial"], name))
        assert "SIYU_FIELD_MASTER_KEYS_FILE" not in without
