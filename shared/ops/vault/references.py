"""References into Vault, as settings hold them: `vault:PATH#KEY` alone, or several in braces within a URL."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from shared.core.errors import Misconfigured

_PATH, _KEY = r"[A-Za-z0-9_./-]+", r"[A-Za-z0-9_.-]+"
_ALONE = re.compile(rf"vault:({_PATH})#({_KEY})")
_WITHIN = re.compile(rf"\{{vault:({_PATH})#({_KEY})\}}")


@dataclass(frozen=True)
class Reference:
    """What one names: a path of Vault's HTTP API, and a key of what is there."""

    path: str
    key: str

    @classmethod
    def of(cls, match: re.Match[str]) -> Self:
        return cls(match[1].strip("/"), match[2])

    def __str__(self) -> str:
        return f"vault:{self.path}#{self.key}"


def referring(variables: Mapping[str, str]) -> dict[str, str]:
    """Those variables that refer to Vault.

    Raises:
        Misconfigured: One means to, but is spelt otherwise; or is a setting of Vault itself.
    """
    found = {name: value for name, value in variables.items() if value.startswith("vault:") or "{vault:" in value}
    for name, value in found.items():
        if name.startswith("SUITE_VAULT__"):
            raise Misconfigured(f"{name} refers to Vault, and is needed to reach it: set it itself, or as a file")
        left = _WITHIN.sub("", value)
        if not _ALONE.fullmatch(value) and (value.startswith("vault:") or "vault:" in left):
            raise Misconfigured(f"{name} refers to Vault, but not as vault:PATH#KEY (docs/secrets.md)")
    return found


def in_place(value: str, look_up: Callable[[Reference], str]) -> str:
    """The value with what its references name.

    Args:
        value: One that `referring` found.
        look_up: What a reference names. Within a URL it is percent-encoded (RFC 3986 §2.1).
    """
    if alone := _ALONE.fullmatch(value):
        return look_up(Reference.of(alone))
    return _WITHIN.sub(lambda match: quote(look_up(Reference.of(match)), safe=""), value)
