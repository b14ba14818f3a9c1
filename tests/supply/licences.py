"""Which licences what we ship may have, and how a package says which it has."""

import re
import tomllib
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, cast

ALLOWED = {
    "Apache-2.0": "ours; grants patents",
    "BSD-2-Clause": "asks for its text alone",
    "BSD-3-Clause": "asks for its text alone",
    "ISC": "asks for its text alone",
    "MIT": "asks for its text alone",
    "MIT-0": "asks for nothing",
    "PSF-2.0": "asks for its text alone",
    "MPL-2.0": "asks for the source of its own files where they were changed; we change none",
    "LGPL-2.1-or-later": "a library that is imported as it is, and can be replaced by whoever has the image",
}
"""By SPDX identifier, why it may."""

UNSAID = {"cedarpy": "Apache-2.0", "phonenumberslite": "Apache-2.0"}
"""Packages whose metadata has no licence; the file LICENSE that comes with each was read instead."""

_SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.1-or-later",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "osi approved": "",
    "python software foundation license": "PSF-2.0",
}
_ROOT = Path(__file__).parents[2]
_OURS = "enterprise-mcp-suite"


def shipped() -> list[str]:
    """Names of the packages that come with us, those of every extra included; what is for other systems is left out
    where it is not installed.
    """
    lock: dict[str, Any] = tomllib.loads((_ROOT / "uv.lock").read_text())
    known: dict[str, dict[str, Any]] = {each["name"]: each for each in lock["package"]}
    waiting: list[tuple[str, tuple[str, ...]]] = [(_OURS, tuple(known[_OURS].get("optional-dependencies", {})))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, extras = one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        more = [need for extra in extras for need in known[name].get("optional-dependencies", {}).get(extra, ())]
        waiting += [
            (need["name"], tuple(need.get("extra", ()))) for need in (*known[name].get("dependencies", ()), *more)
        ]
    return sorted({name for name, _ in seen} - {_OURS})


def licences_of(package: str) -> set[str] | None:
    """SPDX identifiers, of which all apply, or of alternatives one that is allowed; None if it is not installed."""
    try:
        said = cast("Message", metadata(package))  # what it is; its protocol lacks `get`
    except PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return chosen(str(expression))
    if package in UNSAID:
        return {UNSAID[package]}
    classified = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")
    ]
    named = {spdx for each in classified if (spdx := _SPDX.get(each.lower(), each))}
    text = str(said.get("License") or "").strip().partition("\n")[0]
    # Whoever fills in the field in a word or two is more exact than the classifier `BSD License`.
    if text in ALLOWED:
        return {text}
    return named or {_SPDX.get(text.lower(), text or "none")}


def chosen(expression: str) -> set[str]:
    """What an SPDX expression asks of us: of `A OR B` the first we may take."""
    flat = expression.replace("(", " ").replace(")", " ")
    wanted: set[str] = set()
    for part in re.split(r"\s+AND\s+", flat):
        alternatives = [each.strip() for each in re.split(r"\s+OR\s+", part)]
        wanted.add(next((each for each in alternatives if each in ALLOWED), alternatives[0]))
    return wanted
