"""Whether a text could hold anything that the scan would change. Most do not, and need not be parsed.

It knows nothing of code and looks at every place by itself, so what the scan could find in any layout is found here.
"""

import re

from shared.steps.frames import frame_at, turns
from shared.steps.markup import links
from shared.steps.markup.brackets import AUTOLINK, TARGET, TARGET_BEGINS
from shared.steps.markup.definitions import normal
from shared.steps.markup.layout import INFO_MAX, cells_of
from shared.steps.markup.scanning import COULD_HIDE
from shared.steps.markup.tags import BEGINS, TOO_LONG, Budget, tag_at

_SUSPECT = re.compile(rf"{BEGINS}|\{{\s{{0,20}}/[*/]|!\[|\]\(|\[\s{{0,99}}/?\s{{0,99}}(?:INST|SYS)|\[\^", re.IGNORECASE)
_HTML_LINE = re.compile(r"^[ \t>*+\-\d.)]*</?[A-Za-z]", re.MULTILINE)
_DEFINITION = re.compile(
    r"^[ \t>*+\-\d.)]{0,40}\[((?:[^\[\]\\]|\\.){1,999}+)\]:[ \t]*+([^\s<]++)[ \t]*+$", re.MULTILINE
)
_EMPTY_LINE = re.compile(r"\n[ \t>]*\n")
_LIKE_A_DEFINITION = re.compile(r"\]:")
_FENCE = re.compile(rf"(?:`{{3}}|~{{3}})[^\n]{{{INFO_MAX},}}")
_RULE = re.compile(r"^[ \t>]*[|:\-][ \t|:\-]*$", re.MULTILINE)
_HEADING_FAR = 1000


def suspicious(text: str) -> bool:
    """False only if the scan would change nothing, whatever the layout."""
    html = _HTML_LINE.search(text) is not None
    budget = Budget(text)
    for found in _SUSPECT.finditer(text):
        start, mark = found.start(), text[found.start() : found.start() + 2]
        if mark in {"![", "[^", "<!", "<?", "<|"} or mark[0] == "{" or (mark[0] == "[" and frame_at(text, start)):
            return True
        if mark == "](" and _link(text, start):
            return True
        if mark[0] == "<" and _angle(text, start, budget, html=html):
            return True
    return bool(
        any(links.picture_end(text, *found.span()) for found in links.ADDRESS.finditer(text))
        or next(iter(turns(text)), None)
        or _FENCE.search(text)
        or (_LIKE_A_DEFINITION.search(text) and _defines(text))
        or _overhangs(text)
    )


def _link(text: str, start: int) -> bool:
    link = TARGET.match(text, start)
    if link is None:
        begins = TARGET_BEGINS.match(text, start)
        return begins is not None and not links.is_harmless(text[begins.end() : begins.end() + 300])
    target = link["target"].removeprefix("<").removesuffix(">")
    if link["title"] or not links.is_harmless(target):
        return True
    opened = text.rfind("[", max(0, start - _HEADING_FAR), start)
    return links.misleads(text[opened + 1 : start], target) is not None


def _angle(text: str, start: int, budget: Budget, *, html: bool) -> bool:
    if frame_at(text, start) is not None:
        return True
    link = AUTOLINK.match(text, start)
    if link is not None and link["target"] and not links.is_harmless(link["target"]):
        return True
    tag = tag_at(text, start, budget)
    if tag is None:
        return html or COULD_HIDE.match(text, start) is not None or text[start + 1 : start + 2] == "/"
    if tag is TOO_LONG or not tag.harmless or (html and _EMPTY_LINE.search(text, start, start + tag.length)):
        return True
    return bool(tag.target and links.host(tag.target))


def _defines(text: str) -> bool:
    """Whether a definition is unused, titled, or leads somewhere that its words may not say."""
    defined = {normal(found[1]): found for found in _DEFINITION.finditer(text)}
    if len(defined) != len(re.findall(r"^[ \t>*+\-\d.)]{0,40}\[(?:[^\[\]\\]|\\.){1,999}+\]:", text, re.MULTILINE)):
        return True
    if any(links.scheme(found[2]) or found[2].startswith("//") for found in defined.values()):
        return True
    uses = re.findall(r"\[((?:[^\[\]\\]|\\.){1,999}+)\]", _DEFINITION.sub("", text))
    return not defined.keys() <= {normal(use) for use in uses}


def _overhangs(text: str) -> bool:
    """Whether a table has a row with more cells than its head."""
    done = 0
    for rule in _RULE.finditer(text):
        if rule.start() < max(done, 1) or "-" not in rule[0]:
            continue
        at = text.rfind("\n", 0, rule.start() - 1) + 1
        columns = cells = 0
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end]
            if not line.strip():
                break
            if _RULE.fullmatch(line):
                columns = min(columns or cells, cells)
            cells = len(cells_of(text, (at, end)))
            if columns and cells > columns:
                return True
            at = end + 1
        done = at
    return False
