"""One batch's way into the event store: staged, numbered, sifted, stored.

No event is touched by Python. The engine reads the messages, looks up their subjects' numbers and
the duplicates; only subjects that it has never seen come out to be numbered.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from siyu_analytics.app.ports import Engine
from siyu_analytics.app.sink_ports import StoredCount, Subject
from siyu_analytics.domain.event_rules import FIRST_TIME_MS, LAST_TIME_MS
from siyu_kit.failpoints import failpoint

# A subject's key in `known`: keyed, so that the table gives no identifier away.
_SUBJECT: Final = (
    "reinterpretAsUInt128(sipHash128Keyed(({k0:UInt64}, {k1:UInt64}),"
    " project_id, ids.type[1], ids.value[1]))"
)
_SOUND: Final = (
    "notEmpty(ids.type) AND project_id != ''"
    f" AND event_time_ms BETWEEN {FIRST_TIME_MS} AND {LAST_TIME_MS}"
    f" AND received_time_ms BETWEEN {FIRST_TIME_MS} AND {LAST_TIME_MS}"
)

# The batch without its properties: what is decided, is decided on this.
_KEY: Final = f"""
INSERT INTO keyed SELECT rowNumberInAllBlocks(), project_id, kind = 1 AS tracked,
  tracked AND {_SOUND}, {_SUBJECT}, intDiv(client_time_ms, 3600000) AS client_hour,
  reinterpretAsUInt128(sipHash128(project_id, client_hour, message_id))
FROM stage SETTINGS max_threads = 1
"""
_UNSOUND: Final = "SELECT countIf(tracked AND NOT sound) AS n FROM keyed"
_NUMBER: Final = """
INSERT INTO numbered SELECT subject, any(ident_no) FROM known
WHERE subject IN (SELECT subject FROM keyed WHERE sound) GROUP BY subject
"""
_UNKNOWN: Final = f"""
SELECT {_SUBJECT} AS subject, any(project_id) AS project, any(ids.type[1]) AS type,
  any(ids.value[1]) AS value
FROM stage WHERE subject IN (
  SELECT subject FROM keyed WHERE sound AND subject NOT IN (SELECT subject FROM numbered))
GROUP BY subject ORDER BY project, subject
"""
# `seen` is asked for the batch's own keys alone. Its index finds the hours, and the messages too
# when there are few of them; of many it would take longer to look up than to read. Rows of this
# very batch do not count: they are there when it is replayed. The first of the batch stays.
_SIFT: Final = """
INSERT INTO fresh
SELECT row, ident_no, project_id, client_hour, message_hash
FROM (SELECT * FROM keyed WHERE sound) AS k ANY LEFT JOIN numbered USING subject
WHERE ident_no != 0 AND message_hash NOT IN (
  SELECT message_hash FROM seen WHERE batch_no != {batch:UInt64}
    AND client_hour IN (SELECT client_hour FROM keyed WHERE sound)
    AND message_hash IN (SELECT message_hash FROM keyed WHERE sound))
LIMIT 1 BY message_hash
SETTINGS max_threads = 1, use_index_for_in_with_subqueries_max_values = 5000
"""
_COUNT: Final = """
SELECT project_id AS project, any(stored) AS stored, countIf(NOT tracked) AS passed,
  countIf(sound AND subject IN (SELECT subject FROM numbered)) AS numbered
FROM keyed
LEFT JOIN (SELECT project_id, count() AS stored FROM fresh GROUP BY project_id) AS kept
  USING project_id
GROUP BY project_id HAVING numbered > 0 OR passed > 0
"""
_ROWS: Final = """
SELECT project_id AS project, count() AS n FROM events WHERE batch_no = {batch:UInt64}
GROUP BY project_id
"""
# One block, so one part a month: a part is there whole or not at all.
_ONE_BLOCK: Final = (
    "max_threads = 1, max_block_size = 100000000, min_insert_block_size_rows = 100000000,"
    " min_insert_block_size_bytes = 0"
)
_DEDUPLICATED: Final = (
    "insert_deduplicate = 1, deduplicate_insert_select = 'enable_even_for_bad_queries'"
)
_ONCE: Final = f"{_DEDUPLICATED}, {_ONE_BLOCK}"
_STORE: Final = """
INSERT INTO events
SELECT project_id, name, ident_no, fromUnixTimestamp64Milli(event_time_ms, 'UTC') AS time,
  message_id, string_properties, number_properties, bool_properties, time_properties,
  mapApply((k, v) -> (k, v.values), list_properties), context,
  fromUnixTimestamp64Milli(received_time_ms, 'UTC'), {{batch:UInt64}}
