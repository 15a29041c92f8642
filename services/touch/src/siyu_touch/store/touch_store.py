"""The touch database."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Select, Table, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.crypto import FieldCipher
from siyu_kit.crypto.chain import GENESIS
from siyu_kit.sql import restores
from siyu_kit.sql.engine import Database
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.request_keys import earlier_result, remember
from siyu_kit.sql.restores import Restore
from siyu_touch.app.store import CampaignPage, Head, InboxEntry, SendCount, TemplatePage
from siyu_touch.domain.decision import Recorded
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Message
from siyu_touch.domain.vocabulary import Channel, SendState
from siyu_touch.store import tables
from siyu_touch.store.catalogue import SqlCatalogue
from siyu_touch.store.decisions import SqlDecisions
from siyu_touch.store.rows import to_campaign, to_recorded, to_send, to_template
from siyu_touch.store.sends import SqlSends, inbox_context


class SqlTouchUnit:
    """Reads and writes inside one open session; see ``app.store.TouchUnit``."""

    def __init__(self, session: AsyncSession, outbox: Outbox, cipher: FieldCipher) -> None:
        self._session = session
        self.catalogue = SqlCatalogue(session)
        self.sends = SqlSends(session, cipher)
        self.decisions = SqlDecisions(session, outbox)

    async def restore(self) -> Restore | None:
        return await restores.open_restore(self._session)

    async def lift(self, by: str, reason: str, now_ms: int) -> None:
        await restores.lift(self._session, by, reason, now_ms)

    async def earlier(
        self, project_id: str, method: str, request_id: str, content: bytes
    ) -> str | None:
        return await earlier_result(self._session, project_id, method, request_id, content)

    async def remember(
        self, project_id: str, method: str, request_id: str, content: bytes, result: str, at_ms: int
    ) -> bool:
        return await remember(
            self._session, project_id, method, request_id, content, result, at_ms=at_ms
        )


class SqlTouchStore:
    """SQLite or PostgreSQL behind ``app.store.TouchStore``."""

    def __init__(self, database: Database, outbox: Outbox, cipher: FieldCipher) -> None:
        self._database = database
        self._outbox = outbox
        self._cipher = cipher

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTouchUnit]:
        async with self._database.transaction() as session:
            yield SqlTouchUnit(session, self._outbox, self._cipher)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqlTouchUnit]:
        async with self._database.session() as session:
            yield SqlTouchUnit(session, self._outbox, self._cipher)

    async def templates(self, project_id: str, after: str, size: int) -> TemplatePage:
        rows, cursor = await self._by_creation(
            tables.template, "template_id", project_id, after, size
        )
        return TemplatePage([to_template(row) for row in rows], cursor)

    async def campaigns(self, project_id: str, after: str, size: int) -> CampaignPage:
        rows, cursor = await self._by_creation(
            tables.campaign, "campaign_id", project_id, after, size
        )
        return CampaignPage([to_campaign(row) for row in rows], cursor)

    async def counts(self, project_id: str, campaign_id: str) -> Sequence[SendCount]:
        c = tables.send.c
        groups = (c.channel, c.state, c.gate, c.reason)
        rows = await self._rows(
            select(*groups, func.count().label("sends"))
            .where(c.project_id == project_id, c.campaign_id == campaign_id)
            .group_by(*groups)
            .order_by(*groups)
        )
        return [
            SendCount(Channel(row.channel), SendState(row.state), row.gate, row.reason, row.sends)
            for row in rows
        ]

    async def sends_after(
        self, project_id: str, campaign_id: str, state: SendState | None, after: str, size: int
    ) -> Sequence[Send]:
        c = tables.send.c
        statement = (
            select(tables.send)
            .where(c.project_id == project_id, c.campaign_id == campaign_id, c.send_key > after)
            .order_by(c.send_key)
            .limit(size)
        )
        if state is not None:
            statement = statement.where(c.state == int(state))
        return [to_send(row) for row in await self._rows(statement)]

    async def sends_of(self, project_id: str, campaign_id: str, person_no: int) -> Sequence[Send]:
        c = tables.send.c
        rows = await self._rows(
            select(tables.send)
            .where(
                c.project_id == project_id,
                c.campaign_id == campaign_id,
                c.person_no == person_no,
            )
            .order_by(c.channel)
        )
        return [to_send(row) for row in rows]

    async def decisions_of(
        self, project_id: str, campaign_id: str, person_no: int
    ) -> Sequence[Recorded]:
        c = tables.decision.c
        rows = await self._rows(
            select(tables.decision)
            .where(
                c.project_id == project_id,
                c.campaign_id == campaign_id,
                c.person_no == person_no,
            )
            .order_by(c.sequence)
        )
        return [to_recorded(row) for row in rows]

    async def decisions_after(
        self, project_id: str, sequence: int, size: int
    ) -> Sequence[Recorded]:
        c = tables.decision.c
        rows = await self._rows(
            select(tables.decision)
            .where(c.project_id == project_id, c.sequence > sequence)
            .order_by(c.sequence)
            .limit(size)
        )
        return [to_recorded(row) for row in rows]

    async def head(self, project_id: str) -> Head:
        c = tables.decision_head.c
        rows = await self._rows(select(c.sequence, c.digest).where(c.project_id == project_id))
        return Head(rows[0].sequence, rows[0].digest) if rows else Head(0, GENESIS)

    async def inbox(
        self, project_id: str, person_nos: Sequence[int], now_ms: int, after: str, size: int
    ) -> Sequence[InboxEntry]:
        c, s = tables.inbox.c, tables.send.c
        unread = [int(SendState.ACCEPTED), int(SendState.DELIVERED)]
        statement = (
            select(tables.inbox)
            .join(tables.send, (s.project_id == c.project_id) & (s.send_key == c.send_key))
            .where(
                c.project_id == project_id,
                c.person_no.in_(person_nos),
                c.expire_time_ms > now_ms,
                s.state.in_(unread),
            )
            .order_by(c.send_time_ms, c.send_key)
            .limit(size)
        )
        if after:
            time_ms, _, key = after.partition(":")
            statement = statement.where(tuple_(c.send_time_ms, c.send_key) > (int(time_ms), key))
        return [self._entry(row) for row in await self._rows(statement)]

    def _entry(self, row: Any) -> InboxEntry:
        plain = self._cipher.decrypt(row.message, inbox_context(row.project_id, row.send_key))
        title, body = json.loads(plain)
        return InboxEntry(
            row.send_key, row.person_no, Message(title, body), row.send_time_ms, row.expire_time_ms
        )

    async def _by_creation(
        self, table: Table, key: str, project_id: str, after: str, size: int
    ) -> tuple[list[Any], str]:
        c = table.c
        statement = (
            select(table)
            .where(c.project_id == project_id)
            .order_by(c.create_time_ms, c[key])
            .limit(size + 1)
        )
        if after:
            time_ms, _, last = after.partition(":")
            statement = statement.where(tuple_(c.create_time_ms, c[key]) > (int(time_ms), last))
        rows = await self._rows(statement)
        page = rows[:size]
        more = len(rows) > size
        return page, f"{page[-1].create_time_ms}:{getattr(page[-1], key)}" if more else ""

    async def _rows(self, statement: Select[Any]) -> list[Any]:
        async with self._database.session() as session:
            return list((await session.execute(statement)).all())
