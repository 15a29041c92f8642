"""What the compiler writes: its own words, and placeholders."""

import re

from hypothesis import given

from oracle.strategies import conditions
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.domain.audience import audience_query, count_persons
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.condition import EventCount
from siyu_analytics.domain.filters import EventFilter, PropertyFilter
from siyu_analytics.domain.traits import TYPES
from siyu_analytics.domain.values import Operator
from siyu_analytics.domain.windows import Rolling, Unit
from siyu_analytics.rpc.conditions import condition_from
from siyu_analytics.store.schema import TraitType

BASIS = Basis("p", 1_790_000_123_456, "Asia/Shanghai", 7, 5, "ident_no", "(SELECT 1 AS person_no)")
_QUOTED = re.compile(r"'([^']*)'")
OWN_WORDS = {"UTC", "", "true", "false", ","}


def test_a_count_reads_its_own_events_alone() -> None:
    binder = Binder(BASIS)
    events = EventFilter("deposit", (PropertyFilter("amount", Operator.GE, (100.0,)),))
    sql = count_persons(binder, EventCount(events, Rolling(1, Unit.DAY), Operator.LT, (3,)))
    assert sql == (
        "SELECT person AS person_no FROM (SELECT ident_no AS person FROM events"
        " WHERE project_id = {project_id:String} AND name IN {p0:Array(String)}"
        " AND time >= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')"
        " AND time < fromUnixTimestamp64Milli({p2:Int64}, 'UTC')"
        " AND batch_no <= {batch_no:UInt64}"
        " AND ((name = {p3:String} AND ifNull((mapContains(number_properties, {p4:String})"
        " AND number_properties[{p4:String}] >= {p5:Float64}), 0))))"
        " GROUP BY person HAVING NOT (count() < {p6:UInt64})"
    )
    assert binder.parameters == {
        "project_id": "p",
        "batch_no": 7,
        "p0": ["deposit"],
        "p1": 1_789_920_000_000,
        "p2": 1_790_000_123_457,
        "p3": "deposit",
        "p4": "amount",
        "p5": 100.0,
        "p6": 3,
    }


@given(conditions())
def test_nothing_that_a_caller_wrote_stands_in_the_text(condition: cpb.Condition) -> None:
    query = audience_query(Binder(BASIS), condition_from(condition))
    assert set(_QUOTED.findall(query.sql)) <= OWN_WORDS
    texts = [value for value in query.parameters.values() if isinstance(value, str)]
    assert not any(f"'{text}'" in query.sql for text in texts if text)


def test_types_are_those_of_the_table() -> None:
    assert sorted(TYPES.values()) == sorted(int(kind) for kind in TraitType)
    assert (TYPES["text"], TYPES["strings"]) == (TraitType.STRING, TraitType.LIST)