FROM (SELECT *, rowNumberInAllBlocks() AS row FROM stage) AS staged
ANY INNER JOIN (SELECT row, ident_no FROM fresh) AS kept USING row {missing}
SETTINGS insert_deduplication_token = '{token}', {once}
"""
# After a power loss the engine may have the rows and not the token: so a replay asks for the rows.
_MISSING_MONTHS: Final = (
    "WHERE toYYYYMM(time) NOT IN"
    " (SELECT DISTINCT toYYYYMM(time) FROM events WHERE batch_no = {batch:UInt64})"
)
_REMEMBER: Final = """
INSERT INTO seen (client_hour, message_hash, batch_no)
SELECT client_hour, message_hash, {{batch:UInt64}} FROM fresh {missing}
SETTINGS insert_deduplication_token = '{token}', {once}
"""
_MISSING_SEEN: Final = "WHERE (SELECT count() FROM seen WHERE batch_no = {batch:UInt64}) = 0"


class EngineEventBatches:
    """``EventBatches`` on the engine. One batch at a time: the passing tables are shared."""

    def __init__(self, engine: Engine, schema_text: str, subject_key: tuple[int, int]) -> None:
        self._engine = engine
        self._schema_text = schema_text
        self._key = {"k0": subject_key[0], "k1": subject_key[1]}

    async def stage(self, payloads: Sequence[bytes]) -> None:
        for table in ("stage", "keyed", "numbered", "fresh"):
            await self._engine.command(f"TRUNCATE TABLE {table}")
        payload = b"".join(payloads)
        if payload:
            await self._engine.insert_protobuf("stage", payload, self._schema_text)
            await self._engine.command(_KEY, self._key)

    async def unsound(self) -> int:
        rows = await self._engine.query(_UNSOUND, {})
        return int(rows.column("n")[0].as_py())

    async def unknown(self) -> list[Subject]:
        await self._engine.command(_NUMBER)
        rows = await self._engine.query(_UNKNOWN, self._key)
        columns = (
            rows.column(name).to_pylist() for name in ("project", "type", "value", "subject")
        )
        return [Subject(*row) for row in zip(*columns, strict=True)]

    async def learn(self, numbers: Sequence[tuple[Subject, int]]) -> None:
        if not numbers:
            return
        rows = pa.table(
            {
                "subject": pa.array([subject.key for subject, _ in numbers], pa.binary(16)),
                "ident_no": pa.array([number for _, number in numbers], pa.uint32()),
            }
        )
        await self._engine.insert_arrow("known", rows)
        await self._engine.insert_arrow("numbered", rows)

    async def store(self, batch_no: int, token: str, *, replay: bool) -> dict[str, StoredCount]:
        bound = {"batch": batch_no}
        await self._engine.command(_SIFT, bound)
        await self._engine.command(
            _STORE.format(token=token, once=_ONCE, missing=_MISSING_MONTHS if replay else ""), bound
        )
        failpoint("sink.after_insert")
        await self._engine.command(
            _REMEMBER.format(token=token, once=_ONCE, missing=_MISSING_SEEN if replay else ""),
            bound,
        )
        rows = await self._engine.query(_COUNT, {})
        return {
            row["project"]: StoredCount(
                row["stored"], row["numbered"] - row["stored"], row["passed"]
            )
            for row in rows.to_pylist()
        }

    async def rows(self, batch_no: int) -> dict[str, int]:
        found = await self._engine.query(_ROWS, {"batch": batch_no})
        return {row["project"]: row["n"] for row in found.to_pylist()}
