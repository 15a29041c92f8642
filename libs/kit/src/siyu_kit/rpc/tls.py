"""Transport security by configuration: none (loopback), TLS, or mutual TLS when a CA is given.

Certificates change without a restart: a server shows the new one to connections made from then
on, a client makes its next calls over a new connection, and what is under way is not touched.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from siyu_kit.config import ConfigError, TlsConfig
from siyu_kit.watched import Watched


@dataclass(frozen=True, slots=True)
class Certificates:
    """What one side of a connection shows and trusts, PEM."""

    certificate: bytes | None
    key: bytes | None
    ca: bytes | None
    """The peers' CA; None: the system's, and no certificate is asked of clients."""

    def for_channel(self) -> grpc.ChannelCredentials:
        """What a client trusts and shows."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)

    def for_server(self) -> grpc.ServerCertificateConfiguration:
        """What a server shows, and whom it trusts."""
        assert self.key is not None  # noqa: S101 - the configuration has both or none
        assert self.certificate is not None  # noqa: S101
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.ca)


CertificateSource = Watched[Certificates]


def certificates(config: TlsConfig) -> CertificateSource | None:
    """The certificates of the configuration, kept up to date; None when it has none.

    Raises ConfigError for files that cannot be used.
    """
    paths = (config.tls_cert_file, config.tls_key_file, config.tls_ca_file)
    given = [path for path in paths if path is not None]
    if not given:
        return None
    try:
        return Watched(given, partial(_read, *paths), name="certificates")
    except (OSError, ValueError) as error:
        raise ConfigError([f"SIYU_TLS_*_FILE: {error}"]) from error


def server_credentials(config: TlsConfig) -> grpc.ServerCredentials | None:
    """The server's certificate; with a CA, clients must show one signed by it."""
    if config.tls_cert_file is None:
        return None
    source = certificates(config)
    assert source is not None  # noqa: S101 - a file is named
    shown = source.current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks before each handshake, in a thread of its own; None keeps what it has.
        nonlocal shown
        newest = source.current()
        if newest is shown:
            return None
        shown = newest
        return newest.for_server()

    return grpc.dynamic_ssl_server_credentials(
        shown.for_server(),
        renewed,  # type: ignore[arg-type] # the stub forgets that None is an answer
        require_client_authentication=shown.ca is not None,
    )


def channel_credentials(config: TlsConfig) -> grpc.ChannelCredentials | None:
    """What a client trusts and shows now; None without a CA or a certificate of its own."""
    source = certificates(config)
    return None if source is None else source.current().for_channel()


def _read(certificate: Path | None, key: Path | None, ca: Path | None) -> Certificates:
    """Raises ValueError for a key that is not the certificate's: half of a change."""
    found = Certificates(*(None if p is None else p.read_bytes() for p in (certificate, key, ca)))
    if found.ca is not None:
        x509.load_pem_x509_certificates(found.ca)
    if found.certificate is not None and found.key is not None:
        shown = x509.load_pem_x509_certificates(found.certificate)[0].public_key()
        own = serialization.load_pem_private_key(found.key, password=None).public_key()
        if own != shown:
            raise ValueError("the private key does not belong to the certificate")
    return found
