"""Ed25519 keys of tokens: reading, writing, naming."""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

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


def read_public_keys(path: Path) -> list[Ed25519PublicKey]:
    """All public keys in a PEM file: more than one while keys are being changed."""
    keys = [
        serialization.load_pem_public_key(block) for block in _PEM_BLOCK.findall(path.read_bytes())
    ]
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not keys or len(ed25519) != len(keys):
        raise ValueError(f"{path.name} does not hold Ed25519 public keys")
    return ed25519


def write_key_pair(directory: Path) -> tuple[Path, Path]:
    """Create a local issuer's key pair unless it is there; paths of the private and public key."""
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
    public.write_bytes(
        read_signing_key(signing)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return signing, public
