"""Ed25519 keys of tokens: reading, writing, naming."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PEM_BLOCK: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

SIGNING_KEY_FILE: Final = "issuer.key.pem"
PUBLIC_KEY_FILE: Final = "issuer.pub.pem"


def key_id(key: Ed25519PublicKey) -> str:
    """The ``kid`` of a key: it follows from the key, so both sides know it."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file; ValueError when it is of another kind."""
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} does not hold an Ed25519 private key")  # noqa: TRY004
    return key


KeySet = Mapping[str, Ed25519PublicKey]
"""Public keys by their ``kid``."""


def read_key_set(path: Path) -> KeySet:
    """The public keys in a file: more than one while keys are being changed.

    PEM blocks, whose ``kid`` follows from the key, or a JSON Web Key Set (RFC 7517, RFC 8037),
    whose issuer names its keys. Raises ValueError for a file without keys, or with one of another
    kind.
    """
    content = path.read_bytes()
    if content.lstrip().startswith(b"{"):
        return _from_jwks(content, path.name)
    keys = [serialization.load_pem_public_key(block) for block in _PEM_BLOCK.findall(content)]
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not keys or len(ed25519) != len(keys):
        raise ValueError(f"{path.name} does not hold Ed25519 public keys")
    return {key_id(key): key for key in ed25519}


def _from_jwks(content: bytes, name: str) -> KeySet:
    found = json.loads(content).get("keys")
    keys = [_from_jwk(item, name) for item in found] if isinstance(found, list) else []
    if not keys or len(dict(keys)) != len(keys):
        raise ValueError(f"{name} does not hold keys of different kid")
    return dict(keys)


def _from_jwk(item: Any, name: str) -> tuple[str, Ed25519PublicKey]:
    fits = isinstance(item, dict) and (item.get("kty"), item.get("crv")) == ("OKP", "Ed25519")
    if not fits or not isinstance(item.get("kid"), str) or not isinstance(item.get("x"), str):
        raise ValueError(f"{name} holds a key that is not Ed25519 with a kid")
    raw = base64.urlsafe_b64decode(item["x"] + "=" * (-len(item["x"]) % 4))
    return item["kid"], Ed25519PublicKey.from_public_bytes(raw)


def write_key_pair(directory: Path) -> tuple[Path, Path]:
    """Create a local issuer's key pair unless it is there; paths of the private and public key.

    Other public keys stay in their file: they are accepted until somebody takes them out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    signing, public = directory / SIGNING_KEY_FILE, directory / PUBLIC_KEY_FILE
    if not signing.exists():
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        descriptor = os.open(signing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private)
    own = read_signing_key(signing).public_key()
    if not public.exists() or key_id(own) not in read_key_set(public):
        with public.open("ab") as file:
            file.write(
                own.public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
    return signing, public
