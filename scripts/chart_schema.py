"""Writes charts/siyu/values.schema.json: the keys of values.yaml, and the services' settings.

Settings that the chart itself sets (addresses, files, TLS) are left out: they follow from other
values.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Final, Literal

from siyu_analytics.config import AnalyticsConfig
from siyu_collect.config import CollectConfig
from siyu_identity.config import IdentityConfig
from siyu_kit.config import CommonConfig, settings_of
from siyu_profile.config import ProfileConfig
from siyu_segment.config import SegmentConfig
from siyu_touch.config import TouchConfig

CONFIGS: Final[dict[str, type[CommonConfig]]] = {
    "collect": CollectConfig,
    "identity": IdentityConfig,
    "analytics": AnalyticsConfig,
    "profile": ProfileConfig,
    "segment": SegmentConfig,
    "touch": TouchConfig,
}
SHARED: Final = {"SIYU_PARTITIONS", "SIYU_STREAM_DURABILITY", "SIYU_STREAM_REPLICAS"}
"""The same in every service: only the whole release may set them."""
OWNED: Final = {
    "SIYU_LISTEN",
    "SIYU_COLLECT_HTTP_LISTEN",
    "SIYU_DATA_DIR",
    "SIYU_MIGRATE",
    "SIYU_AUTH_ISSUER",
    "SIYU_OTLP_ENDPOINT",
    "SIYU_METRICS_LISTEN",
    "SIYU_LEASES",
    "SIYU_LEASE_NAMESPACE",
    "SIYU_LEASE_PREFIX",
    "SIYU_KUBERNETES_URL",
    "SIYU_DRAIN_DELAY_S",
    "SIYU_STOP_GRACE_S",
    "SIYU_HEALTH_DIR",
}
_OWNED_ENDINGS: Final = ("_FILE", "_TARGET")
_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}

Schema = dict[str, Any]


def settable(config: type[CommonConfig]) -> dict[str, Schema]:
    """The settings of a service that values may set, each with its type and meaning."""
    hints = typing.get_type_hints(config, include_extras=True)
    by_env = {
        item.metadata["env"]: hints[item.name]
        for item in config.__dataclass_fields__.values()
        if "env" in item.metadata
    }
    return {
        setting.env: {**_type(by_env[setting.env]), "description": setting.doc}
        for setting in settings_of(config)
        if not setting.secret
        and setting.env not in OWNED
        and not setting.env.endswith(_OWNED_ENDINGS)
    }


def _type(hint: Any) -> Schema:
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is Literal:
        return {"enum": list(typing.get_args(hint))}
    return {"type": _TYPES.get(hint, "string")}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _number(kind: str = "integer", **bounds: float) -> Schema:
    return {"type": kind, **bounds}


TEXT: Final[Schema] = {"type": "string"}
NAME: Final[Schema] = {"type": "string", "minLength": 1}
FLAG: Final[Schema] = {"type": "boolean"}
TEXTS: Final = _map(TEXT)
FREE: Final[Schema] = {"type": "object"}
LIST: Final[Schema] = {"type": "array", "items": FREE}
QUANTITY: Final[Schema] = {"type": ["string", "number"], "pattern": r"^[0-9.]+([EPTGMk]i?|m)?$"}
PORT: Final = _number(minimum=1, maximum=65535)
AMOUNTS: Final = _object(
    **{"cpu": QUANTITY, "memory": QUANTITY, "ephemeral-storage": QUANTITY}  # names with hyphens
)
RESOURCES: Final = _object(requests=AMOUNTS, limits=AMOUNTS)
STORE: Final = _object(
    mode={"enum": ["bundled", "external"]}, existingSecret=TEXT, port=PORT, to=LIST
)
BUNDLED: Final = _object(
    image=NAME,
    uid=_number(minimum=1),
    storageClass=TEXT,
    size=QUANTITY,
    resources=RESOURCES,
)


WORKLOAD: Final[dict[str, Schema]] = _object(
    replicas=_number(minimum=0),
    resources=RESOURCES,
    drainDelaySeconds=_number("number", minimum=0, maximum=300),
    nameCacheSeconds=_number("number", minimum=0, maximum=300),
    stopGraceSeconds=_number("number", minimum=0, maximum=3600),
    autoscaling=_object(
        enabled=FLAG,
        minReplicas=_number(minimum=1),
        maxReplicas=_number(minimum=1),
        targetCPUUtilization=_number(minimum=1, maximum=100),
    ),
    podDisruptionBudget=_object(
        enabled=FLAG, maxUnavailable={"type": ["integer", "string"], "minimum": 0}
    ),
    topologySpread=_object(
        enabled=FLAG, whenUnsatisfiable={"enum": ["ScheduleAnyway", "DoNotSchedule"]}
    ),
    startupSeconds=_number(minimum=5),
    podAnnotations=TEXTS,
    podLabels=TEXTS,
    nodeSelector=TEXTS,
    tolerations=LIST,
    affinity=FREE,
    priorityClassName=TEXT,
    extraEnv={
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "not": {"pattern": "^SIYU_"}}},
        },
    },
    persistence=_object(storageClass=TEXT, size=QUANTITY, existingClaim=TEXT),
)["properties"]
"""What one service may override, beside its settings."""


def _references(names: typing.Iterable[str]) -> dict[str, Schema]:
    return {name: {"$ref": f"#/definitions/{name}"} for name in names}


def _workload(settings: dict[str, Schema]) -> Schema:
    """A service's values; what all have in common is said once, in ``definitions``."""
    common = settable(CommonConfig)
    own = {env: text for env, text in settings.items() if env not in common}
    shared = _references(env for env in settings if env in common)
    return _object(settings=_object(**shared, **own), **_references(WORKLOAD))


