"""What HTML says to whoever reads it: before it is made safe, what is in it; afterwards, its words as plain text."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

from servers.mail.safety import colours, images, links, styles
from servers.mail.safety.findings import Finding, Severity, excerpt
from servers.mail.safety.rules import Rules

_BLOCKS = frozenset(
    "address blockquote br center dd div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul".split()  # noqa: SIM905 - bare words
)
_APART = frozenset("blockquote h1 h2 h3 h4 h5 h6 p table ul ol dl".split())  # noqa: SIM905 - bare words
_OF_THE_DOCUMENT = frozenset({"html", "head", "body", "-undef", "-text", "-document", "!doctype", "-doctype"})

_FORM = ("form", "A form was taken out: mail is no place to type secrets into.")
_FRAME = ("frame", "A frame or an embedded program was taken out.")
_FOREIGN = ("foreign", "SVG or MathML, which can hold programs, was taken out.")
_DOCUMENT = ("document", "A tag that redirects, or changes where links lead, was taken out.")
_STYLE = ("style_sheet", "A style sheet was taken out: write styles into `style` attributes.")
_MEDIA = ("media", "Sound or film was taken out.")
_KINDS: dict[str, tuple[str, str]] = {
    "script": ("script", "A script was taken out."),
    **dict.fromkeys(("form", "input", "button", "select", "textarea", "isindex", "keygen"), _FORM),
    **dict.fromkeys(("iframe", "frame", "frameset", "object", "embed", "applet", "portal"), _FRAME),
    **dict.fromkeys(("svg", "math"), _FOREIGN),
    **dict.fromkeys(("base", "meta"), _DOCUMENT),
    **dict.fromkeys(("style", "link"), _STYLE),
    **dict.fromkeys(("audio", "video", "source", "track", "picture"), _MEDIA),
}
_HARMLESS = {"style", "link", "audio", "video", "source", "track", "picture"}
_PLAIN_META = {"viewport", "color-scheme", "supported-color-schemes", "x-apple-disable-message-reformatting"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was in HTML before it was made safe; `pixels` are the sources of images nobody sees."""

    findings: tuple[Finding, ...]
    pixels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Read:
    """The words of HTML, and what is to be said of how they are shown."""

    text: str
    findings: tuple[Finding, ...]


def looked_at(html: str, tags: frozenset[str], rules: Rules) -> Seen:
    """What HTML holds that making it safe takes out."""
    findings: list[Finding] = []
    pixels: set[str] = set()
    links_seen: Counter[str] = Counter()
    root = LexborHTMLParser(f"<body>{html}").root  # a comment that comes first is no part of the root
    for node in root.traverse(include_text=True) if root else ():
        name = node.tag or ""
        if name == "-comment":
            findings.append(Finding("comment", "info", "html", "A comment was taken out."))
        elif name and name != "-text":
            findings += _of_element(node, name, tags)
        if name == "a" and (href := node.attributes.get("href")):
            links_seen[href] += 1
        if name == "img" and (removed := images.removed(node, rules)):
            findings.append(removed)
            if removed.kind == "tracking_pixel":
                pixels.add(node.attributes.get("src") or "")
    for href, count in links_seen.items():
        findings += [replace(found, count=count * found.count) for found in links.judge(href, "html", rules).findings]
    return Seen(tuple(findings), frozenset(pixels))


def _of_element(node: LexborNode, name: str, tags: frozenset[str]) -> Iterator[Finding]:
    given = node.attributes
    if name in _KINDS and not _is_plain_meta(node, name):
        kind, what = _KINDS[name]
        severity: Severity = "info" if name in _HARMLESS else "warning"
        yield Finding(kind, severity, "html", what, excerpt(f"<{name}>"))
    elif name not in tags and name not in _OF_THE_DOCUMENT and name not in {"title", "meta"}:
        yield Finding("tag", "info", "html", "A tag that mail does not need was taken out.", excerpt(f"<{name}>"))
    events = [each for each in given if each.lower().startswith("on")]
    if events:
        what = "A program that runs on an event was taken out."
        yield Finding("event", "warning", "html", what, excerpt(events[0]), count=len(events))
    if "hidden" in given or styles.hides(given.get("style") or ""):
        what = "Hidden text is shown as what it is: write nothing that the reader is not to see."
        if node.text().strip():
            yield Finding("hidden_text", "warning", "html", what, excerpt(" ".join(node.text().split())))


def _is_plain_meta(node: LexborNode, name: str) -> bool:
    given = node.attributes
    return name == "meta" and ("charset" in given or (given.get("name") or "").lower() in _PLAIN_META)


def read(html: str) -> Read:
    """The words of HTML that was made safe, as a person would read them, with where its links lead."""
    findings: list[Finding] = []
    pieces: list[str] = []
    body = LexborHTMLParser(html).body
    work: list[tuple[LexborNode, colours.Pair] | str] = [(body, colours.PAPER)] if body else []
    while work:
        turn = work.pop()
        if isinstance(turn, str):
            pieces.append(turn)
            continue
        node, inherited = turn
        pair = colours.of(node, inherited)
        if node.tag == "-text":
            words = node.text(deep=False)
            pieces.append(re.sub(r"\s+", " ", words))
            if words.strip() and colours.contrast(inherited) < colours.LEAST:
                what = "Text has nearly the colour of its background, so that nobody sees it."
                findings.append(Finding("hidden_text", "warning", "html", what, excerpt(words.strip())))
            continue
        before, after = _around(node)
        findings += links.misleading(node.text(), node.attributes.get("href") or "", "html") if node.tag == "a" else []
        pieces.append(before)
        work.append(after)
        work += reversed([(child, pair) for child in node.iter(include_text=True)])
    return Read(_tidy("".join(pieces)), tuple(findings))


def _around(node: LexborNode) -> tuple[str, str]:
    """What stands before and after an element's words in plain text."""
    name, given = node.tag or "", node.attributes
    if name == "img":
        alt = " ".join((given.get("alt") or "").split())
        return (f"[{alt}]" if alt else "", "")
    if name == "a" and (href := given.get("href")):
        plain = href.removeprefix("mailto:")
        return "", "" if " ".join(node.text().split()) in {href, plain} else f" <{href}>"
    if name == "li":
        return "\n- ", ""
    if name == "hr":
        return "\n\n---\n\n", ""
    if name in {"td", "th"}:
        return "", "  "
    gap = "\n\n" if name in _APART else "\n" if name in _BLOCKS else ""
    return gap, gap if name != "br" else ""


def _tidy(text: str) -> str:
    lines = [line.strip() for line in re.sub(r"[ \t\xa0]+", " ", text).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"
