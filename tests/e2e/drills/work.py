"""What clients do while replicas come and go: reads, searches, lists, resources, and writes with idempotency keys."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mcp import Client, MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult

from tests.e2e.patient import Patient

SEEDED = 100
"""Customers of the tenant, C-000001 to C-000100."""


@dataclass
class Tally:
    """What happened, over all clients."""

    calls: Counter[str] = field(default_factory=Counter[str])
    failed: list[str] = field(default_factory=list[str])
    created: dict[str, str] = field(default_factory=dict[str, str])
    noted: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def total(self) -> int:
        return self.calls.total()


class Worker:
    """One client that does one thing after another.

    Args:
        name: Its own; decides what it does, and begins everything that it writes.
    """

    def __init__(self, name: str, client: Client, patient: Patient, tally: Tally) -> None:
        self._name, self._client, self._patient, self._tally = name, client, patient, tally
        self._draw = Random(name)
        self._done = 0

    async def step(self) -> None:
        """One call, with its retries; a failure is noted, not raised."""
        self._done += 1
        acts = (self._get, self._search, self._orders, self._resource, self._list, self._create, self._note)
        [act] = self._draw.choices(acts, weights=(40, 12, 10, 10, 8, 12, 8))
        self._patient.renew()
        kind = act.__name__.removeprefix("_")
        self._tally.calls[kind] += 1
        try:
            await act()
        except (MCPError, AssertionError) as error:
            self._tally.failed.append(f"{kind}: {error!r}"[:300])

    async def _get(self) -> None:
        customer = self._somebody()
        assert (await self._call("get_customer", customer_id=customer))["id"] == customer

    async def _search(self) -> None:
        word = self._draw.choice(("an", "er", "mar", "co"))
        assert "customers" in await self._call("search_customers", query=word, limit=5)

    async def _orders(self) -> None:
        assert "orders" in await self._call("list_customer_orders", customer_id=self._somebody(), limit=5)

    async def _resource(self) -> None:
        uri = f"customer://{self._somebody()}"
        assert (await self._patiently(lambda: self._client.read_resource(uri, cache_mode="bypass"))).contents

    async def _list(self) -> None:
        assert (await self._patiently(lambda: self._client.list_tools(cache_mode="bypass"))).tools

    async def _create(self) -> None:
        name, key = self._new()
        new = {"name": name, "segment": "consumer", "country": "DE"}
        made = await self._call("create_customer", **new, idempotency_key=key)
        self._tally.created[name] = made["customer"]["id"]

    async def _note(self) -> None:
        text, key = self._new()
        about = {"customer_id": self._somebody(), "text": text}
        noted = await self._call("add_customer_note", **about, idempotency_key=key)
        self._tally.noted[text] = noted["note"]["id"]

    def _new(self) -> tuple[str, str]:
        """A text nobody else writes, and the key it is written with."""
        text = f"{self._name}-{self._done}"
        return text, text.replace(" ", "-")

    def _somebody(self) -> str:
        return f"C-{self._draw.randint(1, SEEDED):06}"

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer; what the suite says to be retryable is repeated, with the same key."""
        while True:
            answer = await self._patiently(lambda: self._client.call_tool(tool, arguments))
            assert isinstance(answer, CallToolResult)
            said: dict[str, Any] = answer.structured_content or {}
            error = said.get("error")
            if error is None:
                return said
            again = error["retryable"] and await self._patient.again(error["code"])
            assert again, error

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """2025-era clients get what would be a 5xx as an error inside a 200."""
        while True:
            try:
                return await ask()
            except MCPError as error:
                if error.code != INTERNAL_ERROR or not await self._patient.again(error.message.partition(".")[0]):
                    raise
