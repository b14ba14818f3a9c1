"""Policies are tested by cases beside them, `policy_test.toml`: who calls what, and what it must come to.

```toml
[callers.agent]
roles = ["agent"]
scopes = ["customers:read"]
trust = "service"

[[cases]]
caller = "agent"
call = "get_customer"
expect = "allow"
```

With `holds = "documents:confidential"` in place of `call`, it asks whether policy lets the caller hold the scope:
`allow` or `hidden`. A case may also have `arguments`, `by` (the names of the policies that must have made it so),
`seen`, `environment`, `read_only`, and any field of its caller in another form (`acr = "aal1"`,
`signed_in_s_ago = 60`).
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.core.caller import Caller
from shared.core.errors import Misconfigured, SuiteError
from shared.core.labels import Label
from shared.core.server import Server
from shared.steps.policy.explaining import Explanation, caller_of, explain, explain_hold
from shared.steps.policy.rules import Rules
from shared.steps.policy.schema import scopes_of
from shared.steps.policy.subject import Here, Subject

_OF_CALLER = {
    *("subject", "tenant", "client", "issuer", "scopes", "roles", "trust", "acr", "actors", "through"),
    "signed_in_s_ago",
}
_OF_CASE = {"caller", "call", "holds", "expect", "arguments", "by", "seen", "environment", "read_only", "why"}


@dataclass(frozen=True)
class Case:
    """One case, as it stands in its file."""

    number: int
    given: Mapping[str, Any]
    caller: Caller

    @property
    def name(self) -> str:
        given = self.given
        told = {"caller", "call", "holds", "expect", "by", "why"}
        more = {name: value for name, value in given.items() if name not in told}
        does = f"holds {given['holds']}" if "holds" in given else f"calls {given['call']}"
        return f"{self.number}: {given['caller']} {does}{f' {more}' if more else ''}"

    def play(self, rules: Rules) -> Explanation:
        """What it comes to under these rules.

        Raises:
            Misconfigured: The case makes no sense.
        """
        here = Here(self.given.get("environment", "dev"), bool(self.given.get("read_only", False)))
        if "holds" in self.given:
            return self._held(rules, here)
        target = rules.targets.get(f"{rules.server.name}.{self.given['call']}")
        if target is None:
            raise Misconfigured(f"case {self.name}: {rules.server.name} has no {self.given['call']}")
        arguments = self.given.get("arguments")
        try:
            query = target.tool.parse(arguments) if arguments is not None else None
            seen = [Label(label) for label in self.given.get("seen", ())]
            return explain(Subject.of(rules, here, self.caller), target, query, seen)
        except (SuiteError, ValueError) as error:
            raise Misconfigured(f"case {self.name}: {error}") from None

    def _held(self, rules: Rules, here: Here) -> Explanation:
        scope = str(self.given["holds"])
        if scope not in scopes_of(rules.server):
            raise Misconfigured(f"case {self.name}: {rules.server.name} has no such scope")
        return explain_hold(Subject.of(rules, here, self.caller), scope)

    def fails(self, rules: Rules) -> str | None:
        """What is wrong with how it comes out; None if nothing is."""
        found = self.play(rules)
        expected, by = self.given["expect"], self.given.get("by")
        if found.outcome != expected:
            return f"{self.name}: expected {expected}, got {found.outcome}. {found.steps[-1]}"
        if by is not None and sorted(by) != sorted(found.policies):
            return f"{self.name}: expected by {sorted(by)}, but it was by {sorted(found.policies)}"
        return None


def read_cases(path: Path) -> list[Case]:
    """The cases of one file.

    Raises:
        Misconfigured: It cannot be read, or says what nobody understands.
    """
    try:
        whole = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from None
    callers = whole.get("callers", {})
    return [_case(path, number, given, callers) for number, given in enumerate(whole.get("cases", []), start=1)]


def _case(path: Path, number: int, given: dict[str, Any], callers: Mapping[str, Any]) -> Case:
    who = str(given.get("caller", ""))
    if who not in callers:
        raise Misconfigured(f"{path}: case {number}: there is no caller {who!r}; there are {', '.join(callers)}")
    facts: dict[str, Any] = {**callers[who], **{name: value for name, value in given.items() if name in _OF_CALLER}}
    unknown = (facts.keys() - _OF_CALLER) | (given.keys() - _OF_CALLER - _OF_CASE)
    if unknown or "expect" not in given or ("call" in given) == ("holds" in given):
        problem = f"needs call or holds, and expect, and knows no {sorted(unknown)}"
        raise Misconfigured(f"{path}: case {number} of {who}: {problem}")
    if wrong := [name for name in ("scopes", "roles", "actors") if not isinstance(facts.get(name, []), list)]:
        raise Misconfigured(f"{path}: case {number} of {who}: {wrong[0]} is a list")
    try:
        named: dict[str, Any] = {"subject": who, **facts}
        return Case(number, given, caller_of(**named))
    except ValueError as error:
        raise Misconfigured(f"{path}: case {number} of {who}: {error}") from None


def cases_of(server: Server) -> Path:
    """Where the cases of a server are: beside its policy.

    Raises:
        Misconfigured: It has no policy.
    """
    if server.policy is None:
        raise Misconfigured(f"The server {server.name} has no policy")
    return server.policy.with_name(f"{server.policy.stem}_test.toml")


def failures(rules: Rules, cases: Iterable[Case]) -> Iterator[str]:
    """One line for each case that comes out otherwise than expected."""
    for case in cases:
        failure = case.fails(rules)
        if failure is not None:
            yield failure
