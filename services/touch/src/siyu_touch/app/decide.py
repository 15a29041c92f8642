"""Decides a batch of sends: gates, decisions, and what follows, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pyroaring import BitMap

from siyu_kit.failpoints import failpoint
from siyu_kit.telemetry import inject
from siyu_touch.app.board import Board, known_as
from siyu_touch.app.counting import count_decisions, count_sends
from siyu_touch.app.ports import PushMessage
from siyu_touch.app.store import Attempt, Claim, InboxEntry, TouchStore, TouchUnit
from siyu_touch.app.waiting import still_due
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.days import day_number, window_start_ms
from siyu_touch.domain.decision import Decision, Outcome
from siyu_touch.domain.delivery import Answer, Delivery
from siyu_touch.domain.gates import Facts, Judgement, Situation, judge
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Message, Template
from siyu_touch.domain.touch_event import TouchEvent
from siyu_touch.domain.vocabulary import CampaignState, Channel, SendState

_OVER: Final = frozenset({SendState.REFUSED, SendState.EXPIRED})


@dataclass
class _Batch:
    """What the decisions of one batch lead to."""

    decisions: list[Decision] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    attempting: list[Send] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    inbox: list[InboxEntry] = field(default_factory=list)
    events: list[TouchEvent] = field(default_factory=list)
    messages: list[tuple[Send, PushMessage]] = field(default_factory=list)
    trace: str | None = field(default_factory=inject)


async def decide(
    store: TouchStore,
    claim: Claim,
    template: Template,
    claimed: Sequence[Send],
    facts: Mapping[int, Facts],
    now_ms: int,
) -> list[tuple[Send, PushMessage]]:
    """Decide claimed sends of one campaign and channel; gives what is now to be pushed.

    Facts are needed about everybody whose send has not expired.

    Sends that a pause, a receipt or another dispatcher took away meanwhile are left alone.
    """
    project_id, campaign_id = claimed[0].project_id, claimed[0].campaign_id
    keys = [send.send_key for send in claimed]
    async with store.transaction() as unit:
        head = await unit.decisions.lock(project_id)
        campaign = await unit.catalogue.campaign(project_id, campaign_id)
        if campaign.state is not CampaignState.RUNNING:
            await unit.sends.release(project_id, keys, claim)
            return []
        sends = await still_due(unit, project_id, keys, claim)
        killed = await unit.catalogue.killed(project_id)
        board = await _board(unit, campaign, template.channel, sends, facts, now_ms)
        batch = _judge_all(campaign, template, sends, facts, board, killed=killed, now_ms=now_ms)
        await unit.decisions.append(project_id, head, batch.decisions)
        # An earlier attempt of these was put off: they give back what they had taken for it.
        over = [send.send_key for send in batch.sends if send.state in _OVER and send.attempts]
        await unit.sends.free(project_id, over)
        await unit.sends.drop_recipients(
            project_id, campaign_id, template.channel, sorted(board.given_back)
        )
        await unit.sends.add_recipients(
            project_id, campaign_id, template.channel, board.new_recipients
        )
        await unit.sends.reserve(project_id, list(board.new_reservations.values()))
        await unit.sends.save_attempts(project_id, batch.attempts)
        await unit.sends.add_inbox(project_id, batch.inbox)
        await unit.sends.save(batch.sends)
        await unit.sends.save(batch.attempting, claim=claim)
        await unit.decisions.tell(project_id, batch.events)
        failpoint("touch.decide_before_commit")
    count_decisions(project_id, template.channel, batch.decisions)
    count_sends([*batch.sends, *batch.attempting])
    return batch.messages


async def _board(
    unit: TouchUnit,
    campaign: Campaign,
    channel: Channel,
    sends: Sequence[Send],
    facts: Mapping[int, Facts],
    now_ms: int,
) -> Board:
    known = [(send, facts[send.person_no]) for send in sends if send.person_no in facts]
    keys = sorted({key for send, fact in known for key in known_as(send, fact)})
    persons = sorted({number for _, fact in known for number in fact.numbers})
    project_id, campaign_id = campaign.project_id, campaign.campaign_id
    taken = await unit.sends.recipients(project_id, campaign_id, channel, keys)
    cap = campaign.frequency_cap
    since = window_start_ms(now_ms, cap.days if cap else 1, campaign.zone)
    reservations = await unit.sends.reserved(project_id, persons, since)
    held_out = BitMap()
    if any(fact.current_person_no != fact.person_no for _, fact in known):
        snapshot = await unit.catalogue.snapshot(project_id, campaign_id)
        held_out = snapshot.held_out if snapshot else held_out
    return Board(taken, reservations, held_out)


def _judge_all(
    campaign: Campaign,
    template: Template,
    sends: Sequence[Send],
    facts: Mapping[int, Facts],
    board: Board,
    *,
    killed: bool,
    now_ms: int,
) -> _Batch:
    batch = _Batch()
    day = day_number(now_ms, campaign.zone)
    for send in sends:
        if now_ms >= send.expire_ms:
            _record(batch, send, Judgement(Outcome.EXPIRE, ()), now_ms)
            continue
        fact = facts[send.person_no]
        judgement = judge(
            Situation(
                now_ms,
                campaign,
                template,
                fact,
                killed,
                board.taken_by(send, fact),
                board.messages_before(send, fact),
            )
        )
        _record(batch, send, judgement, now_ms)
        if judgement.outcome is Outcome.REFUSE:
            board.give_back(send, fact)
        if judgement.message is not None and judgement.outcome is Outcome.SEND:
            board.take(send, fact, day, now_ms)
            _begin(batch, send, fact, judgement.message, now_ms)
    return batch


def _record(batch: _Batch, send: Send, judgement: Judgement, now_ms: int) -> None:
    batch.decisions.append(
        Decision(
            send.campaign_id,
            send.person_no,
            send.send_key,
            judgement.outcome,
            judgement.verdicts,
            now_ms,
        )
    )
    match judgement.outcome:
        case Outcome.EXPIRE:
            batch.sends.append(
                replace(send, state=SendState.EXPIRED, reason="EXPIRED", update_time_ms=now_ms)
            )
        case Outcome.REFUSE:
            refused = replace(
                send,
                state=SendState.REFUSED,
                gate=judgement.gate,
                reason=judgement.reason,
                update_time_ms=now_ms,
            )
            batch.sends.append(refused)
            batch.events.append(told(refused, now_ms))
        case Outcome.DEFER:
            deferred = replace(
                send,
                state=SendState.DEFERRED,
                gate=judgement.gate,
                reason=judgement.reason,
                # A send that cannot wait that long must be looked at when it expires.
                due_ms=min(judgement.until_ms, send.expire_ms),
                update_time_ms=now_ms,
            )
            batch.sends.append(deferred)
        case _:
            pass


def _begin(batch: _Batch, send: Send, fact: Facts, message: Message, now_ms: int) -> None:
    number = send.attempts + 1
    started = replace(
        send, gate="", reason="", attempts=number, update_time_ms=now_ms, trace=batch.trace
    )
    if send.channel is Channel.IN_APP:
        accepted = replace(started, state=SendState.ACCEPTED)
        batch.sends.append(accepted)
        batch.events.append(told(accepted, now_ms))
        delivery = Delivery(Answer.ACCEPTED)
        batch.attempts.append(Attempt(send.send_key, number, now_ms, delivery))
        batch.inbox.append(
            InboxEntry(send.send_key, fact.current_person_no, message, now_ms, send.expire_ms)
        )
        return
    attempting = replace(started, state=SendState.ATTEMPTING)
    batch.attempting.append(attempting)
    batch.attempts.append(Attempt(send.send_key, number, now_ms))
    push = PushMessage(send.send_key, fact.address, message.title, message.body)
    batch.messages.append((attempting, push))


def told(send: Send, at_ms: int) -> TouchEvent:
    """The event of a send's present state."""
    return TouchEvent(
        send_key=send.send_key,
        state=int(send.state),
        person_no=send.person_no,
        campaign_id=send.campaign_id,
        channel=send.channel.label,
        gate=send.gate,
        reason=send.reason,
        event_time_ms=at_ms,
    )
