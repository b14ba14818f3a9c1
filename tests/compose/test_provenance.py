"""What `make image` says of where an image came from, against the words of SLSA 1.0 and in-toto 1.0."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from compose.provenance import Built, predicate, statement
from tests.charts.custom import TEXT, Schema, closed, some

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"

DIGEST: Schema = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"enum": ["sha256", "gitCommit"]},
    "additionalProperties": {"pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"},
}
URI: Schema = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:|^git\\+|^uv.lock$"}
TIME: Schema = {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"}
PREDICATE = closed(
    {
        "buildDefinition": closed(
            {
                "buildType": URI,
                "externalParameters": {"type": "object", "minProperties": 1},
                "internalParameters": {"type": "object"},
                "resolvedDependencies": some(closed({"uri": URI}, {"digest": DIGEST})),
            }
        ),
        "runDetails": closed(
            {
                "builder": closed({"id": URI, "version": {"type": "object"}}),
                "metadata": closed({"startedOn": TIME, "finishedOn": TIME}),
            }
        ),
    }
)
STATEMENT = closed(
    {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": some(closed({"name": TEXT, "digest": DIGEST})),
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": PREDICATE,
    }
)


def built(revision: str, base_digest: str | None) -> Built:
    return Built(
        name="mcp-suite",
        digest="sha256:" + "1" * 64,
        arguments={"BASE": "docker.io/library/python:3.13-slim-trixie"},
        base="docker.io/library/python:3.13-slim-trixie",
        base_digest=base_digest,
        lock=ROOT / "uv.lock",
        revision=revision,
        builder="buildah 1.39",
        started=datetime(2026, 1, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize("base_digest", [None, "sha256:" + "2" * 64])
@pytest.mark.parametrize("revision", [COMMIT, f"{COMMIT}-dirty", "unknown"])
def test_it_is_a_statement_of_provenance_and_every_digest_is_one(revision: str, base_digest: str | None) -> None:
    made = built(revision, base_digest)
    said: dict[str, Any] = statement(made, predicate(made))
    jsonschema.validate(said, STATEMENT)
    source, base, lock = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert ("digest" in source, "digest" in base) == (revision != "unknown", base_digest is not None)
    assert re.fullmatch("[0-9a-f]{64}", lock["digest"]["sha256"])
