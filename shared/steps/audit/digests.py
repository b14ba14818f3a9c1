"""What records have in place of an address: whoever has the audit's keys can tell whether it is that one.

Without a key nobody can guess: a plain digest of an address is found by trying addresses. Tenants' digests differ, so
that nobody learns that two of them write to the same person. 128 bits of HMAC-SHA-256 (RFC 2104 §5), behind the key's
id.
"""

from shared.state.keys import KeyRing

_BYTES = 16


def digest_of(ring: KeyRing, tenant: str, value: str) -> str:
    """Under the first key, as records are made now."""
    return _named(ring, ring.mac_id, tenant, value)


def digests_of(ring: KeyRing, tenant: str, value: str) -> list[str]:
    """Under each key of the ring, to find what was recorded under an older one."""
    return [_named(ring, key_id, tenant, value) for key_id in ring.public_keys()]


def _named(ring: KeyRing, key_id: str, tenant: str, value: str) -> str:
    message = f"mcp-suite digest\0{tenant}\0{value}".encode()  # no record is authenticated as that
    return f"{key_id}:{ring.mac(message, key_id)[:_BYTES].hex()}"
