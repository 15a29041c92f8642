"""Sends and what belongs to them in the database; see ``app.store.Sends``."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.crypto import FieldCipher
from siyu_kit.sql.upsert import upsert
from siyu_touch.app.store import Attempt, Claim, InboxEntry, ReceiptRow, Reservation
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.send import DUE, OPEN, Send
from siyu_touch.domain.vocabulary import Channel, MessageClass, SendState
from siyu_touch.store import claims, tables
from siyu_touch.store.chunks import chunks
from siyu_touch.store.rows import from_send, to_reservation, to_send

_c = tables.send.c
_CHANGED = (
    "state",
    "gate",
    "reason",
    "attempts",
    "provider_message_id",
    "due_ms",
    "update_time_ms",
    "trace",
)
_SAVE = (
    update(tables.send)
    .where(_c.project_id == bindparam("of_project"), _c.send_key == bindparam("of_key"))
    .values({name: bindparam(name) for name in (*_CHANGED, "claim_holder", "claim_epoch")})
)
_SETTLE = (
    update(tables.send)
    .where(_c.project_id == bindparam("of_project"), _c.send_key == bindparam("of_key"))
    .values({name: bindparam(name) for name in _CHANGED})
)


def inbox_context(project_id: str, send_key: str) -> bytes:
    """What an encrypted message is bound to."""
    return f"inbox|{project_id}|{send_key}".encode()


class SqlSends:
    """Inside one open session."""

    def __init__(self, session: AsyncSession, cipher: FieldCipher) -> None:
        self._session = session
        self._cipher = cipher

    async def plan(self, sends: Sequence[Send]) -> None:
        rows = [from_send(send) for send in sends]
        await upsert(self._session, tables.send, rows, key=["project_id", "send_key"])

    async def claim(
        self,
        campaign: Campaign,
        channel: Channel,
        claim: Claim,
        now_ms: int,
        limit: int,
        *,
        only_expired: bool = False,
    ) -> Sequence[Send]:
        # A send that is put off is due when it expires, at the latest.
        at_most = _c.expire_ms if only_expired else _c.due_ms
        due = at_most <= now_ms
        return await claims.claim_due(self._session, campaign, channel, claim, due, limit)

    async def hold(self, project_id: str, send_keys: Sequence[str], claim: Claim) -> Sequence[Send]:
        return await claims.hold(self._session, project_id, send_keys, claim)

    async def release(self, project_id: str, send_keys: Sequence[str], claim: Claim) -> None:
        await claims.release(self._session, project_id, send_keys, claim)

    async def orphans(self, limit: int, own: Claim | None) -> Sequence[Send]:
        return await claims.orphans(self._session, limit, own)

    async def some(self, project_id: str, send_keys: Sequence[str]) -> Mapping[str, Send]:
        found: dict[str, Send] = {}
        for keys in chunks(send_keys):
            rows = await self._session.execute(
                select(tables.send)
                .where(_c.project_id == project_id, _c.send_key.in_(keys))
                .order_by(_c.send_key)
                .with_for_update()
            )
            found |= {row.send_key: to_send(row) for row in rows}
        return found

    async def save(self, sends: Sequence[Send], *, claim: Claim | None = None) -> None:
        held = claim or Claim("", 0)
        rows = [
            _changes(send) | {"claim_holder": held.holder, "claim_epoch": held.epoch}
            for send in sends
        ]
        await self._many(_SAVE, rows)

    async def settle_receipts(self, sends: Sequence[Send]) -> None:
        await self._many(_SETTLE, [_changes(send) for send in sends])

    async def ambiguous(
        self, due_ms: int, channels: Sequence[Channel], limit: int
    ) -> Sequence[Send]:
        rows = await self._session.execute(
            select(tables.send)
            .where(
                _c.state.in_([int(state) for state in DUE]),
                _c.due_ms <= due_ms,
                _c.message_class == int(MessageClass.MARKETING),
                _c.channel.in_([int(channel) for channel in channels]),
            )
            .order_by(_c.project_id, _c.send_key)
            .limit(limit)
            .with_for_update()
        )
        return [to_send(row) for row in rows]

    async def open_sends(self, project_id: str, campaign_id: str) -> bool:
        found = await self._session.execute(
            select(_c.send_key)
            .where(
                _c.project_id == project_id,
                _c.campaign_id == campaign_id,
                _c.state.in_([int(state) for state in OPEN]),
            )
            .limit(1)
        )
        return found.first() is not None

    async def recipients(
        self, project_id: str, campaign_id: str, channel: Channel, keys: Sequence[str]
    ) -> Mapping[str, str]:
        c = tables.recipient.c
        taken: dict[str, str] = {}
        for some in chunks(keys):
            rows = await self._session.execute(
                select(c.recipient, c.send_key).where(
                    c.project_id == project_id,
                    c.campaign_id == campaign_id,
                    c.channel == int(channel),
                    c.recipient.in_(some),
                )
            )
            taken |= {row.recipient: row.send_key for row in rows}
        return taken

    async def add_recipients(
        self, project_id: str, campaign_id: str, channel: Channel, taken: Mapping[str, str]
    ) -> None:
        rows = [
            {
                "project_id": project_id,
                "campaign_id": campaign_id,
                "channel": int(channel),
                "recipient": recipient,
                "send_key": send_key,
            }
            for recipient, send_key in taken.items()
        ]
        await self._many(insert(tables.recipient), rows)

    async def drop_recipients(
        self, project_id: str, campaign_id: str, channel: Channel, keys: Sequence[str]
    ) -> None:
        c = tables.recipient.c
        for some in chunks(keys):
            await self._session.execute(
                delete(tables.recipient).where(
                    c.project_id == project_id,
                    c.campaign_id == campaign_id,
                    c.channel == int(channel),
                    c.recipient.in_(some),
                )
            )

    async def reserved(
        self, project_id: str, person_nos: Sequence[int], from_ms: int
    ) -> Sequence[Reservation]:
        c = tables.reservation.c
        found: list[Reservation] = []
        for some in chunks(person_nos):
            rows = await self._session.execute(
                select(tables.reservation).where(
                    c.project_id == project_id, c.person_no.in_(some), c.at_ms >= from_ms
                )
            )
            found.extend(to_reservation(row) for row in rows)
        return found

    async def reserve(self, project_id: str, reservations: Sequence[Reservation]) -> None:
        slots = await self._last_slots(project_id, reservations)
        rows: list[dict[str, Any]] = []
        for one in reservations:
            slots[one.person_no, one.day] += 1
            rows.append(
                {
                    "project_id": project_id,
                    "person_no": one.person_no,
                    "day": one.day,
                    "slot": slots[one.person_no, one.day],
                    "send_key": one.send_key,
                    "at_ms": one.at_ms,
                }
            )
        await upsert(
            self._session,
            tables.reservation,
            rows,
            key=["project_id", "send_key"],
            update=["person_no", "day", "slot", "at_ms"],
        )

    async def _last_slots(
        self, project_id: str, reservations: Sequence[Reservation]
    ) -> defaultdict[tuple[int, int], int]:
        c = tables.reservation.c
        slots: defaultdict[tuple[int, int], int] = defaultdict(int)
        days = sorted({one.day for one in reservations})
        for some in chunks(sorted({one.person_no for one in reservations})):
            rows = await self._session.execute(
                select(c.person_no, c.day, func.max(c.slot).label("last"))
                .where(c.project_id == project_id, c.person_no.in_(some), c.day.in_(days))
                .group_by(c.person_no, c.day)
            )
            slots.update({(row.person_no, row.day): row.last for row in rows})
        return slots

    async def free(self, project_id: str, send_keys: Sequence[str]) -> None:
        c = tables.reservation.c
        for keys in chunks(send_keys):
            await self._session.execute(
                delete(tables.reservation).where(c.project_id == project_id, c.send_key.in_(keys))
            )

    async def save_attempts(self, project_id: str, attempts: Sequence[Attempt]) -> None:
        rows = [
            {
                "project_id": project_id,
                "send_key": one.send_key,
                "attempt_no": one.attempt_no,
                "start_ms": one.start_ms,
                "end_ms": one.start_ms if one.delivery else None,
                "answer": one.delivery.answer.value if one.delivery else None,
                "reason": one.delivery.reason if one.delivery else None,
            }
            for one in attempts
        ]
        await upsert(
            self._session,
            tables.attempt,
            rows,
            key=["project_id", "send_key", "attempt_no"],
            update=["end_ms", "answer", "reason"],
        )

    async def add_inbox(self, project_id: str, entries: Sequence[InboxEntry]) -> None:
        rows = [
            {
                "project_id": project_id,
                "send_key": entry.send_key,
                "person_no": entry.person_no,
                "message": self._cipher.encrypt(
                    json.dumps([entry.message.title, entry.message.body]).encode(),
                    inbox_context(project_id, entry.send_key),
                ),
                "send_time_ms": entry.send_time_ms,
                "expire_time_ms": entry.expire_time_ms,
            }
            for entry in entries
        ]
        await self._many(insert(tables.inbox), rows)

    async def add_receipts(
        self, project_id: str, receipts: Sequence[ReceiptRow], now_ms: int
    ) -> set[tuple[str, SendState]]:
        rows = {
            (receipt.send_key, receipt.state): {
                "project_id": project_id,
                "send_key": receipt.send_key,
                "state": int(receipt.state),
                "event_time_ms": receipt.event_time_ms,
                "reason": receipt.reason,
                "received_ms": now_ms,
            }
            for receipt in reversed(receipts)
        }
        inserted = await upsert(
            self._session,
            tables.receipt,
            list(rows.values()),
            key=["project_id", "send_key", "state"],
            returning=["send_key", "state"],
        )
        return {(row.send_key, SendState(row.state)) for row in inserted}

    async def _many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self._session.execute(statement, rows)


def _changes(send: Send) -> dict[str, Any]:
    row = from_send(send)
    return {name: row[name] for name in _CHANGED} | {
        "of_project": send.project_id,
        "of_key": send.send_key,
    }
