"""Secrets come from the environment or from files, and are never shown or passed as arguments."""

import argparse
import dataclasses
import importlib
import typing

import pytest

from siyu_client import cli
from siyu_kit.config import CommonConfig, ConfigError, Secret, load, setting

SERVICES = ("analytics", "collect", "identity", "profile", "segment", "touch")
CONFIGS = [
    getattr(importlib.import_module(f"siyu_{name}.config"), f"{name.capitalize()}Config")
    for name in SERVICES
]
CANARY = "jinsique-secret-5e81"
SECRET_WORDS = ("KEY", "SECRET", "PASSWORD", "TOKEN", "DATABASE_URL", "STREAM_URL")


def shown(config, environ):
    """What the start would tell of these settings: the problems, or the settings themselves."""
    try:
        return repr(load(config, environ))
    except ConfigError as error:
        return str(error)


def settings(config):
    hints = typing.get_type_hints(config)
    for item in dataclasses.fields(config):
        if "env" in item.metadata:
            yield item.metadata["env"], hints[item.name]


@pytest.mark.parametrize("config", CONFIGS)
def test_what_sounds_secret_is_a_secret_or_the_path_of_a_file(config):
    for name, hint in settings(config):
        if any(word in name for word in SECRET_WORDS) and not name.endswith("_FILE"):
            assert hint is Secret, name


@pytest.mark.parametrize("config", CONFIGS)
def test_every_secret_may_be_a_file_and_no_error_shows_it(config, tmp_path):
    names = [name for name, hint in settings(config) if hint is Secret]
    assert "SIYU_DATABASE_URL" in names
    path = tmp_path / "secret"
    path.write_text(CANARY + "\n")
    by_file = {f"{name}_FILE": str(path) for name in names}
    by_value = dict.fromkeys(names, CANARY)
    for environ in (by_file, by_value, by_file | by_value):
        assert CANARY not in shown(config, environ)


def test_a_secret_is_given_once(tmp_path):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        key: Secret = setting("SIYU_X_KEY")

    path = tmp_path / "key"
    path.write_text(CANARY)
    for environ in (
        {"SIYU_X_KEY": CANARY, "SIYU_X_KEY_FILE": str(path)},
        {"SIYU_X_KEY_FILE": str(tmp_path / "none")},
        {"SIYU_X_KEY_FILE": str(tmp_path)},
        {},
    ):
        with pytest.raises(ConfigError, match="SIYU_X_KEY") as caught:
            load(Config, environ)
        assert CANARY not in str(caught.value)
    assert load(Config, {"SIYU_X_KEY_FILE": str(path)}).key.reveal() == CANARY


def test_a_secret_does_not_print():
    secret = Secret(CANARY)
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{[secret]}"):
        assert CANARY not in shown
    url = f"sqlite+aiosqlite:///{CANARY}"
    assert CANARY not in repr(load(CommonConfig, {"SIYU_DATABASE_URL": url}))


def parsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def test_no_command_takes_a_secret_as_an_argument():
    options = [
        option
        for parser in parsers(cli.parser())
        for action in parser._actions
        for option in (*action.option_strings, action.dest)
    ]
    assert "--dir" in options
    words = ("key", "secret", "password", "token", "url", "dsn")
    named = [o for o in options if any(word in o.lower() for word in words)]
    assert named == []
