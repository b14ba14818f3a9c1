"""Whom a mail is from and to: checked, each once, within what the tenant allows."""

from collections.abc import Iterable

from servers.mail.safety import limits
from servers.mail.safety.addresses import Address, checked_address
from servers.mail.safety.characters import has_break
from servers.mail.safety.findings import Finding, excerpt
from servers.mail.safety.lookalikes import in_address
from servers.mail.safety.messages import Outgoing, People
from servers.mail.safety.rules import Rules, covers
from shared.core.errors import Invalid


def people(message: Outgoing, rules: Rules, findings: list[Finding]) -> People:
    """Everybody of a mail. Whoever is refused is left out, and named in `findings`."""
    sender = _one(message.sender, "from", rules, findings)
    if sender and rules.own_domains and not covers(rules.own_domains, sender.domain):
        what = f"{sender.domain} is not a domain of the organisation. Use one of its sender identities."
        findings.append(Finding("foreign_sender", "block", "from", what, excerpt(sender.shown)))
    reply_to = _one(message.reply_to, "reply_to", rules, findings) if message.reply_to else None
    seen: dict[str, str] = {}
    to = _several(message.to, "to", rules, seen, findings)
    cc = _several(message.cc, "cc", rules, seen, findings)
    bcc = _several(message.bcc, "bcc", rules, seen, findings)
    if not seen:
        findings.append(Finding("no_recipient", "block", "to", "Nobody is left to send it to."))
    return People(sender, reply_to, to, cc, bcc)


def _several(
    given: Iterable[str | Address], where: str, rules: Rules, seen: dict[str, str], findings: list[Finding]
) -> tuple[Address, ...]:
    kept: list[Address] = []
    for each in given:
        if len(seen) >= limits.RECIPIENTS:
            what = f"More than {limits.RECIPIENTS} recipients. Send several mails, or a bulk mail."
            findings.append(Finding("too_many_recipients", "block", where, what))
            break
        address = _one(each, where, rules, findings)
        if address is None or not _may_receive(address, where, rules, findings):
            continue
        if address.key in seen:
            what = f"Somebody who is named twice gets it once, as in {seen[address.key]}."
            findings.append(Finding("duplicate", "info", where, what, excerpt(address.mailbox)))
            continue
        seen[address.key] = where
        kept.append(address)
    return tuple(kept)


def _one(given: str | Address, where: str, rules: Rules, findings: list[Finding]) -> Address | None:
    """The address, with a name that does not mislead."""
    try:
        address = checked_address(str(given), smtputf8=rules.smtputf8)
    except Invalid as error:
        kind = "header_injection" if has_break(str(given)) else "address"
        findings.append(Finding(kind, "block", where, error.message, excerpt(str(given))))
        return None
    address, found = in_address(address, where, rules)
    findings += found
    return address


def _may_receive(address: Address, where: str, rules: Rules, findings: list[Finding]) -> bool:
    denied = covers(rules.denied_domains, address.domain)
    if not denied and (not rules.allowed_domains or covers(rules.allowed_domains, address.domain)):
        return True
    what = f"Mail to {address.domain} is not allowed here. Take this recipient out."
    findings.append(Finding("domain_denied", "block", where, what, excerpt(address.domain)))
    return False
