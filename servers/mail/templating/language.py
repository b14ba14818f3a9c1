"""What a template may say: a small part of Jinja2, in which nothing can run away.

No attributes, calls, arithmetic, macros, inclusion or assignment; loops only over a list that was given, never one in
another. So a template cannot reach into Python, and how much it does is bounded by its size and that of its lists. The
sandbox of Jinja2 is the second fence.
"""

from collections.abc import Iterator
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

SOURCE_MAX = 50_000
"""Characters of one part of a template."""
DEPTH_MAX = 30
"""How deep a template may be nested; Jinja2 compiles it by recursion."""

_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
    nodes.Filter,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
)
_FILTERS = ("capitalize", "length", "lower", "title", "trim", "upper")
_INSTEAD = (
    "A template shows variables, filters them with "
    f"{', '.join(_FILTERS)}, has if and else, and loops over one list; nothing else."
)


class Refused(ValueError):
    """The template says what templates may not; the message names it, and the line."""


def environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    """Jinja2 without anything that was not given; variables that are missing are errors."""
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=html, auto_reload=False, keep_trailing_newline=True, cache_size=0
    )
    made.globals.clear()
    made.tests.clear()
    kept = {name: made.filters[name] for name in _FILTERS}
    made.filters.clear()
    made.filters.update(kept)
    return made


def names_in(source: str, lists: frozenset[str] = frozenset()) -> frozenset[str]:
    """The variables a template uses.

    Args:
        source: Of one part of it.
        lists: Those that hold several values, over which it may loop.

    Raises:
        Refused: It is too long, is no template, or says more than it may.
    """
    if len(source) > SOURCE_MAX:
        raise Refused(f"It has {len(source)} characters; {SOURCE_MAX} is the most.")
    if "\0" in source:
        raise Refused("It holds the character NUL.")
    try:
        tree = environment(html=False).parse(source)
    except TemplateSyntaxError as error:
        raise Refused(f"Line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise Refused("It is nested too deep.") from None
    return frozenset(_used(tree, lists, frozenset(), 0))


def _used(node: Any, lists: frozenset[str], bound: frozenset[str], depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise Refused(f"Line {node.lineno}: it is nested deeper than {DEPTH_MAX}.")
    if type(node) not in _NODES or (isinstance(node, nodes.Name) and node.ctx != "load"):
        raise Refused(f"Line {node.lineno}: {type(node).__name__.lower()} is not allowed. {_INSTEAD}")
    if isinstance(node, nodes.For):
        yield from _loop(node, lists, bound, depth)
        return
    if isinstance(node, nodes.Filter):
        _require_plain(node)
    if isinstance(node, nodes.Name) and node.name not in bound:
        yield node.name
    for child in node.iter_child_nodes():
        yield from _used(child, lists, bound, depth + 1)


def _loop(node: nodes.For, lists: frozenset[str], bound: frozenset[str], depth: int) -> Iterator[str]:
    over, each = node.iter, node.target
    if bound or node.test is not None or node.recursive or not isinstance(each, nodes.Name):
        raise Refused(f"Line {node.lineno}: a loop has one name, no condition, and no loop in it.")
    if not isinstance(over, nodes.Name) or over.name not in lists:
        raise Refused(f"Line {node.lineno}: a loop goes over a variable of type list, and nothing else.")
    yield over.name
    for child in (*node.body, *node.else_):
        yield from _used(child, lists, bound | {each.name}, depth + 1)


def _require_plain(node: nodes.Filter) -> None:
    if node.node is None or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise Refused(f"Line {node.lineno}: filters stand behind a value and take no arguments.")
    if node.name not in _FILTERS:
        raise Refused(f"Line {node.lineno}: there is no filter {node.name[:40]!r}. {_INSTEAD}")
