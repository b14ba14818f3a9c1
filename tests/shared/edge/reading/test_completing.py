"""A completion knows what was chosen for the other arguments."""

from typing import Any

import pytest
from mcp_types import ResourceTemplateReference

from tests.shelf.reader import Reader

pytestmark = pytest.mark.anyio

TEMPLATE = "shelf://{collection}/{+path}{?version,section,offset}"
TARGET = f"{TEMPLATE}#path"


async def complete(reader: Reader, value: str, **more: Any) -> dict[str, Any]:
    params: dict[str, Any] = {
        "ref": {"type": "ref/resource", "uri": TEMPLATE},
        "argument": {"name": "path", "value": value},
        **more,
    }
    async with reader.raw() as raw:
        return await raw.ask("completion/complete", params)


async def test_a_completion_is_of_what_was_chosen_before(reader: Reader) -> None:
    async with reader.client() as client:
        found = await client.complete(
            ResourceTemplateReference(type="ref/resource", uri=TEMPLATE),
            {"name": "path", "value": "d"},
            context_arguments={"collection": "guides"},
        )
    assert found.completion.values == ["deep/end.md"]


@pytest.mark.parametrize("more", [{}, {"context": {}}, {"context": {"arguments": {}}}], ids=str)
async def test_without_context_a_completion_does_without(reader: Reader, more: dict[str, Any]) -> None:
    assert (await complete(reader, "d", **more))["result"]["completion"]["values"] == []


@pytest.mark.parametrize(
    "context",
    [
        {f"name-{n}": "x" for n in range(21)},
        {"collection": "x" * 1001},
        {"x" * 201: "guides"},
    ],
    ids=["too many", "too long", "too long a name"],
)
async def test_a_context_is_bounded(reader: Reader, context: dict[str, str]) -> None:
    error = (await complete(reader, "d", context={"arguments": context}))["error"]
    assert (error["code"], error["data"]["code"]) == (-32602, "invalid")


@pytest.mark.parametrize("context", [{"collection": 7}, {"collection": None}, {"collection": ["guides"]}, [], "guides"])
async def test_a_context_is_text(reader: Reader, context: Any) -> None:
    assert (await complete(reader, "d", context={"arguments": context}))["error"]["code"] == -32602


async def test_what_was_begun_too_long_is_invalid_params(reader: Reader) -> None:
    assert (await complete(reader, "x" * 201))["error"]["code"] == -32602


async def test_a_context_is_recorded_and_what_is_secret_in_it_is_not(reader: Reader) -> None:
    context = {"collection": "guides", "password": "hunter2", "card": "4111111111111111", "to": "ada@example.com"}
    assert (await complete(reader, "deep", context={"arguments": context}))["result"]["completion"]["values"] == [
        "deep/end.md"
    ]
    record = (await reader.suite.records(target=TARGET))[0]
    kept = record["arguments"]["context"]
    assert kept["collection"] == "guides"
    assert not {"hunter2", "4111111111111111", "ada@example.com"} & set(kept.values())
