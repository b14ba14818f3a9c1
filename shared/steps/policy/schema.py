"""The Cedar schema of one server, derived from what it declares: a policy that names what does not exist fails."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.core.errors import Misconfigured
from shared.core.scopes import IMPLIED_VERBS
from shared.core.server import Server
from shared.core.tool import Effect, Risk, Tool
from shared.core.toolset import Toolset
from shared.steps.policy.shapes import Record, record_of

HOLD, SEE, CALL = "hold", "see", "call"
"""To hold a scope; to see a tool in lists; to call it. The last is the group of all tools' actions."""

GROUPS = (CALL, "read", "write", "high_risk", "outward", "step_up")
"""Groups of tools' actions: all; by effect; of high risk; that reach the outside world; that declare a sign-in."""

_COMMON = """
entity Role;
entity Tenant;
entity Server;
entity Caller in [Role, Tenant] {
  subject: String, client: String, issuer: String, tenant: String, trust: String, actors: Set<String>,
  through: String
};
entity Scope in [Scope, Server];
entity Tool in [Server] {
  kind: String, effect: String, risk: String, scopes: Set<String>, labels: Set<String>, open_world: Bool,
  level?: Long, max_age_s?: Long
};
type Here = { environment: String, read_only: Bool };
action hold appliesTo { principal: [Caller], resource: [Scope], context: Here };
action see appliesTo { principal: [Caller], resource: [Tool], context: Here };
"""

_CALL = """action "{name}" in [{groups}] appliesTo {{
  principal: [Caller], resource: [Tool],
  context: {{
    environment: String, read_only: Bool, level: Long, auth_age_s?: Long, dry_run: Bool, seen: Set<String>,
    domains: Set<String>, arguments: {arguments}
  }}
}};
"""

_REPEATING = {"idempotency_key", "dry_run", "if_none_match"}
_VERBS = ("read", "write", "export", "send", "decide", "pii", "admin")


@dataclass(frozen=True)
class Target:
    """One thing that can be called, as policies name it.

    Attributes:
        name: Of its action and of the resource: `customers.get_customer`.
        kind: `tool`, `resource`, `prompt`, `completion` or `list`.
    """

    server: str
    tool: Tool
    kind: str

    @property
    def name(self) -> str:
        return f"{self.server}.{self.tool.name}"

    @cached_property
    def arguments(self) -> Record:
        """What policies see of its arguments; how a call is repeated safely, or cheaply, is not theirs to judge."""
        whole = record_of(self.tool.input_schema)
        return Record({name: shape for name, shape in whole.attributes.items() if name not in _REPEATING})

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups its action is in."""
        tool = self.tool
        found = [CALL, str(tool.effect)]
        found += ["high_risk"] if tool.effect is Effect.WRITE and tool.risk is Risk.HIGH else []
        found += ["outward"] if tool.open_world else []
        found += ["step_up"] if tool.acr is not None or tool.max_age_s is not None else []
        return tuple(found)


def targets_of(server: Server) -> tuple[Target, ...]:
    """All of a server, over its own tables and over a company's views.

    Raises:
        Misconfigured: Two would have one name in policies.
    """
    found: dict[str, Target] = {}
    for target in _all(server):
        known = found.setdefault(target.name, target)
        if known.kind != target.kind:
            raise Misconfigured(f"{target.name} is both a {known.kind} and a {target.kind}: policies could not tell")
    return tuple(found.values())


def _all(server: Server) -> Iterator[Target]:
    for tools in (server.tools, *([server.views.tools] if server.views else [])):
        for kind, declared in _by_kind(tools):
            yield from (Target(server.name, tool, kind) for tool in declared)


def _by_kind(tools: Toolset) -> Iterator[tuple[str, Iterable[Tool]]]:
    yield "tool", tools.tools.values()
    yield "resource", [resource.tool for resource in tools.resources.values()]
    yield "prompt", [prompt.tool for prompt in tools.prompts.values()]
    yield "completion", tools.completions.values()
    yield "list", [tools.lists] if tools.lists else []


def scopes_of(server: Server) -> list[str]:
    """Every scope of a server that somebody could hold: those its tools need, and those that include or belong to
    them by their verb.
    """
    needed = {scope for target in targets_of(server) for scope in target.tool.scopes} | set(server.clearances)
    return sorted(needed | {f"{server.name}:{verb}" for verb in _VERBS})


def parents_of(scope: str) -> list[str]:
    """The scopes that include this one (see `shared.core.scopes`)."""
    server, _, verb = scope.partition(":")
    return [f"{server}:{over}" for over, implied in IMPLIED_VERBS.items() if verb in implied]


def schema_of(server: Server) -> str:
    """The schema, in Cedar's own syntax."""
    groups = "".join(f"action {name}{f' in [{CALL}]' if name != CALL else ''};\n" for name in GROUPS)
    calls = (_call(target.name, target.groups, target.arguments) for target in targets_of(server))
    # In every group, so that what is said of a group is no error where a server has nothing in it.
    anything = _call("anything", GROUPS, Record({}))
    return _COMMON + groups + anything + "".join(calls)


def _call(name: str, groups: Iterable[str], arguments: Record) -> str:
    return _CALL.format(name=name, groups=", ".join(f'"{group}"' for group in groups), arguments=arguments.text())


def entities_of(server: Server) -> list[dict[str, Any]]:
    """The tools, scopes and actions of a server, which are the same for every call."""
    here = {"type": "Server", "id": server.name}
    made = [
        {
            "uid": {"type": "Scope", "id": scope},
            "attrs": {},
            "parents": [here, *({"type": "Scope", "id": over} for over in parents_of(scope))],
        }
        for scope in scopes_of(server)
    ]
    made += [{"uid": _action(name), "attrs": {}, "parents": [_action(CALL)]} for name in GROUPS if name != CALL]
    for target in targets_of(server):
        made.append({"uid": tool_uid(target.name), "attrs": _facts(target), "parents": [here]})
        groups = [_action(group) for group in target.groups]
        made.append({"uid": _action(target.name), "attrs": {}, "parents": groups})
    return made


def tool_uid(name: str) -> dict[str, str]:
    return {"type": "Tool", "id": name}


def _action(name: str) -> dict[str, str]:
    return {"type": "Action", "id": name}


def _facts(target: Target) -> dict[str, Any]:
    tool = target.tool
    facts: dict[str, Any] = {
        "kind": target.kind,
        "effect": str(tool.effect),
        "risk": str(tool.risk),
        "scopes": list(tool.scopes),
        "labels": sorted(tool.labels),
        "open_world": tool.open_world,
    }
    if tool.acr is not None:
        facts["level"] = level_of(tool.acr)
    if tool.max_age_s is not None:
        facts["max_age_s"] = tool.max_age_s
    return facts


def level_of(acr: str | None) -> int:
    """How strong a sign-in is, as a number: 0 for what we do not know, else 1 to 3."""
    return int(acr[3:]) if acr in {"aal1", "aal2", "aal3"} else 0
