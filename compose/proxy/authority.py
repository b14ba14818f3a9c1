"""A certificate authority that signs what one machine needs, and then forgets its key: nobody can make another."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 365
_BACKDATED = timedelta(hours=1)
_USES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


class Authority:
    """An authority for these names and no others; its key lives as long as this object.

    Args:
        names: Every host name and address that a certificate of it may be for.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("MCP suite, this machine's own authority")
        self._certificate = (
            _begun(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.NameConstraints(_constraints(names), None), critical=True)
            .sign(self._key, SHA256())
        )

    @property
    def pem(self) -> bytes:
        """What those who are to trust its certificates are given."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue(self, names: Sequence[str], use: Literal["server", "client"] = "server") -> tuple[bytes, bytes]:
        """A certificate and its private key, both PEM; one for servers is none for clients, and the reverse."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _begun(_name(names[0]), self._name, key)
            .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USES[use]]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM), private


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _BACKDATED).not_valid_after(now + timedelta(days=_DAYS))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Host names and addresses as certificates have them."""
    return [_general(name) for name in names]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraints(names: Sequence[str]) -> list[x509.GeneralName]:
    """The names themselves, as constraints have them: an address is a network of one."""
    general = general_names(names)
    return [x509.IPAddress(ip_network(one.value)) if isinstance(one, x509.IPAddress) else one for one in general]
