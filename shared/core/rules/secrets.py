"""Keys, and where secrets come from."""

import binascii
from base64 import b64decode
from collections import Counter
from typing import TYPE_CHECKING

from shared.core.rules.rule import Rule, in_production, told_by
from shared.core.vault_settings import require_whole

if TYPE_CHECKING:
    from shared.core.settings import Settings

_RINGS = ("audit_keys", "ledger_keys", "cursor_keys", "session_keys", "state_keys")
_KEY_BYTES = 32
_LEAST_VARIETY = 16
"""Different bytes in a key; of 32 random ones that happens once in 10^16 times."""


def _rings(settings: "Settings") -> dict[str, list[str]]:
    return {name: [key.get_secret_value() for key in getattr(settings, name)] for name in _RINGS}


def _weak(settings: "Settings") -> str | None:
    if settings.profile != "fleet":
        return None
    weak = [name for name, keys in _rings(settings).items() if any(len(_bytes(key)) != _KEY_BYTES for key in keys)]
    return f"{', '.join(weak)}: each key is base64 of {_KEY_BYTES} random bytes" if weak else None


def _bytes(key: str) -> bytes:
    try:
        return b64decode(key, validate=True)
    except binascii.Error:
        return b""


def _example(settings: "Settings") -> str | None:
    if not in_production(settings):
        return None
    made_up = [
        name
        for name, keys in _rings(settings).items()
        if any(len(_bytes(key)) == _KEY_BYTES and len(set(_bytes(key))) < _LEAST_VARIETY for key in keys)
    ]
    return f"{', '.join(made_up)}: a key there was typed, or is an example's, and is not random" if made_up else None


def _shared(settings: "Settings") -> str | None:
    if not in_production(settings):
        return None
    rings = _rings(settings)
    seen = Counter(key for keys in rings.values() for key in set(keys))
    both = [name for name, keys in rings.items() if any(seen[key] > 1 for key in keys)]
    return f"{', '.join(both)} have a key in common" if both else None


def _debug(settings: "Settings") -> str | None:
    shown = in_production(settings) and settings.log_level == "DEBUG"
    return f"environment is {settings.environment}, and log_level is DEBUG" if shown else None


RULES = (
    Rule(
        name="weak-key",
        when="in a fleet a key of a ring is not base64 of 32 bytes",
        reason="Short keys can be guessed, and with them answers read, sessions made and the audit forged.",
        remedy="Make each with `openssl rand -base64 32`.",
        settings=("profile", *_RINGS),
        found=_weak,
    ),
    Rule(
        name="example-key",
        when="in stage or prod a key has fewer than 16 different bytes",
        reason="Keys from examples are known to everybody.",
        remedy="Make each with `openssl rand -base64 32`.",
        settings=("environment", *_RINGS),
        found=_example,
    ),
    Rule(
        name="key-in-two-rings",
        when="in stage or prod two rings have a key in common",
        reason="What one ring loses, the other loses too; and rotating one does not help.",
        remedy="Make one for each with `openssl rand -base64 32`.",
        settings=("environment", *_RINGS),
        found=_shared,
    ),
    Rule(
        name="vault-incomplete",
        when="Vault is http beyond loopback, or has no way to sign in, or more than one",
        reason="Every secret would cross the network in the clear; or nobody knows as whom we ask.",
        remedy="Set SUITE_VAULT__URL=https://…, and one of __TOKEN, __TOKEN_FILE, __ROLE_ID, __ROLE (docs/secrets.md).",
        settings=("vault",),
        found=told_by(require_whole, lambda settings: settings.vault),
    ),
    Rule(
        name="debug-logs-in-production",
        when="in stage or prod `log_level` is DEBUG",
        reason="Debug lines tell more of each call than an operator needs, and cost disk.",
        remedy="Leave SUITE_LOG_LEVEL out, and set it only while you look for something.",
        settings=("log_level", "environment"),
        found=_debug,
        warns=True,
    ),
)
