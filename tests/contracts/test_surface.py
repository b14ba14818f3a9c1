"""What clients see changes only on purpose, and breaks only with a new major version."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

import servers
from shared.core.server import Server
from tests.contracts import surface

TOOLS_MAX = 20
TOKENS_MAX = 8_000


@pytest.mark.parametrize("name", sorted(surface.kept().keys() | surface.current().keys()))
def test_the_surface_is_as_committed(name: str) -> None:
    assert surface.current().get(name) == surface.kept().get(name), "run `make snapshots`"


@pytest.mark.parametrize("server", servers.over_mcp(), ids=lambda server: server.name)
def test_a_server_is_small_enough_for_a_model(server: Server, record_property: Callable[[str, object], None]) -> None:
    tokens = surface.tokens(server)
    record_property("tokens", tokens)
    assert len(server.tools.tools) <= TOOLS_MAX
    assert tokens <= TOKENS_MAX, f"{server.name}: about {tokens} tokens before the first call"


@pytest.mark.parametrize("server", servers.every(), ids=lambda server: server.name)
def test_the_tool_that_takes_a_call_back_is_there(server: Server) -> None:
    named = {tool.inverse for tool in server.tools.tools.values() if tool.inverse}
    assert named <= server.tools.tools.keys()


def changed(**changes: Any) -> tuple[Any, Any]:
    old = surface.current()["customers.update_customer.json"]
    new = deepcopy(old)
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = new
        for part in way:
            inner = surface.answer_of(inner)[part] if part == "properties" else inner[part]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return old, new


@pytest.mark.parametrize(
    "changes",
    [
        {"inputSchema__properties__dry_run": None},
        {"inputSchema__required": ["customer_id", "version", "changes", "dry_run"]},
        {"inputSchema__properties__version__type": "string"},
        {"outputSchema__properties__diff": None},
        {"outputSchema__$defs__Customer__properties__city": None},
        {"inputSchema__$defs__CustomerChanges__properties__city": None},
        {"scopes": ["customers:write", "customers:pii"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_breaks_a_client_is_told(changes: dict[str, Any]) -> None:
    assert surface.breaking(*changed(**changes)) != []


def test_a_tool_that_is_gone_breaks_a_client() -> None:
    old, _ = changed()
    assert surface.breaking(old, None) == ["it is gone"]


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "Better words."},
        {"inputSchema__properties__reason": {"type": "string"}},
        {"outputSchema__properties__more": {"type": "string"}},
        {"scopes": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_only_adds_breaks_nothing(changes: dict[str, Any]) -> None:
    assert surface.breaking(*changed(**changes)) == []


def test_other_words_of_a_prompt_need_another_version_of_it() -> None:
    old: Any = {"scopes": [], "source": "a", "_meta": {"enterprise-mcp-suite/version": "1.0.0"}}
    new = {**old, "source": "b"}
    assert surface.breaking(old, new) == ["its words may differ: move the prompt's own version"]
    assert surface.breaking(old, {**new, "_meta": {"enterprise-mcp-suite/version": "1.0.1"}}) == []


def test_an_argument_of_a_prompt_is_neither_dropped_nor_made_required() -> None:
    old: Any = {"scopes": [], "arguments": [{"name": "a", "required": True}, {"name": "b", "required": False}]}
    new: Any = {"scopes": [], "arguments": [{"name": "b", "required": True}]}
    assert surface.breaking(old, new) == ["argument a is gone", "argument b is required now"]


def test_a_breaking_change_is_written_only_with_a_new_major_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(surface, "FOLDER", tmp_path)
    assert surface.write() == []
    now = surface.current()
    broken = {name: found for name, found in now.items() if "get_customer." not in name}
    monkeypatch.setattr(surface, "current", lambda: broken)
    assert surface.write() == ["customers.get_customer.json: it is gone"]
    assert (tmp_path / "customers.get_customer.json").exists()
    monkeypatch.setattr(
        surface, "current", lambda: {name: {**found, "version": "9.0.0"} for name, found in broken.items()}
    )
    assert surface.write() == []
    assert not (tmp_path / "customers.get_customer.json").exists()
