"""Accounts as messages of the contract, and as metrics."""

from collections import defaultdict

from opentelemetry.metrics import Meter

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu_analytics.app.reconciliation import Account
from siyu_kit import metric_defs
from siyu_kit.log import plain_id


def reconciliation_response(account: Account) -> pb.GetReconciliationResponse:
    """The answer of GetReconciliation."""
    handled = account.handled
    return pb.GetReconciliationResponse(
        received=account.received,
        accepted=account.accepted,
        refused=[
            pb.RefusedCount(reason=reason, count=count) for reason, count in account.refused.items()
        ],
        stored=handled.stored,
        duplicates=handled.duplicates,
        passed=handled.passed,
        dead_lettered=handled.dead_lettered,
        replayed=account.replayed,
        pending=account.pending,
        lost=account.lost,
        unaccounted=account.unaccounted,
        balanced=account.balanced,
        settled_time_ms=account.settled_ms,
    )


class AccountMetrics:
    """The instruments of the accounts; sums are told whole at first, then by what they grew."""

    def __init__(self, meter: Meter) -> None:
        self._sums = {
            "received": metric_defs.RECONCILE_RECEIVED.on(meter),
            "refused": metric_defs.RECONCILE_REFUSED.on(meter),
            "stored": metric_defs.RECONCILE_STORED.on(meter),
            "duplicates": metric_defs.RECONCILE_DUPLICATE.on(meter),
            "passed": metric_defs.RECONCILE_PASSED.on(meter),
            "dead_lettered": metric_defs.RECONCILE_DEAD_LETTERED.on(meter),
            "lost": metric_defs.STREAM_LOST.on(meter),
        }
        self._states = {
            "pending": metric_defs.RECONCILE_PENDING.on(meter),
            "unaccounted": metric_defs.RECONCILE_UNACCOUNTED.on(meter),
        }
        self._told: defaultdict[tuple[str, str], int] = defaultdict(int)

    def __call__(self, account: Account) -> None:
        """Tell one project's account."""
        # Whoever may write for every project may make up its name.
        label = {"project_id": plain_id(account.project_id)}
        values = {
            "received": account.received,
            "refused": sum(account.refused.values()),
            "stored": account.handled.stored,
            "duplicates": account.handled.duplicates,
            "passed": account.handled.passed,
            "dead_lettered": account.handled.dead_lettered,
            "lost": account.lost,
        }
        for name, value in values.items():
            if (grown := value - self._told[account.project_id, name]) > 0:
                self._sums[name].add(grown, label)
                self._told[account.project_id, name] = value
        states = {"pending": account.pending, "unaccounted": account.unaccounted}
        for name, value in states.items():
            self._states[name].add(value - self._told[account.project_id, name], label)
            self._told[account.project_id, name] = value
