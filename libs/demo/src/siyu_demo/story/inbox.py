"""A few customers open the app: the inbox is pulled and acknowledged."""

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient, call
from siyu_demo.records import Identifier
from siyu_demo.story import listing
from siyu_demo.story.checks import Pair
from siyu_demo.story.outcomes import SENT, Expected, state_name
from siyu_demo.story.questions import identifier_message
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import fold_traits

TITLE_TEMPLATE = "{{ city | default('您') }}的财经早读"
BODY_TEMPLATE = "今天三篇要闻，看懂 300ETF。投资有风险，入市需谨慎。"
_REPORTS = [touch.SEND_STATE_DELIVERED, touch.SEND_STATE_READ, touch.SEND_STATE_CLICKED]


async def show(stage: Stage, campaign_id: str, must: Expected) -> None:
    """Three customers pull their inbox; one leaves it there, one reads, one clicks."""
    customers = _customers(stage, must)[: len(_REPORTS)]
    traits = fold_traits(stage.ledger, stage.people)
    keys: dict[str, touch.SendState.ValueType] = {}
    async with stage.acting("app-backend", ["ingest"]) as app:
        with stage.checks.table("In the app") as table:
            for customer, report in zip(customers, _REPORTS, strict=False):
                request = touch.PullInboxRequest(
                    project_id=PROJECT, identifier=identifier_message(customer)
                )
                messages = (await call(app.touch.PullInbox, request)).messages
                title = messages[0].title if messages else None
                city = traits.get(customer, {}).get("city", "您")
                table.row(f"{customer[1]} sees", Pair(title, f"{city}的财经早读"))
                if not messages:
                    continue
                keys[messages[0].send_key] = report
                await _report(app, messages[0], report)
                left = (await call(app.touch.PullInbox, request)).messages
                unread = 1 if report == touch.SEND_STATE_DELIVERED else 0
                table.row(f"{customer[1]} has unread then", Pair(len(left), unread))
            states = {
                send.send_key: send.state
                for send in await listing.sends(stage, campaign_id)
                if send.send_key in keys
            }
            for key, report in keys.items():
                table.row(
                    f"message {key[:8]}", Pair(state_name(states.get(key, 0)), state_name(report))
                )


async def _report(
    app: SiyuClient, message: touch.InboxMessage, state: touch.SendState.ValueType
) -> None:
    """What the app reports when the customer has seen, read or clicked the message."""
    receipt = touch.Receipt(
        send_key=message.send_key, state=state, event_time_ms=message.send_time_ms + 1
    )
    request = touch.RecordReceiptsRequest(project_id=PROJECT, receipts=[receipt])
    await call(app.touch.RecordReceipts, request)


def _customers(stage: Stage, must: Expected) -> list[Identifier]:
    names = {number: person for person, number in stage.numbers.person_no.items()}
    return [
        stage.people.person_of(names[number])
        for (number, channel), word in sorted(must.outcomes.items())
        if word == SENT and channel == touch.CHANNEL_IN_APP
    ]
