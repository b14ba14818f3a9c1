"""Neutralise other people's text before a model reads it: what is hidden from a person is taken out, what could
pass for the frame of a conversation is made plain, and what reads like an order is named. Nothing visible is lost.

No filter makes such text safe to obey (OWASP LLM01): the label says so, and the path's other steps hold whatever
a model is talked into.

Three forms, for three kinds of text:

- `neutralise`: a short text, such as a note, a title or a name. Knows of no code.
- `neutralise_document`: a whole document in Markdown, MDX or HTML. Code in it stays as it is.
- `neutralise_shown`: a text of which everything is shown: plain text, the words of a PDF, and whatever is cut out of
  a document that was neutralised as a whole (a section, a range, a snippet, a diff). Nothing is taken out of it but
  characters nobody sees; what a client could render otherwise than it is written is disarmed.
"""

import re
from collections.abc import Callable, Iterable

from shared.steps.frames import told, turns, without_frames
from shared.steps.hidden import without_hidden
from shared.steps.markup import links
from shared.steps.markup.definitions import disarmed, targets, unused
from shared.steps.markup.edits import Edit, applied, settled
from shared.steps.markup.layout import Layout, also_as_mdx, could_be_mdx, layout
from shared.steps.markup.quiet import moved, quiet
from shared.steps.markup.scanning import Scan
from shared.steps.markup.suspicion import suspicious
from shared.steps.orders import reads_like_an_order
from shared.steps.unseen import without_gaps, without_unseen

_PASSES = 8
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,200}\])")
_HARMLESS = str.maketrans("<>{}[]()`|~", "‹›‹›‹›‹›'/-")
_ORDER = ("control", "bidi", "hidden", "marker", "image", "link", "instructions")


def neutralise(text: str) -> tuple[str, tuple[str, ...]]:
    """The text as a model may read it, and what was found in it, in this order: `control`, `bidi`, `hidden`,
    `marker`, `image`, `instructions`.

    Neutralising twice changes nothing more.
    """
    found: dict[str, None] = {}
    text = without_unseen(text, found)
    text = _shown(text, found)
    text = without_frames(text, found)
    text = told(_IMAGE, _named, text, "image", found)
    if reads_like_an_order(text, note=True):
        found["instructions"] = None
    return text, tuple(found)


def neutralise_document(text: str) -> tuple[str, tuple[str, ...]]:
    """A whole document as a model may read it, and what was found in it: as `neutralise`, and `link` for links that
    lead elsewhere than they say, or run something.

    Cut it into pieces afterwards, never before: a piece that begins inside a comment does not look like one.
    Neutralising twice changes nothing more.
    """
    return _settle(text, _taken_out)


def neutralise_shown(text: str) -> tuple[str, tuple[str, ...]]:
    """A text of which all is shown, as a model may read it, and what was found in it, as `neutralise_document`."""
    return _settle(text, _disarmed)


def _settle(text: str, edits_of: Callable[[str, Layout], tuple[list[Edit], Layout]]) -> tuple[str, tuple[str, ...]]:
    """Edit until there is nothing left to edit: taking out one part may put another together."""
    found: dict[str, None] = {}
    seen: Layout | None = None
    for _ in range(_PASSES):
        before = text
        text = without_gaps(without_frames(without_unseen(text, found), found, strict=True), found)
        if not suspicious(text):
            break
        edits, seen = edits_of(text, seen if seen and text == before else layout(text))
        if not edits:
            break
        found.update((edit.name, None) for edit in edits)
        seen = moved(seen, edits) if quiet(text, seen, edits) else None
        text = applied(text, edits)
    else:
        text = _beyond_repair(text)
    if reads_like_an_order(text):
        found["instructions"] = None
    return text, tuple(name for name in _ORDER if name in found)


def _beyond_repair(text: str) -> str:
    """What is left of layers upon layers of tricks, without a character that could mean anything but itself."""
    text = without_gaps(without_unseen(text, {}), {}).translate(_HARMLESS)
    for start, end in reversed(list(turns(text))):
        text = f"{text[:start]}‹{text[start:end]}›{text[end:]}"
    return links.inert(text)


def _taken_out(text: str, seen: Layout) -> tuple[list[Edit], Layout]:
    edits = Scan(text, seen, targets(seen)).run()
    if not seen.mdx and could_be_mdx(text) and _disputed(text, seen, edits):
        seen = also_as_mdx(text, seen)
        edits = Scan(text, seen, targets(seen)).run()
    edits += (Edit(start, end, "", "hidden") for start, end in seen.unseen if text[start:end].strip())
    return settled([*edits, *unused(text, seen), *_turns(text, seen)]), seen


def _disputed(text: str, seen: Layout, edits: Iterable[Edit]) -> bool:
    """Whether it matters that MDX sees code where CommonMark sees HTML, and the reverse: pictures go either way."""
    in_html = (edit.name != "image" and seen.html.end_at(edit.start) for edit in edits)
    return any(in_html) or any(suspicious(text[start:end]) for start, end in seen.code)


def _disarmed(text: str, seen: Layout) -> tuple[list[Edit], Layout]:
    edits = Scan(text, seen, targets(seen), keep_all=True).run()
    return settled([*edits, *disarmed(text, seen), *_turns(text, seen)]), seen


def _turns(text: str, seen: Layout) -> list[Edit]:
    return [
        Edit(start, end, f"‹{text[start:end]}›", "marker") for start, end in turns(text) if not seen.code.end_at(start)
    ]


def _shown(text: str, found: dict[str, None]) -> str:
    """What a browser would show of it; leaving out one part may put another together, so more than once."""
    for _ in range(_PASSES):
        if "<" not in text or (shown := without_hidden(text)) == text:
            return text
        found["hidden"] = None
        text = shown
    return text.replace("<", "‹")


def _named(match: re.Match[str]) -> str:
    """An image by its words alone: a client that fetched it would send whatever its address was made to hold."""
    return f"[image: {match[1]}]"
