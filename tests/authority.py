"""Certificate authorities of a test, and certificates of theirs for any time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_BEGAN = timedelta(days=30)


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and of its key."""

    certificate: Path
    key: Path


@dataclass
class Authority:
    """One that signs what it is told to, into files of a folder.

    Attributes:
        file: Its own certificate, for those who trust it.
    """

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        subject = _subject(self.name)
        builder = _begun(subject, subject, self._key, timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.sign(self._key, SHA256())
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def sign(self, pair: str, *names: str, lasts: timedelta = timedelta(days=90)) -> Pair:
        """A certificate for the names, in `pair.crt` and `pair.key` beside the authority's; both are replaced.

        Args:
            pair: Their name.
            names: Hosts and addresses; the first is the common name, too.
            lasts: From now; it may be over already.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _begun(_subject(names[0]), self._certificate.subject, key, lasts)
        builder = builder.add_extension(x509.SubjectAlternativeName(_general(names)), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        signed = builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        made = Pair(self.folder / f"{pair}.crt", self.folder / f"{pair}.key")
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for path, content in ((made.key, private), (made.certificate, signed)):
            draft = path.with_suffix(".draft")
            draft.write_bytes(content)
            draft.chmod(0o600)
            draft.replace(path)
        return made


def _begun(subject: x509.Name, issuer: x509.Name, key: Any, lasts: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _BEGAN).not_valid_after(now + lasts)


def _subject(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
