"""Work over a whole project."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class RunKind(IntEnum):
    """What a run does (the numbers of the contract)."""

    RESTITCH = 1
    SIMULATE = 2
    POLICY = 3


class RunState(IntEnum):
    """How far it is (the numbers of the contract)."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One run."""

    run_id: str
    kind: RunKind
    started_ms: int
    updated_ms: int
    state: RunState = RunState.RUNNING
    done: int = 0
    total: int = 0
    policy_version: int = 0
    policy: Mapping[str, Any] | None = None
    """The body of a policy that is only tried."""
    found: Mapping[str, Any] | None = None
    """What it counted (``siyu_identity.domain.restitch.Comparison`` as JSON)."""
    error: str = ""
