"""Limits from the settings that every service has."""

from dataclasses import replace

from opentelemetry.metrics import Meter

from siyu_kit.clock import Clock
from siyu_kit.config import CommonConfig, ConfigError
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.load import LoadBounds
from siyu_kit.limits.policy import LimitPolicy, ProjectLimits


def policy_of(config: CommonConfig) -> LimitPolicy:
    """What each project may have. Raises ConfigError for a limits file of no use."""
    default = ProjectLimits(
        requests_per_s=config.project_requests_per_s,
        bytes_per_s=config.project_bytes_per_s,
        events_per_s=config.project_events_per_s,
    )
    try:
        return LimitPolicy(config.limits_file, default, fair=config.fair)
    except (OSError, ValueError) as error:
        raise ConfigError([f"SIYU_LIMITS_FILE: {error}"]) from error


def admission_of(
    config: CommonConfig,
    policy: LimitPolicy,
    bounds: AdmissionBounds,
    clock: Clock,
    meter: Meter,
) -> Admission:
    """The way in of a process; the numbers of slots are the service's own."""
    load = LoadBounds(config.max_loop_lag_s, config.max_request_bytes)
    own = replace(bounds, max_queue_age_s=config.max_queue_age_s, load=load)
    return Admission(policy, own, clock, meter)
