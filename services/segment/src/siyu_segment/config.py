"""Settings of the segment service."""

from dataclasses import dataclass

from siyu_kit.config import CommonConfig, Secret, setting


@dataclass(frozen=True, kw_only=True)
class SegmentConfig(CommonConfig):
    """Common settings, the peer that evaluates, and the key of page tokens."""

    analytics_target: str = setting("SIYU_ANALYTICS_TARGET", doc="host:port or dns:///name:port")
    key: Secret = setting(
        "SIYU_SEGMENT_KEY", default=Secret(""), doc="signs page tokens; replicas share it"
    )
    evaluate_timeout_s: float = setting(
        "SIYU_SEGMENT_EVALUATE_TIMEOUT_S", default=60.0, doc="longest evaluation"
    )
