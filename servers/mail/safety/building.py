"""The MIME message (RFC 5322, 2045-2049), by the standard library's `EmailMessage`; and read back, to be sure of it.

Every text is sent as quoted-printable or base64, in neither of which the boundary (`=_…`) can stand: a boundary that
can be computed from the message id is therefore no way into the message.
"""

from email import policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import HeaderParser
from hashlib import sha256

from servers.mail.safety import encoding, headers, limits
from servers.mail.safety.findings import Finding
from servers.mail.safety.messages import Attachment, Content, Outgoing

_PARTS = {"content-type", "content-transfer-encoding"}


def mime(content: Content, message: Outgoing, findings: list[Finding]) -> bytes:
    """The message as it goes over the wire."""
    built = EmailMessage(policy=policy.SMTP)
    built["Date"] = message.date
    built.set_content(content.text, subtype="plain", charset="utf-8", cte=_encoding(content.text))
    if content.html is not None:
        built.add_alternative(content.html, subtype="html", charset="utf-8", cte=_encoding(content.html))
    for each in content.attachments:
        _attach(built, each)
    _bound(built, message.message_id)
    wire = _head(content) + built.as_bytes()
    if len(wire) > limits.MESSAGE:
        what = f"The message is larger than {limits.MESSAGE // 1024**2} MB. Attach less, or send a link."
        findings.append(Finding("too_large", "block", "message", what))
    _read_back(wire, content, findings)
    return wire


def _head(content: Content) -> bytes:
    """The headers that hold what a caller wrote; each value was checked to be one line before it is folded here."""
    who = content.people
    people = {"From": filter(None, [who.sender]), "To": who.to, "Cc": who.cc, "Reply-To": filter(None, [who.reply_to])}
    values = {name: encoding.people(addresses) for name, addresses in people.items()}
    values["Subject"] = encoding.words(headers.check_header("Subject", content.subject))
    values |= {name: headers.check_header(name, value) for name, value in content.headers.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in values.items() if value).encode()


def _encoding(text: str) -> str:
    """Quoted-printable where it stays readable."""
    beyond = sum(not char.isascii() for char in text)
    return "base64" if beyond * 5 > len(text) else "quoted-printable"


def _attach(built: EmailMessage, file: Attachment) -> None:
    kind, _, sub = file.mime.partition("/")
    built.add_attachment(file.content, maintype=kind, subtype=sub, filename=file.name, cte="base64")


def _bound(built: EmailMessage, seed: str) -> None:
    """Boundaries that are the same each time the same message is built."""
    for number, part in enumerate(part for part in built.walk() if part.is_multipart()):
        part.set_boundary(f"=_{sha256(f'{number} {seed}'.encode()).hexdigest()[:40]}")


def _read_back(wire: bytes, content: Content, findings: list[Finding]) -> None:
    """Whether another program would read of it what we meant: no header more, nobody more, the same subject."""
    head = wire.partition(b"\r\n\r\n")[0].decode()
    read = HeaderParser(policy=policy.SMTPUTF8).parsestr(head, headersonly=True)
    names = [name.lower() for name in read.keys()]  # noqa: SIM118 - a message's headers repeat
    who = content.people
    meant = {"from": [who.sender], "to": who.to, "cc": who.cc, "reply-to": [who.reply_to]}
    same = all(
        _read_addresses(read.get(name)) == [each.mailbox for each in all_ if each] for name, all_ in meant.items()
    )
    allowed = {name.lower() for name in headers.ALLOWED} | _PARTS
    if (
        len(set(names)) != len(names)
        or not set(names) <= allowed
        or not same
        or (read["Subject"] or "") != content.subject
    ):
        what = "It would be read otherwise than it was written. Use plainer names and a plainer subject."
        findings.append(Finding("unfaithful", "block", "message", what))


def _read_addresses(header: object) -> list[str]:
    return [each.addr_spec for each in header.addresses] if isinstance(header, AddressHeader) else []
