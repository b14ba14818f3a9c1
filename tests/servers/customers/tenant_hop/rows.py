"""Each kind of handle that the owner may be told, and what whoever has it does with it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

from tests.servers.customers.tenant_hop.people import OUTSIDE, OWNER, THIEVES, WITHIN_S, Person, seen, suffixed
from tests.servers.customers.tenant_hop.world import Hop

QUERY: dict[str, Any] = {"query": "an", "limit": 1}


@dataclass(frozen=True)
class Owned:
    """What the owner has."""

    customer: str
    job: str


async def owned_by(owner: Person) -> Owned:
    """A customer, and an export that is done."""
    new = {"name": "Owned", "segment": "consumer", "country": "DE"}
    customer = (await owner.told("create_customer", **new))["customer"]["id"]
    job = (await owner.told("export_customers"))["job_id"]
    with anyio.fail_after(3 * WITHIN_S):
        while (await owner.told("get_job", job_id=job))["state"] != "done":
            await anyio.sleep(0.05)
    return Owned(customer, job)


async def cursor(owner: Person, owned: Owned) -> str:
    return (await owner.told("search_customers", **QUERY))["next_cursor"]


async def page(person: Person, handle: str) -> httpx.Response:
    return await person.call("search_customers", **QUERY, cursor=handle)


async def customer(owner: Person, owned: Owned) -> str:
    return owned.customer


async def look(person: Person, handle: str) -> httpx.Response:
    return await person.call("get_customer", customer_id=handle)


async def read(person: Person, handle: str) -> httpx.Response:
    return await person.ask("resources/read", {"uri": f"customer://{handle}"})


async def complete(person: Person, handle: str) -> httpx.Response:
    return await person.completed(handle[:-1])


async def prompt(person: Person, handle: str) -> httpx.Response:
    arguments = {"customer_id": handle}
    return await person.ask("prompts/get", {"name": "prepare_account_review", "arguments": arguments})


async def job(owner: Person, owned: Owned) -> str:
    return owned.job


async def poll(person: Person, handle: str) -> httpx.Response:
    return await person.call("get_job", job_id=handle)


async def part(person: Person, handle: str) -> httpx.Response:
    return await person.ask("resources/read", {"uri": f"customers-export://{handle}/1"})


async def change(owner: Person, owned: Owned) -> str:
    note = await owner.told("add_customer_note", customer_id=owned.customer, text="Called.")
    return note["change_id"]


async def undo(person: Person, handle: str) -> httpx.Response:
    return await person.call("undo_change", change_id=handle)


@dataclass(frozen=True)
class Row:
    """One kind of handle.

    Attributes:
        learn: What its owner is told.
        use: What whoever has it does with it.
        thieves: To whom it must be nothing; to the others of `THIEVES` it is what it is to the owner.
        says: What the answer to them holds, in either era.
    """

    learn: Callable[[Person, Owned], Awaitable[str]]
    use: Callable[[Person, str], Awaitable[httpx.Response]]
    thieves: tuple[str, ...]
    says: str


NOBODY = '"code":"not_found"'
NO_RESOURCE = "Resource not found"

ROWS = {
    "cursor": Row(cursor, page, tuple(THIEVES), '"code":-32602,"message":"Invalid cursor'),
    "customer": Row(customer, look, OUTSIDE, NOBODY),
    "customer resource": Row(customer, read, OUTSIDE, NO_RESOURCE),
    "customer in a prompt": Row(customer, prompt, OUTSIDE, NOBODY),
    "completion": Row(customer, complete, OUTSIDE, '"values":[]'),
    "job": Row(job, poll, (*OUTSIDE, "a colleague"), NOBODY),
    "part of an export": Row(job, part, (*OUTSIDE, "a colleague"), NO_RESOURCE),
    "change": Row(change, undo, OUTSIDE, NOBODY),
}


async def tried(hop: Hop, owned: Owned, row: Row, who: str, era: str) -> tuple[list[tuple[Any, ...]], httpx.Response]:
    """What somebody sees who uses a handle of the owner's, and one of nobody's; and what the owner sees then."""
    owner, thief = hop.person(OWNER, era), hop.person(who, era)
    handle = await row.learn(owner, owned)
    answers = [seen(await row.use(thief, given), given) for given in (handle, suffixed(handle))]
    return answers, await row.use(owner, handle)
