"""What the tests of mail safety share: a mail, its rules, and how another program reads what was built."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, cast

from selectolax.lexbor import LexborHTMLParser

from servers.mail.safety.composing import Attachment, Built, Outgoing
from servers.mail.safety.rules import Rules

RULES = Rules(
    own_domains=frozenset({"example.com"}),
    known_domains=frozenset({"northwind.example", "paypal.com"}),
    internal_names=frozenset({"Accounts Payable"}),
    image_hosts=frozenset({"images.example.com"}),
    denied_links=frozenset({"denied.example"}),
)
WHEN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SAFE_TAGS = frozenset(
    """
    a abbr address b big blockquote br caption center cite code col colgroup dd del div dl dt em figcaption figure
    font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot
    th thead tr tt u ul wbr html head body
    """.split()  # noqa: SIM905 - bare words
)


def mail(**changes: Any) -> Outgoing:
    """A harmless mail, with these fields instead."""
    given: dict[str, Any] = {
        "sender": "Support <support@example.com>",
        "to": ("Ada <ada@northwind.example>",),
        "subject": "Your order",
        "text": "It is on its way.\n",
        "message_id": "<m-1@example.com>",
        "date": WHEN,
    }
    return Outgoing(**(given | changes))


@dataclass(frozen=True)
class Received:
    """A message as another program reads it."""

    message: EmailMessage
    names: list[str]
    to: list[str]
    text: str
    html: str | None
    files: list[tuple[str, bytes]]


def received(wire: bytes) -> Received:
    """Read by the standard library's parser, from the bytes alone."""
    message = BytesParser(policy=policy.default).parsebytes(wire)
    assert not message.defects
    addresses = [_utf8(each.addr_spec) for name in ("To", "Cc") if message[name] for each in message[name].addresses]
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    files = [(str(part.get_filename()), part.get_payload(decode=True)) for part in message.iter_attachments()]
    return Received(
        message,
        [name.lower() for name in message.keys()],  # noqa: SIM118 - headers repeat
        addresses,
        _lines(plain),
        _lines(html) if html else None,
        cast("list[tuple[str, bytes]]", files),
    )


def _utf8(text: str) -> str:
    """Addresses beyond ASCII, which the parser of bytes leaves as it found them."""
    return text.encode(errors="surrogateescape").decode()


def _lines(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def dangers(html: str) -> list[str]:
    """What a browser would run, load or be led to in HTML, by an allow-list written apart from the sanitiser's."""
    found: list[str] = []
    root = LexborHTMLParser(html).root
    assert root
    for node in root.traverse(include_text=True):
        name = node.tag or ""
        if name.startswith("-"):
            found += ["comment"] if name == "-comment" else []
            continue
        found += [] if name in SAFE_TAGS else [name]
        for attribute, given in node.attributes.items():
            value = (given or "").strip().lower()
            if attribute.startswith("on") or attribute in {"srcset", "srcdoc", "action", "background", "id", "class"}:
                found.append(attribute)
            if attribute == "href" and not value.startswith(("https://", "mailto:")):
                found.append(f"href {value}")
            if attribute == "src" and not value.startswith(("https://images.example.com/", "data:image/")):
                found.append(f"src {value}")
            if attribute == "style" and any(each in value for each in ("url(", "expression", "position", "@", "\\")):
                found.append(f"style {value}")
    return found


def kinds(built: Built, severity: str | None = None) -> set[str]:
    return {found.kind for found in built.findings if severity in {None, found.severity}}


def file(name: str = "report.pdf", mime: str = "application/pdf", content: bytes = b"%PDF-1.7") -> Attachment:
    return Attachment(name, mime, content)
