"""One event that is altered on its way, to show that the story would notice."""

from collections.abc import Iterable, Iterator

from siyu_demo.records import Record
from siyu_demo.simulator.vocabulary import OPEN_STEPS


def altered(records: Iterable[Record]) -> Iterator[Record]:
    """Yields the records; the first opened account becomes one that was begun anew."""
    rest = iter(records)
    for record in rest:
        if record.properties.get("step") == OPEN_STEPS[-1]:
            yield record._replace(properties={**record.properties, "step": OPEN_STEPS[0]})
            break
        yield record
    yield from rest
