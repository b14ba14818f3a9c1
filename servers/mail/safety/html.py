"""HTML as it may be sent: the tags, attributes and styles that mail needs, and nothing that runs, loads or hides.

nh3 (ammonia, html5ever) writes the HTML anew from an allow-list, so that what it does not know is not there. What
was there is counted beforehand, by another parser, for the people who read the findings.
"""

from collections.abc import Callable
from dataclasses import dataclass

import nh3

from servers.mail.safety import images, limits, links, nesting, styles
from servers.mail.safety.characters import legible
from servers.mail.safety.findings import Finding
from servers.mail.safety.reading import looked_at, read
from servers.mail.safety.rules import Rules

TAGS = frozenset(
    """
    a abbr address b big blockquote br caption center cite code col colgroup dd del div dl dt em figcaption figure
    font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot
    th thead tr tt u ul wbr
    """.split()  # noqa: SIM905 - a list of bare words is read at a glance
)
_WITH_CONTENT = frozenset(
    """
    script style title svg math iframe frame frameset object embed applet noscript noembed noframes template textarea
    select option audio video canvas xmp plaintext head
    """.split()  # noqa: SIM905 - a list of bare words is read at a glance
)
"""Not even the words in these are kept: they are programs, styles, or what another program would show."""

_ANYWHERE = frozenset({"style", "align", "valign", "dir", "lang", "title", "width", "height", "bgcolor", "role"})
_ATTRIBUTES = {
    "*": set(_ANYWHERE),
    "a": {"href"},
    "img": {"src", "alt", "border"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start", "type"},
    "ul": {"type"},
}
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class SafeHtml:
    """HTML that may be sent; `html` is None if it was refused as a whole."""

    html: str | None
    words: str
    findings: tuple[Finding, ...]


def safe_html(html: str, rules: Rules) -> SafeHtml:
    """The HTML as it may be sent, the words in it as plain text, and what was found."""
    if len(html.encode(errors="replace")) > limits.HTML:
        return _refused("too_large", f"The HTML is larger than {limits.HTML // 1024} KB. Shorten it.")
    html, unseen = legible(html, "html")
    why = nesting.too_much(html)
    if why:
        return _refused("too_complex", why)
    seen = looked_at(html, TAGS, rules)
    clean, more = _settled(html, seen.pixels, rules)
    if clean is None:
        return _refused("too_complex", "It changes each time it is made safe. Simplify it.")
    if len(clean.encode()) > limits.HTML:
        return _refused("too_large", f"The HTML is larger than {limits.HTML // 1024} KB when written out. Shorten it.")
    after = read(clean)
    return SafeHtml(clean, after.text, (*unseen, *seen.findings, *more, *after.findings))


def _refused(kind: str, what: str) -> SafeHtml:
    return SafeHtml(None, "", (Finding(kind, "block", "html", what),))


def _settled(html: str, pixels: frozenset[str], rules: Rules) -> tuple[str | None, list[Finding]]:
    """Made safe until nothing changes any more: taking out one part may put another together."""
    findings: list[Finding] = []
    filtered = _filter(pixels, rules)
    for _ in range(_ROUNDS):
        clean = nh3.clean(
            html,
            tags=set(TAGS),
            clean_content_tags=set(_WITH_CONTENT),
            attributes=_ATTRIBUTES,
            attribute_filter=filtered,
            strip_comments=True,
            link_rel="noopener noreferrer",
            url_schemes={"https", "mailto", "data"},
            url_relative="deny",
        )
        clean, unseen = legible(clean, "html")
        clean = clean.strip("\n") + "\n"
        findings += unseen
        if clean == html:
            return clean, findings
        html = clean
    return None, findings


def _filter(pixels: frozenset[str], rules: Rules) -> Callable[[str, str, str], str | None]:
    """What each attribute's value becomes. `data:` passes the list of schemes for the sake of images alone."""
    judged: dict[str, str | None] = {}

    def filtered(tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return styles.safe(value)
        if name == "href":
            if value not in judged:
                judged[value] = links.judge(value, "html", rules).url
            return judged[value] if tag == "a" else None
        if name == "src":
            return None if value in pixels else images.allowed(value, rules)
        return value

    return filtered
