"""Certificates of the platform's services on the cluster: put into a Secret, seen from outside."""

import json
import subprocess
from pathlib import Path

from cryptography import x509

from cluster.world import NAMESPACE, Cluster
from support.certificates import Authority


def put_certificate(cluster: Cluster, authority: Authority, folder: Path) -> None:
    """Issue a certificate for every service and write it into the Secret."""
    authority.issue("tls", hosts=[f"*.{NAMESPACE}.svc.cluster.local"])
    files = {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": authority.ca_file.name}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls"},
        "stringData": {key: (folder / name).read_text() for key, name in files.items()},
    }
    file = folder / "secret.json"
    file.write_text(json.dumps(secret))
    cluster.kubectl("apply", "-f", str(file))


def certificate_shown(cluster: Cluster, component: str) -> int:
    """The serial number of the certificate that a pod shows to a new connection."""
    address = cluster.pods(component)[0]["status"]["podIP"]
    # Shown before the server asks for ours, so none is needed.
    command = ("openssl", "s_client", "-connect", f"{address}:9090", "-alpn", "h2")
    done = subprocess.run(
        cluster.lab.inside("lab", *command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    body = done.stdout.partition(begin)[2].partition(end)[0]
    return x509.load_pem_x509_certificate(begin + body + end).serial_number
