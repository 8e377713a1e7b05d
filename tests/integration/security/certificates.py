"""Certificates for one run of the tests, as PEM files."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Certificates:
    """Where they lie.

    Attributes:
        authority: the certificate that vouches for the others.
        server: key and certificate of the servers, for localhost and 127.0.0.1.
        client: key and certificate of ours.
        stranger: an authority that vouches for none of them.
    """

    authority: Path
    server: Path
    client: Path
    stranger: Path


def make_certificates(folder: Path) -> Certificates:
    """Make them in `folder`."""
    authority, stranger = trustme.CA(), trustme.CA()
    made = Certificates(*(folder / f"{name}.pem" for name in ("authority", "server", "client", "stranger")))
    authority.cert_pem.write_to_path(made.authority)
    stranger.cert_pem.write_to_path(made.stranger)
    _write(authority.issue_cert("localhost", "127.0.0.1"), made.server)
    _write(authority.issue_cert("crowdwatch.example", common_name="crowdwatch"), made.client)
    return made


def _write(certificate: trustme.LeafCert, path: Path) -> None:
    """Write key and certificates into one file; the key as PKCS #8, for Java reads no other."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for one in certificate.cert_chain_pems:
        one.write_to_path(path, append=True)
