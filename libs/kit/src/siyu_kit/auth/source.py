"""Where a process gets its own token from when it calls others."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from siyu_kit.auth.keys import read_public_keys, read_signing_key
from siyu_kit.auth.tokens import MAX_LIFETIME_S, TokenIssuer, TokenVerifier
from siyu_kit.config import CommonConfig, ConfigError

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
        self._seen: tuple[int, int] = (0, 0)
        self._check_at = float("-inf")

    def token(self) -> str:
        now = self._monotonic()
        if now >= self._check_at:
            self._check_at = now + _RECHECK_S
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
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
        key = read_signing_key(config.auth_signing_key_file)
        issuer = TokenIssuer(key, issuer=config.auth_issuer)
        return IssuedTokens(issuer, f"service:{service}", ["service"])
    return None


def token_verifier(config: CommonConfig) -> TokenVerifier:
    """The verifier of incoming tokens; ConfigError when no key is configured."""
    try:
        if config.auth_public_key_file is not None:
            keys = read_public_keys(config.auth_public_key_file)
        elif config.auth_signing_key_file is not None:
            keys = [read_signing_key(config.auth_signing_key_file).public_key()]
        else:
            raise ConfigError(
                ["SIYU_AUTH_PUBLIC_KEY_FILE or SIYU_AUTH_SIGNING_KEY_FILE is required"]
            )
    except (OSError, ValueError) as error:
        raise ConfigError([f"token keys: {error}"]) from error
    return TokenVerifier(keys, issuer=config.auth_issuer)
