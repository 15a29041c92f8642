"""The same tables on a cluster of ClickHouse servers: replicated parts on shards, one name above.

``python -m siyu_analytics.store.cluster_schema CLUSTER`` tells the statements. The texts are those
of ``schema``; only names, engines and the settings of replication differ, so that a column is
declared once. No server has run them yet (docs/analytics.md): the engine's parser has read them.

Events lie with their identifier (``ident_no``), which never changes, so that nothing moves when
persons merge; a person's events may then lie on two shards, and questions group by person where
they were asked. Who is whose is asked at every event: ``person_map`` and ``person`` are whole on
every server. Traits lie with their person, what is known of events and identifiers by its hash.
"""

import re
import sys
from typing import Final

from siyu_analytics.store.schema import KEPT, PASSING, kept_text

SHARDED_BY: Final = {
    "events": "ident_no",
    "trait": "person_no",
    "seen": "toUInt64(message_hash)",
    "known": "toUInt64(subject)",
}
"""What decides on which shard a row lies; tables that are not here are whole on every server."""

_NAME: Final = re.compile(r"(CREATE TABLE IF NOT EXISTS )(\w+)")
_CLUSTER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_REPLICATED_WINDOW: Final = (
    "non_replicated_deduplication_window",
    "replicated_deduplication_window",
)


def cluster_statements(cluster: str, duplicate_window_days: int = 0) -> list[str]:
    """What creates the tables on every server of a cluster, in order.

    The servers' macros ``{shard}`` and ``{replica}`` name their places. Raises ValueError for a
    cluster name that is not one.
    """
    if _CLUSTER.fullmatch(cluster) is None:
        raise ValueError("a cluster is named by letters, digits and underscores")
    texts = [kept_text(text, duplicate_window_days) for text in KEPT]
    return [part for text in texts for part in _on_cluster(text, cluster)] + list(PASSING)


def _on_cluster(text: str, cluster: str) -> list[str]:
    """The replicated table, and above it the one that is asked where rows lie on shards."""
    [(start, name)] = _NAME.findall(text)
    key = SHARDED_BY.get(name)
    shard, local = ("{shard}", f"{name}_local") if key else ("all", name)
    replicated = (
        text.replace(f"{start}{name}", f"{start}{local} ON CLUSTER {cluster}")
        .replace(
            "ENGINE = MergeTree",
            f"ENGINE = ReplicatedMergeTree('/siyu/{shard}/{name}', '{{replica}}')",
        )
        .replace(*_REPLICATED_WINDOW)
    )
    if key is None:
        return [replicated]
    above = (
        f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER {cluster} AS {local}\n"
        f"ENGINE = Distributed({cluster}, currentDatabase(), {local}, {key})"
    )
    return [replicated, above]


if __name__ == "__main__":
    texts = [text.strip() for text in cluster_statements(sys.argv[1])]
    sys.stdout.write(";\n\n".join(texts) + ";\n")