def _service(config: type[CommonConfig]) -> Schema:
    own = {env: text for env, text in settable(config).items() if env not in SHARED}
    schema = _workload(own)
    if config is AnalyticsConfig:
        # chDB opens its folder for one process.
        schema["properties"]["replicas"] = _number(minimum=0, maximum=1)
        schema["properties"]["autoscaling"] = _object(enabled={"const": False})
    return schema


def schema() -> Schema:
    """The whole document."""
    common = settable(CommonConfig)
    own = {env: text for env, text in common.items() if env not in SHARED}
    values = _object(
        **{"global": GLOBAL},  # a keyword of Python
        image=_object(repository=NAME, tag=TEXT),
        settings=_object(**_references(common)),
        keys=_object(
            existingSecret=TEXT, writeKeys=_map(_object(project=NAME)), mastersSecret=TEXT
        ),
        auth=_object(issuer=NAME, tokenSecret=TEXT),
        tls=_object(existingSecret=TEXT),
        database=STORE,
        engine=_object(existingSecret=TEXT, port=PORT, to=LIST),
        stream=STORE,
        leases=_object(mode={"enum": ["database", "kubernetes"]}, to=LIST),
        defaults=_workload(own),
        services=_object(**{name: _service(config) for name, config in CONFIGS.items()}),
        ingress=_object(enabled=FLAG, className=TEXT, annotations=TEXTS, host=TEXT, tlsSecret=TEXT),
        limits=FREE,
        telemetry=_object(otlpEndpoint={"type": "string", "pattern": "^(https?://.+)?$"}, to=LIST),
        metrics=_object(
            enabled=FLAG,
            port=PORT,
            serviceMonitor=_object(enabled=FLAG, interval=NAME, labels=TEXTS),
        ),
        networkPolicy=_object(
            enabled=FLAG, clients=LIST, sdkSources=LIST, monitoring=LIST, pushTo=LIST
        ),
        migrations=_object(job=FLAG, timeoutSeconds=_number(minimum=1)),
        bundled=_object(postgresql=BUNDLED, redis=BUNDLED),
        tests=_object(project=NAME, timeoutSeconds=_number(minimum=10)),
    )
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "siyu",
        **values,
        "definitions": {**common, **WORKLOAD},
    }


GLOBAL: Final = _object(
    imageRegistry=TEXT,
    imagePullSecrets={"type": "array", "items": TEXT},
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    clusterDomain=NAME,
    kubeVersion=TEXT,
)


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes the file named."""
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
