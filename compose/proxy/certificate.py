"""A certificate for a balancer that no public authority knows: for laptops, tests and a first compose."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = "authority.pem"
SERVER = "server.pem"

_DAYS = 365
_RENEW_DAYS = 30
_BACKDATED = timedelta(hours=1)


def keep_certificate(folder: Path, names: Sequence[str]) -> None:
    """`server.pem` (certificate and key, mode 0600) and `authority.pem`, which clients must trust.

    Made if they are not there, are for other names, or end within a month. The authority's key is thrown away once
    it has signed: whoever trusts it trusts this one certificate, and nobody can make another.

    Args:
        folder: Where they are kept; made, with mode 0700, if missing.
        names: Host names and addresses that clients use.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _good(folder, names):
        authority, server = _make(names)
        _replace(folder / AUTHORITY, authority, 0o644)
        _replace(folder / SERVER, server, 0o600)


def _good(folder: Path, names: Sequence[str]) -> bool:
    with suppress(FileNotFoundError, ValueError):
        authority = x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
        certificate = x509.load_pem_x509_certificate((folder / SERVER).read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ends = certificate.not_valid_after_utc
        certificate.verify_directly_issued_by(authority)
        return set(found) == set(_names(names)) and ends > datetime.now(UTC) + timedelta(days=_RENEW_DAYS)
    return False


def _make(names: Sequence[str]) -> tuple[bytes, bytes]:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("MCP suite, this machine's balancer")
    authority = (
        _begun(issuer, issuer, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(_constraints(names), None), critical=True)
        .sign(authority_key, SHA256())
    )
    certificate = (
        _begun(_name(names[0]), issuer, key)
        .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return authority.public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.PEM) + private


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


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general(name) for name in names]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraints(names: Sequence[str]) -> list[x509.GeneralName]:
    """The names themselves, as constraints have them: an address is a network of one."""
    general = _names(names)
    return [x509.IPAddress(ip_network(one.value)) if isinstance(one, x509.IPAddress) else one for one in general]


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
