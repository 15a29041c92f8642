"""Values of any type as text: what events and persons are grouped by and compared for sameness."""

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.filters import CONTEXT
from siyu_analytics.domain.predicate import Source, property_source


def text_of(source: Source) -> str:
    """A value as ``(text, missing)``: of several types the first of text, number, flag, time, list.

    A list is one value: its elements with commas in between.
    """
    branches = []
    if source.text:
        branches += [source.text.present, f"({source.text.value}, false)"]
    if source.number:
        branches += [source.number.present, f"(toString({source.number.value}), false)"]
    if source.flag:
        branches += [source.flag.present, f"({_flag(source.flag.value)}, false)"]
    if source.time:
        branches += [source.time.present, f"(toString({source.time.value}), false)"]
    if source.strings:
        joined = f"arrayStringConcat({source.strings.value}, ',')"
        branches += [source.strings.present, f"({joined}, false)"]
    return f"multiIf({', '.join(branches)}, ('', true))"


def _flag(value: str) -> str:
    return f"if({value}, 'true', 'false')"


def property_text(binder: Binder, name: str) -> str:
    """A property of an event, of whatever type, as ``(text, missing)``."""
    if not name.startswith(CONTEXT):
        binder.any_typed.add(name)
    source = property_source(binder, name)
    if source.text and source == Source(source.text):
        # A map answers '' for a key that it lacks: no row has to be made of two others.
        return f"({source.text.value}, NOT {source.text.present})"
    return text_of(source)
