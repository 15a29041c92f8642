"""Transport security by configuration: none (loopback), TLS, or mutual TLS when a CA is given."""

from pathlib import Path

import grpc

from siyu_kit.config import CommonConfig


def server_credentials(config: CommonConfig) -> grpc.ServerCredentials | None:
    """The server's certificate; with a CA, clients must show one signed by it."""
    if config.tls_cert_file is None or config.tls_key_file is None:
        return None
    ca = _read(config.tls_ca_file)
    pair = (config.tls_key_file.read_bytes(), config.tls_cert_file.read_bytes())
    return grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)


def channel_credentials(config: CommonConfig) -> grpc.ChannelCredentials | None:
    """What a client trusts and shows; None without a CA or a certificate of its own."""
    if config.tls_ca_file is None and config.tls_cert_file is None:
        return None
    return grpc.ssl_channel_credentials(
        _read(config.tls_ca_file), _read(config.tls_key_file), _read(config.tls_cert_file)
    )


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
