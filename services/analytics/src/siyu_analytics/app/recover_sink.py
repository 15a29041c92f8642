"""Finishes a plan that a former run of the sink left open."""

from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.sink_ports import Plans
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.topics import EVENTS

_log = get_logger(__name__)


class RecoverSink:
    """Replays exactly what was planned: any other boundaries would lose or double events."""

    def __init__(self, stream: StreamStore, plans: Plans, carry_out: CarryOut) -> None:
        self._stream = stream
        self._plans = plans
        self._carry_out = carry_out

    async def __call__(self, owned: Owned) -> None:
        """Ask once for every partition taken; moves ``owned.position`` behind the plan."""
        plan = await self._plans.open_plan(owned.partition)
        if plan is None:
            return
        entries = await self._stream.range(
            EVENTS.name, owned.partition, plan.first_id, plan.last_id, plan.entries + 1
        )
        if len(entries) != plan.entries:
            # The stream lost what it had promised to keep: store what is left, and say so.
            _log.error(
                "planned_entries_missing",
                partition=plan.partition,
                batch_no=plan.batch_no,
                planned=plan.entries,
                found=len(entries),
            )
        failpoint("sink.recovering")
        await self._carry_out(owned, plan, entries, replay=True)
        failpoint("sink.recovered")
        owned.position = plan.last_id
        _log.info("plan_replayed", partition=plan.partition, batch_no=plan.batch_no)
