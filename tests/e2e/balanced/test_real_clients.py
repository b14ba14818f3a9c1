"""Clients of other SDKs hold a conversation behind a round robin without affinity, each in a process of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients import sdk_1_30
from tests.clients.node import npm
from tests.e2e.balanced.talk import SCOPES, number_of
from tests.e2e.fleet import Drill
from tests.harness import LEGACY

pytestmark = pytest.mark.anyio

FOLDER = Path(npm.__file__).parent
VERSIONS = {"python": "1.30.0", "sdk": "1.32.2", "client": "2.4.0"}
WITHIN_S = 60


async def converse(drill: Drill, library: str, name: str) -> dict[str, Any]:
    """What one client saw; what stopped it fails here, with its own words."""
    token = drill.token(server="drill", scopes=SCOPES)
    authority = str(drill.fleet.balancer.authority)
    env = {"TOKEN": token, "SSL_CERT_FILE": authority, "NODE_EXTRA_CA_CERTS": authority}
    if library == "python":
        return await sdk_1_30.run(drill.url("drill"), name, env=env, program="conversation.py")
    npm.installed(FOLDER)
    words = (FOLDER / "conversation.mjs", library, drill.url("drill"), name)
    code, told, errors = await npm.node(*words, env=env, within_s=WITHIN_S)
    assert code == 0, errors
    return json.loads(told)


@pytest.mark.parametrize("library", VERSIONS)
async def test_they_answer_hear_and_resume_at_other_replicas_than_those_that_asked(drill: Drill, library: str) -> None:
    name = f"real-{library}"
    seen = await converse(drill, library, name)
    assert (seen["sdk"], seen["protocol"]) == (VERSIONS[library], LEGACY)
    assert seen["greeted"] == {"text": f"Hello {name}, well"}
    assert seen["heard"] == f"drill://things/{name}"
    assert (seen["progress"], seen["counted"]) == (list(range(1, 13)), {"to": 12})

    def by(what: str) -> int:
        """The replica that answered the last of these."""
        return number_of([each["replica"] for each in seen["answered"] if each["what"] == what][-1])

    assert by("greet") != by("answer")
    assert by("count") != by("resume")
    assert {by("put"), by("resources/subscribe"), by("GET")} != {by("GET")}
    assert {number_of(each["replica"]) for each in seen["answered"]} == {1, 2, 3}
