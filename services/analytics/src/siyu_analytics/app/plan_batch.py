"""Stores one batch of a partition: plans it, then carries the plan out."""

from collections.abc import Sequence

from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.plan_rules import may_hold_tracks, passed_over
from siyu_analytics.app.sink_ports import Plans
from siyu_kit.failpoints import failpoint
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry


class PlanBatch:
    """The normal way of a batch."""

    def __init__(self, plans: Plans, carry_out: CarryOut) -> None:
        self._plans = plans
        self._carry_out = carry_out

    async def __call__(self, owned: Owned, entries: Sequence[Entry]) -> None:
        """Store the entries' events once and move ``owned.position`` behind them.

        Raises ``LeaseLost`` when the partition is another's by now; nothing of it stays then that
        the new owner would not find.
        """
        last_id = entries[-1].id
        if any(may_hold_tracks(entry) for entry in entries):
            plan = await self._plans.make(owned, entries)
            failpoint("sink.after_plan")
            await self._carry_out(owned, plan, entries, replay=False)
            failpoint("sink.after_done")
        else:
            await self._plans.skip(owned, last_id, passed_over(entries))
        owned.position = last_id
