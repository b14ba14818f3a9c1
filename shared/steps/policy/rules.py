"""All policies of one server, checked and cut into what each action needs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import orjson

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.tool import Tool
from shared.steps.policy import cedar
from shared.steps.policy.context import EVERYTHING
from shared.steps.policy.schema import HOLD, SEE, Target, entities_of, schema_of, targets_of
from shared.steps.policy.statements import FIXED, InvalidPolicy, Statement, read

SUITE = Path(__file__).with_name("suite.cedar")
"""What holds for every server, unless the policy folder has a `suite.cedar` of its own."""

_PROBLEMS_EACH = 3
_ALL_MAY: cedar.Json = {
    "effect": "permit",
    **{part: {"op": "All"} for part in ("principal", "action", "resource")},
    "conditions": [],
}


@dataclass(frozen=True)
class Slice:
    """The statements that may apply to one action.

    Attributes:
        hard: Those that allow or deny.
        soft: Those that somebody can lift; None if there are none. Judged by themselves, beside one that allows all.
        context: The attributes of the context they look at.
        hard_varies: Whether something about a call may change what the hard ones say.
    """

    hard: cedar.PolicySet
    soft: cedar.PolicySet | None
    context: frozenset[str]
    hard_varies: bool

    @property
    def varies(self) -> bool:
        """Whether the arguments, the sign-in or what the caller has seen may change the answer."""
        return bool(self.context - FIXED)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """What a call's context has to have for them: less to read makes a judgement cheaper."""
        return EVERYTHING if "*" in self.context else self.context


class Rules:
    """The policies of one server.

    Args:
        server: Whose tools they are about.
        statements: All that hold for it.
        version: Changes with any of them.
    """

    def __init__(self, server: Server, statements: Iterable[Statement], version: str) -> None:
        self.server = server
        self.statements = {statement.name: statement for statement in statements}
        self.version = version
        self.targets = {target.name: target for target in targets_of(server)}
        self.base = cedar.entities(entities_of(server))

    @staticmethod
    def of(server: Server, sources: Mapping[str, str]) -> "Rules":
        """The policies in these files, text by name.

        Raises:
            InvalidPolicy: They cannot be used; every problem is listed.
        """
        statements = _read(sources)
        _validate(sources, cedar.Schema.from_str(schema_of(server)))
        version = sha256(orjson.dumps(sorted(sources.items()))).hexdigest()[:12]
        return Rules(server, statements, version)

    @cached_property
    def slices(self) -> dict[str, Slice]:
        """By action."""
        made = {name: self._slice(name, target.groups) for name, target in self.targets.items()}
        return {HOLD: self._slice(HOLD, ()), SEE: self._slice(SEE, ()), **made}

    def target(self, tool: Tool) -> Target | None:
        return self.targets.get(f"{self.server.name}.{tool.name}")

    def _slice(self, action: str, groups: tuple[str, ...]) -> Slice:
        found = [one for one in self.statements.values() if one.may_concern(action, groups)]
        soft = {one.name: one.policy for one in found if one.soft}
        return Slice(
            hard=cedar.policy_set({one.name: one.policy for one in found if not one.soft}),
            soft=cedar.policy_set({**soft, "": _ALL_MAY}) if soft else None,
            context=frozenset(name for one in found for name in one.context),
            hard_varies=any(one.varies for one in found if not one.soft),
        )


def sources_of(server: Server, folder: Path | None) -> dict[str, str]:
    """The policies of a server by the name of their file.

    Args:
        server: Declares where its own are.
        folder: A company's own: `suite.cedar` and `{server}.cedar` take the place of ours, `suite.more.cedar` and
            `{server}.more.cedar` are added.

    Raises:
        Misconfigured: The server has none, or the folder cannot be read.
    """
    if server.policy is None:
        raise Misconfigured(
            f"The server {server.name} has no policy, so nobody could use it. Write one beside its server.py and "
            "declare it: policy=Path(__file__).parent / 'policy.cedar' (docs/policy.md)"
        )
    ours = {"suite.cedar": SUITE, f"{server.name}.cedar": server.policy}
    if folder is not None:
        if not folder.is_dir():
            raise Misconfigured(f"SUITE_POLICY_DIR: {folder} is no folder")
        more = [f"{name.removesuffix('.cedar')}.more.cedar" for name in ours]
        ours |= {name: folder / name for name in (*ours, *more) if (folder / name).exists()}
    try:
        return {name: path.read_text() for name, path in ours.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The policies of {server.name} cannot be read: {error}") from None


def _read(sources: Mapping[str, str]) -> list[Statement]:
    statements: list[Statement] = []
    problems: list[str] = []
    for source, text in sources.items():
        try:
            statements += read(text, source)
        except InvalidPolicy as error:
            problems += error.problems
    problems += _repeated(statements)
    if problems:
        raise InvalidPolicy(problems)
    return statements


def _repeated(statements: Iterable[Statement]) -> list[str]:
    seen: dict[str, str] = {}
    problems: list[str] = []
    for one in statements:
        if one.name in seen:
            problems.append(f"{one.source}: {one.name} is a name already used in {seen[one.name]}")
        seen[one.name] = one.source
    return problems


def _validate(sources: Mapping[str, str], schema: cedar.Schema) -> None:
    """Cedar's own check against the schema: unknown tools, scopes, attributes, and comparisons that make no sense."""
    problems: list[str] = []
    for source, text in sources.items():
        told: Counter[str] = Counter()
        for name, problem in cedar.problems(text, schema):  # a statement about all tools is wrong once for each
            told[name] += 1
            if told[name] <= _PROBLEMS_EACH:
                problems.append(f"{source}: {name}: {problem}")
    if problems:
        raise InvalidPolicy(problems)
