"""A mail as it will go, taken out of the answer of whatever tool sends it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

from servers.console.showing.revealing import as_text, revealed

_LINKS_MAX = 50
_FRAME = (
    '<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:"></head>'
    "<body>{}</body></html>"
)
_RECIPIENTS = ("to", "cc", "bcc")
_SENDER = ("from", "from_", "sender")


@dataclass(frozen=True)
class Link:
    """Where a link of the HTML leads, whatever it says."""

    says: Markup
    leads: Markup


@dataclass(frozen=True)
class Finding:
    """What was found in the mail, and what became of it."""

    severity: str
    where: Markup
    what: Markup
    before: Markup
    after: Markup


@dataclass(frozen=True)
class Mail:
    """A mail, ready for a page: all text is escaped.

    Attributes:
        recipients: Pairs of `To`, `Cc`, `Bcc` and the addresses.
        frame: A whole document for the `srcdoc` of a sandboxed frame: without links, and without leave to load
            anything. None if the mail has no HTML.
        links: Those that were taken out of it.
        attachments: Name, type and size, in words.
    """

    sender: Markup
    reply_to: Markup | None
    recipients: tuple[tuple[str, tuple[Markup, ...]], ...]
    subject: Markup
    text: Markup | None
    frame: str | None
    links: tuple[Link, ...]
    attachments: tuple[Markup, ...]
    findings: tuple[Finding, ...]


SHOWN = (*_RECIPIENTS, *_SENDER, "reply_to", "subject", "text", "html", "attachments", "findings")
"""The fields that a `Mail` shows."""


def mail_in(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of an answer that is a mail: it has a subject, recipients and a body; None if there is none."""
    inner = [cast("Mapping[str, Any]", one) for one in answer.values() if isinstance(one, Mapping)]
    for found in (answer, *inner):
        if "subject" in found and "to" in found and ("text" in found or "html" in found):
            return found
    return None


def mail(part: Mapping[str, Any]) -> Mail:
    """The mail of `mail_in`, for a page."""
    frame, links = _framed(part["html"]) if part.get("html") else (None, ())
    sender: Any = next((part[name] for name in _SENDER if part.get(name)), None)
    reply_to = part.get("reply_to") or (
        cast("Mapping[str, Any]", sender).get("reply_to") if isinstance(sender, Mapping) else None
    )
    return Mail(
        sender=revealed(_address(sender)),
        reply_to=revealed(_address(reply_to)) if reply_to else None,
        recipients=tuple(
            (name.capitalize(), tuple(revealed(_address(one)) for one in _listed(part[name])))
            for name in _RECIPIENTS
            if part.get(name)
        ),
        subject=revealed(as_text(part["subject"])),
        text=revealed(part["text"]) if part.get("text") else None,
        frame=frame,
        links=links,
        attachments=tuple(revealed(_attachment(one)) for one in _listed(part.get("attachments"))),
        findings=tuple(_findings(part.get("findings"))),
    )


def _framed(html: str) -> tuple[str, tuple[Link, ...]]:
    """The HTML without a link that leads anywhere, and where the links led."""
    tree = LexborHTMLParser(html)
    links: list[Link] = []
    for node in tree.css("a[href], area[href]"):
        target = node.attributes.get("href") or ""
        del node.attrs["href"]
        node.attrs["title"] = target
        links.append(Link(revealed(node.text(strip=True) or "(no text)"), revealed(target)))
    for node in tree.css("[src], [srcset], [poster], [background]"):  # the frame's policy forbids them, too
        if not (node.attributes.get("src") or "").startswith("data:image/"):
            node.replace_with(f"[{node.attributes.get('alt') or 'picture'}]")
    for node in tree.css("meta, base, link, script, iframe, object, embed, form"):
        node.decompose()
    body = tree.body.inner_html if tree.body else ""
    return _FRAME.replace("{}", body or ""), tuple(links[:_LINKS_MAX])


def _address(value: Any) -> str:
    if not isinstance(value, Mapping):
        return as_text(value)
    one = cast("Mapping[str, Any]", value)
    if one.get("shown"):
        return str(one["shown"])
    name, address = one.get("name"), one.get("address") or one.get("email")
    shown = f"{name} <{address}>" if name and address else str(name or address or "")
    customer = one.get("customer_id")
    return f"{shown} ({customer})" if customer and shown else shown or as_text(customer)


def _attachment(value: Any) -> str:
    if not isinstance(value, Mapping):
        return as_text(value)
    one = cast("Mapping[str, Any]", value)
    size = one.get("size")
    facts = [one.get("mime") or one.get("mime_type"), _size(size) if isinstance(size, int) else None, one.get("uri")]
    facts += ["confidential"] if one.get("confidential") else []
    more = ", ".join(str(fact) for fact in facts if fact)
    return f"{one.get('name') or one.get('uri')} ({more})" if more else as_text(one.get("name"))


def _size(octets: int) -> str:
    for unit, each in (("MB", 1_000_000), ("kB", 1000)):
        if octets >= each:
            return f"{octets / each:.1f} {unit}"
    return f"{octets} bytes"


def _findings(value: Any) -> Iterator[Finding]:
    for one in _listed(value):
        if isinstance(one, Mapping):
            found = cast("Mapping[str, Any]", one)
            said = {name: revealed(str(found.get(name) or "")) for name in ("where", "what", "before", "after")}
            yield Finding(severity=str(found.get("severity") or "info"), **said)
        else:
            yield Finding("info", Markup(""), revealed(as_text(one)), Markup(""), Markup(""))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]
