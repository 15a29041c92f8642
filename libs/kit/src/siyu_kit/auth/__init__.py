"""Who calls, what they may do, and what they may see; declared in the contracts."""

from siyu_kit.auth.caller import Caller, current_caller
from siyu_kit.auth.keys import write_key_pair
from siyu_kit.auth.policy import Access, PolicyMissingError, access_of
from siyu_kit.auth.roles import ROLES, permissions_of
from siyu_kit.auth.source import (
    FileTokens,
    FixedToken,
    IssuedTokens,
    TokenSource,
    token_source,
    token_verifier,
)
from siyu_kit.auth.tokens import TokenIssuer, TokenVerifier

__all__ = [
    "ROLES",
    "Access",
    "Caller",
    "FileTokens",
    "FixedToken",
    "IssuedTokens",
    "PolicyMissingError",
    "TokenIssuer",
    "TokenSource",
    "TokenVerifier",
    "access_of",
    "current_caller",
    "permissions_of",
    "token_source",
    "token_verifier",
    "write_key_pair",
]
