"""The tickets server over a fake Jira, and what its callers say."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.harness import Databases, Suite, open_suite
from tests.servers.tickets.jira.fake import FakeJira, open_jira

USER, TOKEN = "bot@acme.example", "a-service-token"
QUICK: dict[str, Any] = {"connect_s": 1, "answer_s": 1, "attempts": 3, "breaker_failures": 1000, "settle_s": 0}
OPTIONS: dict[str, Any] = {
    "queues": {
        "billing": {"project": "SUP", "component": "Billing"},
        "support": {"project": "SUP"},
        "operations": {"project": "OPS"},
    },
    "types": {"request": ["Task", "Story"], "incident": ["Bug"]},
    "statuses": {"waiting": ["Waiting for customer"]},
    "customer_field": "customfield_10050",
}


def everybody(header: str) -> str | None:
    """Of a site that knows one service account."""
    return "acc-service" if header.startswith("Basic ") else None


@asynccontextmanager
async def over_jira(
    databases: Databases,
    folder: Path,
    *,
    who: Callable[[str], str | None] = everybody,
    settings: Mapping[str, Any] | None = None,
    **upstream: Any,
) -> AsyncGenerator[tuple[Suite, FakeJira]]:
    """The application with its tickets in a fake Jira."""
    async with open_jira(who) as jira:
        given = {**basic(jira.url), **upstream}
        urls = await databases.fresh()
        async with open_suite(
            urls, folder, databases.admin_url, upstreams={"jira": given}, **(settings or {})
        ) as suite:
            yield suite, jira


def basic(url: str) -> dict[str, Any]:
    """The settings of an upstream with a service credential."""
    return {"url": url, "tenant": "acme", "auth": "basic", "user": USER, "token": TOKEN, "options": OPTIONS, **QUICK}


def key() -> str:
    return f"key-{uuid4()}"


def wish(title: str = "Refund", **more: Any) -> dict[str, Any]:
    """Arguments of create_ticket."""
    return {"type": "request", "title": title, "queue": "billing", "idempotency_key": key(), **more}


async def call(suite: Suite, tool: str, persona: str = "manager", **arguments: Any) -> dict[str, Any]:
    """The answer of a tool, or its error object."""
    return await suite.call(persona, tool, arguments, server="tickets")


async def made(suite: Suite, title: str = "Refund", **more: Any) -> dict[str, Any]:
    """A ticket that was created."""
    answer = await call(suite, "create_ticket", **wish(title, **more))
    assert "ticket" in answer, answer
    return answer["ticket"]
