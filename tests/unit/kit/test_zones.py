"""Which names of zones are taken."""

from zoneinfo import available_timezones

import pytest

from siyu_kit.zones import is_zone


def test_every_zone_of_the_database_is_one():
    assert all(map(is_zone, available_timezones() - {"localtime", "posixrules"}))


@pytest.mark.parametrize(
    "name",
    ["", "Asia", "Nowhere/City", "right/Asia/Shanghai", "posix/UTC", "localtime", "posixrules",
     "../etc/passwd", "/etc/localtime", "a\0b", "Asia/Shanghai "],
)  # fmt: skip
def test_what_is_none_is_not(name):
    assert not is_zone(name)
