"""Where a process gets its own token from when it calls others."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from siyu_kit.auth.keys import KeySet, key_id, read_key_set, read_signing_key
from siyu_kit.auth.tokens import MAX_LIFETIME_S, TokenIssuer, TokenVerifier
from siyu_kit.config import CommonConfig, ConfigError
from siyu_kit.watched import Stamp, Watched, stamp

T = TypeVar("T")

_RECHECK_S: Final = 1.0


class TokenSource(Protocol):
    """Gives the token to send with a call that starts now."""

    def token(self) -> str:
        """A token that is valid for at least a minute, or the best there is."""
        ...


class IssuedTokens:
    """Mints own short tokens with a local issuer, a new one when little of the old one is left."""

    def __init__(
        self,
        issuer: TokenIssuer,
        subject: str,
        roles: Iterable[str],
        projects: Iterable[str] = ("*",),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._subject = subject
        self._roles = tuple(roles)
        self._projects = tuple(projects)
        self._monotonic = monotonic
        self._token = ""
        self._renew_at = float("-inf")

    def token(self) -> str:
        now = self._monotonic()
        if now >= self._renew_at:
            self._token = self._issuer.mint(self._subject, self._roles, self._projects)
            self._renew_at = now + MAX_LIFETIME_S / 2
        return self._token


class FileTokens:
    """Reads the token from a file that another program renews."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._token = ""
        self._seen: Stamp = ()
        self._check_at = float("-inf")

    def token(self) -> str:
        now = self._monotonic()
        if now >= self._check_at:
            self._check_at = now + _RECHECK_S
            seen = stamp([self._path])
            if seen != self._seen:
                self._token = self._path.read_text(encoding="ascii").strip()
                self._seen = seen
        return self._token


class FixedToken:
    """One given token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token


def token_source(config: CommonConfig, service: str) -> TokenSource | None:
    """The source the configuration names: a token file, else the local issuer, else none."""
    if config.auth_token_file is not None:
        return FileTokens(config.auth_token_file)
    if config.auth_signing_key_file is not None:
        issuer = TokenIssuer(
            _watched(config.auth_signing_key_file, read_signing_key), issuer=config.auth_issuer
        )
        return IssuedTokens(issuer, f"service:{service}", ["service"])
    return None


def token_verifier(config: CommonConfig) -> TokenVerifier:
    """The verifier of incoming tokens, by the newest keys; ConfigError when none is configured."""
    if config.auth_public_key_file is not None:
        keys = _watched(config.auth_public_key_file, read_key_set)
    elif config.auth_signing_key_file is not None:
        keys = _watched(config.auth_signing_key_file, _own_key_set)
    else:
        raise ConfigError(["SIYU_AUTH_PUBLIC_KEY_FILE or SIYU_AUTH_SIGNING_KEY_FILE is required"])
    return TokenVerifier(keys, issuer=config.auth_issuer)


def _own_key_set(path: Path) -> KeySet:
    key = read_signing_key(path).public_key()
    return {key_id(key): key}


def _watched(path: Path, read: Callable[[Path], T]) -> Callable[[], T]:
    try:
        return Watched([path], partial(read, path), name=path.name).current
    except (OSError, ValueError) as error:
        raise ConfigError([f"token keys: {error}"]) from error
