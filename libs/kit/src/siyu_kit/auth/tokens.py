"""Short JSON web tokens, EdDSA over Ed25519 and nothing else."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from siyu_kit.auth.caller import Caller
from siyu_kit.auth.keys import KeySet, key_id
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import Unauthenticated
from siyu_kit.ids import new_id

AUDIENCE: Final = "siyu"
LOCAL_ISSUER: Final = "siyu-local"
MAX_LIFETIME_S: Final = 300
LEEWAY_S: Final = 10
_ALGORITHMS: Final = ["EdDSA"]
_CACHE_SIZE: Final = 4096
_MAX_TOKEN_LENGTH: Final = 8192

# Times are checked below against the injected clock.
_OPTIONS: Final[Any] = {
    "require": ["exp", "iat", "aud", "iss", "sub"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class TokenIssuer:
    """Mints tokens; embedded installations have a local one."""

    def __init__(
        self,
        key: Ed25519PrivateKey | Callable[[], Ed25519PrivateKey],
        *,
        issuer: str = LOCAL_ISSUER,
        clock: Clock | None = None,
    ) -> None:
        """``key`` may be what gives the newest one."""
        self._signing = key if callable(key) else lambda: key
        self._issuer = issuer
        self._clock = clock or SystemClock()

    def mint(
        self,
        subject: str,
        roles: Iterable[str],
        projects: Iterable[str] = ("*",),
        *,
        lifetime_s: int = MAX_LIFETIME_S,
    ) -> str:
        """A token for ``subject`` that is valid from now for ``lifetime_s`` (at most 300)."""
        now = self._clock.now_ms() // 1000
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": sorted(roles),
            "projects": sorted(projects),
            "iat": now,
            "exp": now + lifetime_s,
            "jti": new_id(),
        }
        key = self._signing()
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": key_id(key.public_key())})


class TokenVerifier:
    """Checks tokens; a token once verified is remembered by its hash until it expires.

    What is remembered is forgotten when the keys change: a key that was taken away is of no use at
    once.
    """

    def __init__(
        self,
        keys: Sequence[Ed25519PublicKey] | Callable[[], KeySet],
        *,
        issuer: str = LOCAL_ISSUER,
        clock: Clock | None = None,
    ) -> None:
        fixed = {} if callable(keys) else {key_id(key): key for key in keys}
        self._newest = keys if callable(keys) else lambda: fixed
        self._keys = self._newest()
        self._issuer = issuer
        self._clock = clock or SystemClock()
        self._verified: dict[bytes, tuple[int, Caller]] = {}

    def verify(self, token: str) -> Caller:
        """The caller the token speaks for; raises Unauthenticated (TOKEN_INVALID) with a cause."""
        keys = self._newest()
        if keys is not self._keys:
            self._keys = keys
            self._verified.clear()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            if self._clock.now_ms() < known[0]:
                return known[1]
            del self._verified[digest]
        caller, expires_ms = self._check(token)
        if len(self._verified) >= _CACHE_SIZE:
            # Insertion order is age, and tokens live minutes: the oldest is the likeliest dead.
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (expires_ms, caller)
        return caller

    def _check(self, token: str) -> tuple[Caller, int]:
        claims = self._decode(token)
        expires, issued = _whole(claims["exp"]), _whole(claims["iat"])
        now = self._clock.now_ms() // 1000
        if now >= expires + LEEWAY_S:
            raise _invalid("expired")
        if expires - issued > MAX_LIFETIME_S or issued > now + LEEWAY_S:
            raise _invalid("lifetime")
        caller = Caller(
            subject=str(claims["sub"]),
            roles=_names(claims.get("roles")),
            projects=_names(claims.get("projects")),
        )
        return caller, (expires + LEEWAY_S) * 1000

    def _decode(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_TOKEN_LENGTH:
            raise _invalid("malformed")
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise _invalid("signature")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=AUDIENCE,
                issuer=self._issuer,
                options=_OPTIONS,
            )
        except jwt.InvalidAudienceError as error:
            raise _invalid("audience") from error
        except jwt.InvalidIssuerError as error:
            raise _invalid("issuer") from error
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
            raise _invalid("signature") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise _invalid("malformed") from error
        return claims


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid("malformed")
    return value


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _invalid("malformed")
    return frozenset(value)


def _invalid(cause: str) -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", f"the token is not valid: {cause}", cause=cause)
