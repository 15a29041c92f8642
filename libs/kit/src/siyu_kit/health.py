"""Asks the service that runs beside this process whether it is well, as a probe does.

``python -m siyu_kit.health [readiness|liveness]`` ends with 0 when it is. It reads the settings of
the service itself: where it listens, and its certificate, which is shown and expected at once. It
is started every few seconds, so it imports little.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from siyu_kit.config import CommonConfig, ConfigError, load

READINESS: Final = "readiness"
LIVENESS: Final = "liveness"
STATES: Final = (READINESS, LIVENESS)
TIMEOUT_S: Final = 3.0
_ANYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what others listen on


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask once; the exit status. What is wrong goes to standard error."""
    state, *_ = [*(sys.argv[1:] if arguments is None else arguments), READINESS]
    try:
        answer = ask(load(CommonConfig), state)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except grpc.RpcError as error:
        sys.stderr.write(f"{error.code().name}: {error.details()}\n")
        return 1
    if answer != health_pb2.HealthCheckResponse.SERVING:
        sys.stderr.write(health_pb2.HealthCheckResponse.ServingStatus.Name(answer) + "\n")
        return 1
    return 0


def ask(config: CommonConfig, state: str) -> int:
    """The service's ``ServingStatus``; raises grpc.RpcError when it does not answer in time."""
    with _channel(config) as channel:
        request = health_pb2.HealthCheckRequest(service=state)
        stub: Any = health_pb2_grpc.HealthStub(channel)
        response = stub.Check(request, timeout=TIMEOUT_S)
    return int(response.status)


def _channel(config: CommonConfig) -> grpc.Channel:
    target = _target(config)
    if config.tls_cert_file is None:
        return grpc.insecure_channel(target)
    from siyu_kit.rpc.tls import channel_credentials

    credentials: Any = channel_credentials(config)
    options = [("grpc.ssl_target_name_override", _own_name(config.tls_cert_file))]
    return grpc.secure_channel(target, credentials, options)


def _own_name(certificate: Path) -> str:
    """The first host name that a certificate is for, by which its owner asks itself."""
    from cryptography import x509

    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0]


def _target(config: CommonConfig) -> str:
    host, _, port = config.listen.rpartition(":")
    if host == "unix" or host.startswith("unix:"):
        return config.listen
    loopback = "[::1]" if host == "[::]" else "127.0.0.1"
    return f"{loopback if config.listen_host in _ANYWHERE else host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
