"""A loader waits as long as it is told to, and gives up in the end."""

import time

import pytest

from siyu_demo.story.arrival.patience import patiently
from siyu_kit.errors import NotFound, TooBusy


def busy(wait_s: float) -> TooBusy:
    return TooBusy("OVERLOADED", "the service is overloaded", retry_after_s=wait_s, limit="lag")


async def test_it_comes_again_when_it_was_told_to():
    refusals = [busy(0.02), busy(0.03)]

    async def attempt() -> str:
        if refusals:
            raise refusals.pop()
        return "taken"

    began = time.monotonic()
    assert await patiently(attempt) == "taken"
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("error", [busy(9.0), NotFound("NO_SUCH_THING", "no such thing")])
async def test_what_waiting_does_not_help_is_raised_at_once(error):
    async def attempt() -> None:
        raise error

    with pytest.raises(type(error)):
        await patiently(attempt, patience_s=1.0)
