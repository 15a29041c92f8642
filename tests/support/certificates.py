"""Certificate authorities of tests, and the files and settings that services are given."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from siyu_kit.config import CommonConfig, load

_NOW = dt.timedelta(0)


class Authority:
    """Signs certificates for 127.0.0.1 and what else it is asked for."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory, self.name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named(name)
        own = _builder(self._subject, self._subject, self._key.public_key(), ca=True)
        _replace(self.ca_file, _pem(own.sign(self._key, hashes.SHA256())))

    @property
    def ca_file(self) -> Path:
        """The authority's own certificate."""
        return self.directory / f"{self.name}.crt"

    def issue(
        self,
        name: str,
        *,
        serial: int | None = None,
        expired: bool = False,
        hosts: Sequence[str] = (),
    ) -> dict[str, str]:
        """Write (again) a key and a certificate; the variables that name them and this CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        shift = dt.timedelta(days=-1) if expired else _NOW
        builder = _builder(
            _named(name), self._subject, key.public_key(), serial, shift, hosts=hosts
        )
        _replace(self.directory / f"{name}.key", _private(key))
        _replace(self.directory / f"{name}.crt", _pem(builder.sign(self._key, hashes.SHA256())))
        return self.variables(name)

    def serial(self, name: str) -> int:
        """The serial number of the certificate that was issued last."""
        content = (self.directory / f"{name}.crt").read_bytes()
        return x509.load_pem_x509_certificate(content).serial_number

    def variables(self, name: str) -> dict[str, str]:
        """The environment of who shows this certificate and trusts this CA."""
        return {
            "SIYU_TLS_CERT_FILE": str(self.directory / f"{name}.crt"),
            "SIYU_TLS_KEY_FILE": str(self.directory / f"{name}.key"),
            "SIYU_TLS_CA_FILE": str(self.ca_file),
        }

    def settings(self, name: str) -> CommonConfig:
        """Issue, and read the settings."""
        return load(CommonConfig, self.issue(name))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int | None = None,
    shift: dt.timedelta = _NOW,
    *,
    ca: bool = False,
    hosts: Sequence[str] = (),
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC) + shift
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = [x509.DNSName(host) for host in (*hosts, "localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address, *names]), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _replace(path: Path, content: bytes) -> None:
    """As a mounted secret is replaced: whole, and under another inode."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)
