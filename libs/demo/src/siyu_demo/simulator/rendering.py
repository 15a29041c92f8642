"""Turns columns into records: what each number means in an event's properties."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeAlias

from siyu_demo.records import Record, Value, Via
from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.columns import Table
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.profiles import BASIC, RISK_ONLY

_ROWS_AT_ONCE = 20_000

Properties: TypeAlias = dict[str, Value]
Writer: TypeAlias = Callable[[int, int, int], Properties]
"""Makes properties from a record's detail, amount and channel."""


class Renderer:
    """Writes the records of a table."""

    def __init__(self, seed: int, population: Population, identifiers: Identifiers) -> None:
        self._prefix = f"q{seed:x}-"
        self._identifiers = identifiers
        self._population = population
        self._tracks: list[Writer] = [
            lambda _detail, _amount, channel: _campaign(channel),
            lambda detail, _amount, channel: {
                "page": _of(words.PAGES, detail),
                **_campaign(channel),
            },
            lambda detail, _amount, _channel: {"element": _of(words.ELEMENTS, detail)},
            _product_view,
            _news_view,
            lambda _detail, _amount, _channel: {"result": "ok"},
            _open_step,
            lambda detail, amount, _channel: {"amount": amount / 100, "is_first": detail == 1},
            _trade,
            _assessment,
        ]
        self._changes: dict[int, Writer] = {
            words.SET_ONCE: lambda _detail, _amount, channel: {
                "first_channel": words.CHANNELS[channel]
            },
            words.INCREMENT: lambda detail, _amount, _channel: {"reward_points": 5 * (detail % 20)},
            words.APPEND: lambda detail, _amount, _channel: {
                "interests": [_of(words.INTERESTS, detail)]
            },
            words.UNSET: lambda _detail, _amount, _channel: {"city": True},
        }

    def records(self, table: Table, start: int, stop: int) -> Iterator[Record]:
        """Yields the records of the rows from start to before stop; a row's number is in its id."""
        for begin in range(start, stop, _ROWS_AT_ONCE):
            part = table.slice(begin, min(begin + _ROWS_AT_ONCE, stop))
            yield from self._render(part.lists(), begin)

    def _render(self, columns: list[list[int]], begin: int) -> Iterator[Record]:
        all_ids, via, platform = (
            self._identifiers.all,
            self._identifiers.via,
            self._identifiers.platform,
        )
        tracks, names, kinds, prefix = self._tracks, words.TRACKS, words.KINDS, self._prefix
        rows = enumerate(zip(*columns, strict=True), begin)
        for number, (time, kind, name, subject, other, device, detail, amount, channel) in rows:
            id_type, value = all_ids[subject]
            ids = {id_type: value}
            if other >= 0:
                id_type, value = all_ids[other]
                ids[id_type] = value
            if kind == words.TRACK:
                properties = tracks[name](detail, amount, channel)
                if device >= 0:
                    properties["platform"] = platform[device]
            else:
                properties = self._change(kind, name, detail, channel)
            yield Record(
                f"{prefix}{number:08x}",
                kinds[kind],
                ids,
                names[name] if kind == words.TRACK else "",
                time,
                properties,
                kind == words.TRACK and name == words.LOGIN,
                via[device] if device >= 0 else Via.GRPC,
            )

    def _change(self, kind: int, traits: int, detail: int, channel: int) -> Properties:
        if kind == words.SET:
            return self._traits(traits, detail)
        writer = self._changes.get(kind)
        return {} if writer is None else writer(detail, 0, channel)

    def _traits(self, traits: int, detail: int) -> Properties:
        """Traits that a profile_set writes; the detail is a level, or a customer's row."""
        if traits == RISK_ONLY:
            return {"risk_level": words.RISK_LEVELS[detail]}
        people = self._population
        written: Properties = {
            "city": words.CITIES[people.city[detail]],
            "gender": words.GENDERS[people.gender[detail]],
            "birth_year": int(people.birth_year[detail]),
        }
        if people.channel[detail] >= 0:
            written["channel"] = words.CHANNELS[people.channel[detail]]
        if traits != BASIC:
            written["risk_level"] = words.RISK_LEVELS[people.risk[detail]]
        return written


def _of(choices: list[str], detail: int) -> str:
    return choices[detail % len(choices)]


def _campaign(channel: int) -> Properties:
    if channel < 0:
        return {}
    name = words.CHANNELS[channel]
    return {
        "utm_source": name,
        "utm_medium": words.CHANNEL_MEDIA[channel],
        "utm_campaign": f"autumn_{name}",
    }


def _product_view(detail: int, _amount: int, _channel: int) -> Properties:
    product, level = words.PRODUCTS[detail % len(words.PRODUCTS)]
    return {"product_id": product, "product_level": level}


def _news_view(detail: int, _amount: int, _channel: int) -> Properties:
    return {"article_id": f"A{detail % words.ARTICLES:04d}", "dwell_seconds": 3 + detail % 240}


def _open_step(detail: int, _amount: int, channel: int) -> Properties:
    step: Properties = {"step": words.OPEN_STEPS[detail]}
    if channel >= 0:
        step["channel"] = words.CHANNELS[channel]
    return step


def _trade(detail: int, amount: int, _channel: int) -> Properties:
    side = "buy" if detail % 2 == 0 else "sell"
    return {"symbol": words.SYMBOLS[detail // 2], "side": side, "amount": amount / 100}


def _assessment(detail: int, amount: int, _channel: int) -> Properties:
    expires = datetime.fromtimestamp(amount // 1000, UTC).isoformat()
    return {"level": words.RISK_LEVELS[detail], "expires": expires}
