"""The fenced blocks of every document, and what proves each of them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEWCOMERS = ("docs/start-platform-team.md", "docs/start-engineer.md", "docs/start-desktop-user.md")
"""Pages whose blocks `tests/e2e/ship/test_newcomers.py` runs from the first to the last, as one script each."""

_FENCE = re.compile(r"^```(\S*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"<!-- illustrative: (.+?) -->\n\n?\Z")
_NOT_OURS = {"node_modules", "build", "__pycache__"}
_DATA = ROOT / "servers" / "documents" / "handbook"


@dataclass(frozen=True)
class Fence:
    """A fenced block.

    Attributes:
        page: Its document, from the root of the repository.
        file: The file that it is an excerpt of, as the fence names it; else empty.
        reason: Why it cannot be run here, if it is marked as illustrative.
    """

    page: str
    language: str
    file: str
    text: str
    reason: str | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing says what it is: then a test of its page has to."""
        return not self.language and self.reason is None

    def __str__(self) -> str:
        return f"{self.page}: {(self.text.strip().splitlines() or ['(empty)'])[0][:50]}"


def documents() -> list[Path]:
    """Every Markdown file of ours; the handbook that `make up` shows is data."""
    return sorted(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _NOT_OURS and not path.name.startswith(".") and path != _DATA:
                yield from _walk(path)
        elif path.suffix == ".md":
            yield path


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def fences(document: Path) -> list[Fence]:
    """Those of one document, in order."""
    text, page = document.read_text("utf-8"), name_of(document)
    made: list[Fence] = []
    for found in _FENCE.finditer(text):
        reason = _REASON.search(text, 0, found.start())
        made.append(Fence(page, found[1], found[2], found[3], reason[1] if reason else None))
    return made


def claimed(page: str, number: int) -> tuple[str, ...]:
    """The plain blocks of a page, for the test that proves them.

    Who calls this at the top of a module says that it proves each block it gives a name to: `A, B = claimed(page, 2)`,
    `A, _ = claimed(page, 2)` or `B = claimed(page, 2)[1]`. `tests/docs/test_fences.py` finds the blocks nobody claims.

    Args:
        page: From the root of the repository.
        number: How many there are; a block more is one that this test does not know.
    """
    found = tuple(fence.text for fence in fences(ROOT / page) if fence.is_plain)
    assert len(found) == number, f"{page} has {len(found)} plain blocks, and its test proves {number}"
    return found


def claims(module: str) -> Iterator[tuple[str, set[int]]]:
    """The pages that a module claims blocks of, and which of them: the names it gives them have to be read."""
    tree = ast.parse(module)
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        value = node.value
        call = value.value if isinstance(value, ast.Subscript) else value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "claimed":
            page, number = (ast.literal_eval(argument) for argument in call.args)
            named = {at for at, name in _names(node.targets[0], number) if name in read}
            if isinstance(value, ast.Subscript) and named:
                named = {ast.literal_eval(value.slice) % number}
            yield page, named


def _names(target: ast.expr, number: int) -> Iterator[tuple[int, str]]:
    """Each block, and the name it is given."""
    if isinstance(target, ast.Name):
        yield from ((at, target.id) for at in range(number))
    elif isinstance(target, ast.Tuple | ast.List):
        yield from ((at, name.id) for at, name in enumerate(target.elts) if isinstance(name, ast.Name))
