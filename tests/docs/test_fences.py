"""Every block of every document is of a kind that some test proves, or says why it cannot be."""

import re
from pathlib import Path

import pytest

from tests.docs.fences import NEWCOMERS, ROOT, Fence, claims, documents, fences, name_of

DOCUMENTS = documents()
FENCES = [fence for document in DOCUMENTS for fence in fences(document)]
WORDS_MIN = 5


def all_claims() -> dict[str, set[int]]:
    """Page → the numbers of the plain blocks that some test claims to prove."""
    claimed: dict[str, set[int]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "node_modules" in path.parts or ".venv" in path.parts:
            continue
        text = path.read_text("utf-8")
        if "= claimed(" in text:
            for page, numbers in claims(text):
                claimed.setdefault(page, set()).update(numbers)
    return claimed


CLAIMED = all_claims()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_line_that_opens_or_closes_a_block_is_of_one_that_is_known(document: Path) -> None:
    lines = re.findall(r"^[ \t>]*(?:```|~~~)", document.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 2 * len(fences(document)), "indented, quoted, nested or unclosed blocks are not looked at"


def is_proven(fence: Fence) -> bool:
    """Whether other tests look at it, because of what it says it is; plain blocks are looked at one by one, below."""
    if fence.file:
        return bool(fence.language)  # an excerpt
    return fence.language in {"", "sh", "mermaid"} or fence.page in NEWCOMERS


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_block_is_of_a_kind_that_is_proven_or_says_why_it_cannot_be(document: Path) -> None:
    for fence in fences(document):
        if fence.reason is None:
            assert is_proven(fence), f"{fence}: nothing proves a block of {fence.language}"
        else:
            assert len(fence.reason.split()) >= WORDS_MIN, f"{fence}: {fence.reason!r} is no reason"


@pytest.mark.parametrize(
    "page", sorted({fence.page for fence in FENCES if fence.is_plain and fence.page not in NEWCOMERS})
)
def test_every_plain_block_of_a_page_is_claimed_by_a_test(page: str) -> None:
    plain = [fence for fence in FENCES if fence.page == page and fence.is_plain]
    left = [str(fence) for number, fence in enumerate(plain) if number not in CLAIMED.get(page, set())]
    assert not left, "prove them in a test with `claimed` of tests/docs/fences.py, or say why they are illustrative"


def test_no_test_claims_a_page_that_has_no_such_block() -> None:
    assert CLAIMED.keys() <= {fence.page for fence in FENCES if fence.is_plain}


CLAIM = "from tests.docs.fences import claimed\n{}\ndef test_it() -> None:\n    assert A\n"


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ('A = claimed("p.md", 3)', {0, 1, 2}),
        ('A, B, _ = claimed("p.md", 3)', {0}),
        ('A = claimed("p.md", 3)[1]', {1}),
        ('A = claimed("p.md", 3)[-1]', {2}),
        ('B = claimed("p.md", 3)[1]', set[int]()),
        ('[A, _, _] = claimed("p.md", 3)', {0}),
    ],
)
def test_a_claim_holds_for_the_blocks_whose_names_are_used(line: str, numbers: set[int]) -> None:
    assert [*claims(CLAIM.format(line))] == [("p.md", numbers)]
