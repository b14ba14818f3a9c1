"""A sign-in that is too weak: the official SDK's own OAuth client follows the challenge, and the call is done."""

from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from compose.idp.second_factor import TICK
from tests.clients.sign_in import SignIn
from tests.harness import MODERN, Suite

pytestmark = pytest.mark.anyio

MODES = {"modern": MODERN, "legacy": "legacy"}


async def two_customers(suite: Suite) -> dict[str, Any]:
    new = {"name": "Twin", "segment": "consumer", "country": "DE"}
    keep, duplicate = [(await suite.call("admin", "create_customer", new))["customer"] for _ in range(2)]
    return {
        **{"keep_id": keep["id"], "keep_version": keep["version"]},
        **{"duplicate_id": duplicate["id"], "duplicate_version": duplicate["version"]},
    }


class Challenged(SignIn):
    """Somebody who gives a second factor once they were challenged for one."""

    @property
    def challenges(self) -> list[str]:
        return [seen["challenge"] for seen in self.trace if seen["challenge"]]

    async def browse(self, authorize_url: str) -> None:
        if self.challenges and "insufficient_user_authentication" in self.challenges[-1]:
            authorize_url = self.stronger(authorize_url)
        await super().browse(authorize_url)

    def stronger(self, authorize_url: str) -> str:
        raise NotImplementedError


class ByHand(Challenged):
    """The client knows nothing of it and signs them in again; they tick the box."""

    def stronger(self, authorize_url: str) -> str:
        self.ticked = {TICK: "yes"}
        return authorize_url


class ByClient(Challenged):
    """The client puts what the challenge names into its request (RFC 9470 §4)."""

    def stronger(self, authorize_url: str) -> str:
        told = self.challenges[-1]
        assert 'acr_values="aal2"' in told
        assert 'max_age="3600"' in told
        return f"{authorize_url}&acr_values=aal2&max_age=3600"


async def refusal(client: Client, arguments: dict[str, Any]) -> int | None:
    """The code a merge is refused with, None if it is done; a `pytest.raises` within a client would hang."""
    try:
        result = await client.call_tool("merge_customers", arguments)
    except MCPError as error:
        return error.code
    assert result.is_error is False
    return None


@pytest.mark.parametrize("somebody", [ByHand, ByClient])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
async def test_the_challenge_is_followed_and_the_call_is_done(
    suite: Suite, mode: str, somebody: type[Challenged]
) -> None:
    """The client follows one challenge a request: first that for the scopes, then that for the sign-in."""
    merge, person = await two_customers(suite), somebody("manager", suite.url())
    with anyio.fail_after(60):
        async with person.connect(mode) as client:
            await client.list_tools()
            codes = [await refusal(client, merge) for _ in range(2)]
    assert codes == [401, None]
    assert len(person.asked) == 3
    merged = await suite.records(target="merge_customers", limit=6)
    assert merged[0]["decision"] == "allow"
    assert {"allow", "step_up"} <= {record.get("decision") for record in merged}


async def test_who_gives_no_second_factor_is_refused_and_not_asked_without_end(suite: Suite) -> None:
    merge, person = await two_customers(suite), SignIn("manager", suite.url())
    with anyio.fail_after(60):
        async with person.connect(MODERN) as client:
            await client.list_tools()
            codes = [await refusal(client, merge) for _ in range(2)]
    assert codes == [401, 401]
    assert len(person.asked) == 3
    untouched = await suite.call("admin", "get_customer", {"customer_id": merge["duplicate_id"]})
    assert untouched["status"] != "archived"
