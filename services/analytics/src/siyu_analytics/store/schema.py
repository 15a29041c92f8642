"""The engine's tables: names and columns are the seam between what writes and what asks.

``events``        every TRACK event once, under the number of its subject's identifier. A map holds
                  a property under the type it came with, so the same key may stand in two maps.
``person_map``    identifier number -> person number, valid from a sequence of the identity feed on;
                  the row with the greatest sequence says what holds now. A row may stand twice.
``person``        every number that ever was a person's, with its id; a row may stand twice. A
                  number is a person now exactly when it maps to itself (a person's number is that
                  of its anchor), which is what ``PersonMap.population`` asks.
``trait``         values of traits, valid from a sequence of the profile feed on; of the rows of one
                  trait and person the one with the greatest sequence says what holds now, and
                  ``type`` ABSENT that there is none. A row may stand twice.
``seen``          a row for every stored event, by which a second one is known.
``known``         identifiers that have a number, under a keyed hash.

All times are UTC. Nothing is ever updated or deleted; what is asked as of an earlier key leaves out
the rows beyond it (``batch_no``, ``sequence``).
"""

from enum import IntEnum
from typing import Final


class TraitType(IntEnum):
    """Which column of ``trait`` holds the value."""

    ABSENT = 0
    STRING = 1
    NUMBER = 2
    BOOL = 3
    TIME = 4
    LIST = 5


# Durable on return: what reads a stream moves its position only after that. The token window is
# what a replayed insert is known by. The thresholds fit a pool of two threads; their defaults,
# made for sixteen, would hold merges to small parts for ever.
_DURABLE: Final = (
    "fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000,"
    " number_of_free_entries_in_pool_to_lower_max_size_of_merge = 1,"
    " number_of_free_entries_in_pool_to_execute_mutation = 1,"
    " number_of_free_entries_in_pool_to_execute_optimize_entire_partition = 1"
)

# LZ4: a fifth less time in queries than the default, for a third more disk.
_EVENTS: Final = """
CREATE TABLE IF NOT EXISTS events (
  project_id LowCardinality(String),
  name LowCardinality(String),
  ident_no UInt32,
  time DateTime64(3, 'UTC'),
  message_id String CODEC(ZSTD(1)),
  string_properties Map(LowCardinality(String), String),
  number_properties Map(LowCardinality(String), Float64),
  bool_properties Map(LowCardinality(String), Bool),
  time_properties Map(LowCardinality(String), Int64),
  list_properties Map(LowCardinality(String), Array(String)),
  context Map(LowCardinality(String), String),
  received_time DateTime64(3, 'UTC'),
  batch_no UInt64,
  INDEX by_batch batch_no TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (project_id, name, ident_no, time, message_id)
SETTINGS default_compression_codec = 'LZ4', {durable}
"""

_PERSON_MAP: Final = """
CREATE TABLE IF NOT EXISTS person_map (
  project_id LowCardinality(String),
  ident_no UInt32,
  person_no UInt32,
  sequence UInt64
) ENGINE = MergeTree
ORDER BY (project_id, ident_no, sequence)
SETTINGS {durable}
"""

_PERSON: Final = """
CREATE TABLE IF NOT EXISTS person (
  project_id LowCardinality(String),
  person_no UInt32,
  person_id String,
  sequence UInt64
) ENGINE = MergeTree
ORDER BY (project_id, person_no)
SETTINGS {durable}
"""

_TRAIT: Final = """
CREATE TABLE IF NOT EXISTS trait (
  project_id LowCardinality(String),
  trait LowCardinality(String),
  person_no UInt32,
  type UInt8,
  string_value String,
  number_value Float64,
  bool_value Bool,
  time_ms Int64,
  list_value Array(String),
  valid_from DateTime64(3, 'UTC'),
  sequence UInt64
) ENGINE = MergeTree
ORDER BY (project_id, trait, person_no, sequence)
SETTINGS {durable}
"""

# Small granules: a batch looks up points, and reads a granule for each of them. The hash is over
# project, hour and message id: one number is looked up several times faster than those three.
_SEEN: Final = """
CREATE TABLE IF NOT EXISTS seen (
  client_hour Int64,
  message_hash UInt128,
  batch_no UInt64,
  stored_time DateTime DEFAULT now(),
  INDEX by_batch batch_no TYPE minmax GRANULARITY 16
) ENGINE = MergeTree
ORDER BY (client_hour, message_hash)
{ttl}
SETTINGS index_granularity = 256, {durable}
"""

_KNOWN: Final = """
CREATE TABLE IF NOT EXISTS known (
  subject UInt128,
  ident_no UInt32
) ENGINE = MergeTree
ORDER BY subject
SETTINGS index_granularity = 256, {durable}
"""

_KEY: Final = "LowCardinality(String)"
_MAPS: Final = f"""
  string_properties Map({_KEY}, String),
  number_properties Map({_KEY}, Float64),
  bool_properties Map({_KEY}, Bool),
  time_properties Map({_KEY}, Int64),
  list_properties Map({_KEY}, {{list}}),
  context Map({_KEY}, String)"""

# What a batch passes through; in memory, empty between batches. Column names are the contract's.
_STAGE: Final = f"""
CREATE OR REPLACE TABLE stage (
  project_id {_KEY},
  message_id String,
  `ids.type` Array({_KEY}),
  `ids.value` Array(String),
  kind Int32,
  name {_KEY},
  event_time_ms Int64,
  client_time_ms Int64,
  received_time_ms Int64,
  {_MAPS.format(list="Tuple(values Array(String))")}
) ENGINE = Memory
"""
_KEYED: Final = f"""
CREATE OR REPLACE TABLE keyed (
  row UInt64,
  project_id {_KEY},
  tracked Bool,
  sound Bool,
  subject UInt128,
  client_hour Int64,
  message_hash UInt128
) ENGINE = Memory
"""
_NUMBERED: Final = """
CREATE OR REPLACE TABLE numbered (subject UInt128, ident_no UInt32) ENGINE = Memory
"""
_FRESH: Final = f"""
CREATE OR REPLACE TABLE fresh (
  row UInt64,
  ident_no UInt32,
  project_id {_KEY},
  client_hour Int64,
  message_hash UInt128
) ENGINE = Memory
"""

KEPT: Final = (_EVENTS, _PERSON_MAP, _PERSON, _TRAIT, _SEEN, _KNOWN)
"""Templates of the tables that keep what is stored; see ``kept_text``."""
PASSING: Final = (_STAGE, _KEYED, _NUMBERED, _FRESH)
"""Tables in memory that a batch passes through."""


def statements(duplicate_window_days: int) -> list[str]:
    """What creates the tables that are not there yet; 0 days: duplicates are known for ever."""
    return [kept_text(text, duplicate_window_days) for text in KEPT] + list(PASSING)


def kept_text(template: str, duplicate_window_days: int) -> str:
    """The statement of a table that is kept."""
    ttl = f"TTL stored_time + INTERVAL {duplicate_window_days} DAY" if duplicate_window_days else ""
    return template.format(durable=_DURABLE, ttl=ttl)
