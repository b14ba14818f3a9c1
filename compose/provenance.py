"""Where an image came from, in the words of SLSA 1.0 (slsa.dev/spec/v1.0/provenance) and in-toto 1.0."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

BUILD_TYPE = "urn:enterprise-mcp-suite:make-image:1"
BUILDER = "urn:enterprise-mcp-suite:make-image"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True)
class Built:
    """One build.

    Attributes:
        digest: Of the image's manifest.
        arguments: What the Dockerfile was told.
        base_digest: Of the base image, if it came from a registry.
        lock: The file that names every dependency with its hash.
        builder: The program, with its version.
    """

    name: str
    digest: str
    arguments: Mapping[str, str]
    base: str
    base_digest: str | None
    lock: Path
    revision: str
    builder: str
    started: datetime


def predicate(built: Built) -> dict[str, Any]:
    """What `cosign attest --type slsaprovenance1 --predicate` takes."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"dockerfile": "compose/Dockerfile", "arguments": dict(built.arguments)},
            "internalParameters": {},
            "resolvedDependencies": [
                {"uri": f"git+.@{built.revision}", **_commit(built.revision)},
                {"uri": f"pkg:docker/{built.base}", **_digest(built.base_digest)},
                {"uri": built.lock.name, "digest": {"sha256": sha256(built.lock.read_bytes()).hexdigest()}},
            ],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"builder": built.builder}},
            "metadata": {"startedOn": _time(built.started), "finishedOn": _time(datetime.now(UTC))},
        },
    }


def statement(built: Built, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """The same, said about this image."""
    subject = {"name": built.name, "digest": {"sha256": built.digest.removeprefix("sha256:")}}
    return {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": PREDICATE_TYPE, "predicate": predicate}


def _digest(given: str | None) -> dict[str, Any]:
    return {"digest": {"sha256": given.removeprefix("sha256:")}} if given else {}


def _commit(revision: str) -> dict[str, Any]:
    """Nothing where it is unknown: what is no digest must not stand for one."""
    commit = revision.removesuffix("-dirty")
    return {"digest": {"gitCommit": commit}} if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit) else {}


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
