"""Key rings: the first key seals, all of them open; ids say which one was used."""

import base64
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from shared.core.errors import Misconfigured, SuiteError
from shared.core.settings import Settings
from shared.state.private import keep_private

_KEY_BYTES = 32
_ID_BYTES = 4
_NONCE_BYTES = 12
_BLOCK_BYTES = 64


class CannotOpen(SuiteError):
    """Sealed bytes were changed, belong elsewhere, or their key left the ring."""


@dataclass(frozen=True)
class Key:
    """One secret of 32 bytes; separate keys for sealing and for authentication are derived from it (RFC 5869)."""

    secret: bytes

    @cached_property
    def id(self) -> bytes:
        return sha256(b"key id" + self.secret).digest()[:_ID_BYTES]

    @cached_property
    def cipher(self) -> AESGCM:
        return AESGCM(self._derive(b"seal"))

    @cached_property
    def mac_key(self) -> bytes:
        return self._derive(b"mac")

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._derive(b"sign"))

    @cached_property
    def _pads(self) -> tuple[Any, Any]:
        """Both hashes of HMAC with their pad already in (RFC 2104 §2), which is most of the work for a short text."""
        key = self.mac_key.ljust(_BLOCK_BYTES, b"\0")
        return sha256(bytes(byte ^ 0x36 for byte in key)), sha256(bytes(byte ^ 0x5C for byte in key))

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA-256."""
        inner, outer = (pad.copy() for pad in self._pads)
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"mcp-suite " + purpose).derive(self.secret)


class KeyRing:
    """AES-256-GCM sealing and HMAC-SHA-256 under a rotating set of keys.

    Sealed bytes are `key id (4) ‖ nonce (12) ‖ ciphertext and tag`. Rotate in three steps: the new key
    last, then first, then alone, each one everywhere before the next (docs/rotate-keys.md).
    """

    def __init__(self, secrets: list[bytes]) -> None:
        if not secrets:
            raise Misconfigured("a key ring needs at least one key")
        if any(len(secret) != _KEY_BYTES for secret in secrets):
            raise Misconfigured("keys are 32 random bytes each, in base64")
        self._keys = {key.id: key for key in map(Key, secrets)}
        self._by_name = {key.id.hex(): key for key in self._keys.values()}
        self._first = Key(secrets[0])

    def seal(self, plaintext: bytes, bound_to: bytes) -> bytes:
        """Encrypt; only the same `bound_to` opens it again."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._first.id + nonce + self._first.cipher.encrypt(nonce, plaintext, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt what `seal` returned.

        Raises:
            CannotOpen: Changed, bound to something else, or sealed under a key that is gone.
        """
        key = self._keys.get(sealed[:_ID_BYTES])
        if key is None:
            raise CannotOpen("sealed under a key that is not in the ring")
        body = sealed[_ID_BYTES:]
        try:
            return key.cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise CannotOpen("sealed bytes do not fit") from None

    @property
    def mac_id(self) -> str:
        """Id of the key `mac` uses, to be kept beside what it authenticates."""
        return self._first.id.hex()

    def mac(self, message: bytes, key_id: str | None = None) -> bytes:
        """HMAC-SHA-256 under the first key, or under the one named.

        Raises:
            CannotOpen: The named key is not in the ring.
        """
        key = self._first if key_id is None else self._named(key_id)
        return key.mac(message)

    def macs(self, message: bytes) -> list[bytes]:
        """HMAC-SHA-256 under each key, the first key's first: to find what another one was used for."""
        return [self._first.mac(message), *(key.mac(message) for key in self._keys.values() if key is not self._first)]

    def sign(self, message: bytes) -> bytes:
        """Ed25519 (RFC 8032) under the first key: for those who are to verify it without any secret."""
        return self._first.signer.sign(message)

    def signed(self, message: bytes, signature: bytes, key_id: str) -> bool:
        """Whether the key of that name signed it.

        Raises:
            CannotOpen: The key is not in the ring.
        """
        try:
            self._named(key_id).signer.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def public_keys(self) -> dict[str, bytes]:
        """Id of each key → the raw Ed25519 key that verifies what it signed."""
        return {name: key.signer.public_key().public_bytes_raw() for name, key in self._by_name.items()}

    def _named(self, key_id: str) -> Key:
        key = self._by_name.get(key_id)
        if key is None:
            raise CannotOpen(f"key {key_id} is not in the ring")
        return key


@dataclass(frozen=True)
class Keys:
    """All rings of a process."""

    audit: KeyRing
    ledger: KeyRing
    cursors: KeyRing
    sessions: KeyRing
    states: KeyRing


def load_keys(settings: Settings) -> Keys:
    """Rings from the settings, or files of mode 0600 under the data directory that are made on first use."""
    return Keys(
        audit=_ring(settings.audit_keys, settings.data_dir, "audit"),
        ledger=_ring(settings.ledger_keys, settings.data_dir, "ledger"),
        cursors=_ring(settings.cursor_keys, settings.data_dir, "cursors"),
        sessions=_ring(settings.session_keys, settings.data_dir, "sessions"),
        states=_ring(settings.state_keys, settings.data_dir, "states"),
    )


def _ring(configured: tuple[SecretStr, ...], data_dir: Path, name: str) -> KeyRing:
    lines = [secret.get_secret_value() for secret in configured]
    if not lines:
        lines = _lines_of(data_dir / "keys" / f"{name}.key")
    try:
        return KeyRing([base64.b64decode(line, validate=True) for line in lines])
    except ValueError:
        raise Misconfigured(f"the {name} keys are not base64; make each with `openssl rand -base64 32`") from None
    except Misconfigured as error:
        raise Misconfigured(f"the {name} ring: {error}; make each with `openssl rand -base64 32`") from None


def _lines_of(path: Path) -> list[str]:
    """The keys in a file, which is made with one new key if it is not there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return keep_private(path, lambda: base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n").split()
