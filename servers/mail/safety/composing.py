"""One mail, made safe and built: `compose` is the whole of it, in the order in which a person would look.

Nothing here raises for what a caller wrote. What must not go is named by a finding that blocks, and left out of what
is built, so that everything wrong is told at once and a preview can show what is left. `findings.refuse` raises.
"""

from dataclasses import replace
from hashlib import sha256

from servers.mail.safety import attachments, comparing, headers, limits, personal, secrets
from servers.mail.safety.building import mime
from servers.mail.safety.characters import legible
from servers.mail.safety.findings import Finding, excerpt, merged
from servers.mail.safety.html import SafeHtml, safe_html
from servers.mail.safety.links import in_text
from servers.mail.safety.messages import Attached, Attachment, Built, Content, Envelope, Outgoing
from servers.mail.safety.recipients import people
from servers.mail.safety.rules import Rules
from shared.core.errors import Invalid

__all__ = ["Attached", "Attachment", "Built", "Envelope", "Outgoing", "compose"]

_KEPT_BACK = {"secret", "card", "iban", "national_id"}
_MASKED = {*_KEPT_BACK, "phone"}
_NO_RULES = Rules()
_HTML_LEFT_OUT = SafeHtml(None, "", ())


def compose(message: Outgoing, rules: Rules = _NO_RULES) -> Built:
    """The mail as it will go, and all that was found in it. The same input gives the same bytes."""
    findings: list[Finding] = []
    who = people(message, rules, findings)
    subject, found = headers.safe_subject(message.subject)
    findings += found
    if not subject:
        findings.append(Finding("no_subject", "warning", "subject", "It has no subject: readers take such for spam."))
    shown = safe_html(message.html, rules) if message.html else _HTML_LEFT_OUT
    findings += shown.findings
    text = _text(message.text, shown, rules, findings)
    files = _attachments(message.attachments, findings)
    _scan(subject, text, shown, files, rules, findings)
    content = Content(who, subject, text, shown.html, tuple(files.values()), _more_headers(message, findings))
    wire = mime(content, message, findings)
    return _built(content, wire, findings)


def _without_excerpts(findings: list[Finding]) -> list[Finding]:
    """No excerpt from where a secret or a personal number stands: it could be in it. Masked ones stay."""
    held = {found.where for found in findings if found.kind in _KEPT_BACK}
    held |= {"text", "html"} if held & {"text", "html"} else set()
    return [
        replace(found, before="", after="") if found.where in held and found.kind not in _MASKED else found
        for found in findings
    ]


def _built(content: Content, wire: bytes, findings: list[Finding]) -> Built:
    who = content.people
    envelope = Envelope(who.sender.mailbox if who.sender else "", who.recipients, smtputf8=who.beyond_ascii)
    told = "\0".join((envelope.sender, *envelope.recipients)).encode()
    digest = sha256(wire).hexdigest()
    return Built(
        mime=wire,
        digest=digest,
        payload=sha256(sha256(told).digest() + wire).hexdigest(),
        envelope=envelope,
        sender=who.sender,
        to=who.to,
        cc=who.cc,
        bcc=who.bcc,
        reply_to=who.reply_to,
        subject=content.subject,
        text=content.text,
        html=content.html,
        attachments=tuple(
            Attached(each.name, each.mime, len(each.content), sha256(each.content).hexdigest())
            for each in content.attachments
        ),
        findings=merged(_without_excerpts(findings)),
    )


def _text(given: str | None, shown: SafeHtml, rules: Rules, findings: list[Finding]) -> str:
    """The plain text: as given, or made of the HTML."""
    if not (given or "").strip():
        if shown.html:
            findings.append(Finding("text_derived", "info", "text", "The plain text was made of the HTML."))
        else:
            findings.append(Finding("empty", "block", "text", "The mail says nothing. Give a text or HTML."))
        return shown.words or "\n"
    text = given or ""
    if len(text.encode(errors="replace")) > limits.TEXT:
        what = f"The text is larger than {limits.TEXT // 1024} KB. Shorten it, or attach it."
        findings.append(Finding("too_large", "block", "text", what))
        text = text[:1000]
    text, found = legible(text, "text")
    text = text.strip("\n") + "\n"
    findings += [*found, *in_text(text, "text", rules)]
    if shown.html:
        findings += comparing.differences(text, shown.words)
    return text


def _attachments(given: tuple[Attachment, ...], findings: list[Finding]) -> dict[str, Attachment]:
    """The attachments under safe names and types, by where they stand; too many or too large ones are left out."""
    safe: dict[str, Attachment] = {}
    size = 0
    for number, each in enumerate(given, start=1):
        where = f"attachment {number}"
        size += len(each.content)
        if number > limits.ATTACHMENTS or size * 4 // 3 > limits.MESSAGE:
            what = f"More than {limits.ATTACHMENTS} attachments, or more than fits {limits.MESSAGE // 1024**2} MB."
            findings.append(Finding("too_large", "block", "message", f"{what} Send fewer, or a link."))
            break
        name, found = attachments.safe_name(each.name, where)
        kind, more = attachments.safe_type(each.mime, where)
        about = attachments.judged(name, kind, each.content, where)
        findings += [*found, *more, *about]
        if not any(one.severity == "block" for one in about):
            safe[where] = Attachment(_unlike(name, list(safe.values())), kind, each.content)
    return safe


def _unlike(name: str, others: list[Attachment]) -> str:
    """The name, numbered if another attachment has it."""
    taken = {each.name.casefold() for each in others}
    stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
    numbered = (f"{stem or extension}-{number}{dot}{extension if stem else ''}" for number in range(2, len(others) + 3))
    return name if name.casefold() not in taken else next(each for each in numbered if each.casefold() not in taken)


def _scan(
    subject: str, text: str, shown: SafeHtml, files: dict[str, Attachment], rules: Rules, findings: list[Finding]
) -> None:
    """Secrets and personal data, wherever they are written."""
    pieces = [("subject", subject), ("text", text)]
    if shown.html:
        pieces.append(("html", f"{shown.words}\n{comparing.attributes(shown.html)}"))
    left = limits.SCANNED
    for where, each in files.items():
        words = attachments.readable(each.name, each.mime, each.content) or ""
        pieces.append((where, f"{each.name}\n{words[:left]}"))
        if len(words) > left or (words and len(each.content) > limits.SCANNED):
            what = "Only the beginning was searched for secrets and personal numbers: it is a lot of text."
            findings.append(Finding("not_scanned", "warning", where, what))
        left = max(0, left - len(words))
    for where, words in pieces:
        findings += secrets.in_text(words, where)
        findings += personal.in_text(words, where, rules.regions)


def _more_headers(message: Outgoing, findings: list[Finding]) -> dict[str, str]:
    """The headers of automatic and of bulk mail, and the message id."""
    more: dict[str, str] = {}
    try:
        more["Message-ID"] = headers.message_id(message.message_id)
        more |= headers.unsubscribe(message.unsubscribe) if message.unsubscribe else {}
    except Invalid as error:
        findings.append(Finding("header", "block", "message", error.message, excerpt(message.unsubscribe or "")))
    if message.automatic:
        more["Auto-Submitted"] = "auto-generated"
    return more
