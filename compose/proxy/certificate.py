"""A certificate for a balancer that no public authority knows: for laptops, tests and a first compose."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from compose.proxy.authority import Authority, general_names

AUTHORITY = "authority.pem"
SERVER = "server.pem"

_RENEW_DAYS = 30


def keep_certificate(folder: Path, names: Sequence[str]) -> None:
    """`server.pem` (certificate and key, mode 0600) and `authority.pem`, which clients must trust.

    Made if they are not there, are for other names, or end within a month. The authority's key is thrown away once
    it has signed: whoever trusts it trusts this one certificate, and nobody can make another.

    Args:
        folder: Where they are kept; made, with mode 0700, if missing.
        names: Host names and addresses that clients use.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not good(folder / AUTHORITY, folder / SERVER, names):
        authority = Authority(names)
        certificate, key = authority.issue(names)
        replace(folder / AUTHORITY, authority.pem, 0o644)
        replace(folder / SERVER, certificate + key, 0o600)


def good(trusted: Path, path: Path, names: Sequence[str]) -> bool:
    """Whether the certificate there is of that authority, for exactly these names, and lasts for another month."""
    with suppress(FileNotFoundError, ValueError):
        authority = x509.load_pem_x509_certificate(trusted.read_bytes())
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ends = certificate.not_valid_after_utc
        certificate.verify_directly_issued_by(authority)
        return set(found) == set(general_names(names)) and ends > datetime.now(UTC) + timedelta(days=_RENEW_DAYS)
    return False


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file in one step, so that nobody reads half of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
    draft.replace(path)
