"""Domains and names that look like others: after Unicode TS 39 (skeletons, mixed scripts), cut down to host names.

The table holds the letters that are drawn alike in common fonts. It is not the whole of the standard's data.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from unicodedata import combining, name, normalize

from servers.mail.safety.addresses import Address
from servers.mail.safety.findings import Finding, excerpt
from servers.mail.safety.rules import Rules, covers

_ALIKE = str.maketrans(
    # Cyrillic, Greek, Armenian, Latin letters beyond the alphabet, then digits and letters read as one another
    "авеёіїјкмнорсԛѕтухԝһԁӏгпαβγεηικνορτυχωօսհոցıłøđħŧɡɑɩ015|ßi",
    "abeelljkmhopcqstyxwhdlrnabyenlkvoptuxwouhngllodhtgalolslbl",
)
_TOGETHER = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "HEBREW", "ARABIC", "GEORGIAN")
_ADDRESS_IN_NAME = re.compile(r"[^\s<>@\"']{1,64}\s*(?:@|＠|\(at\)|\[at\])\s*[^\s<>@\"']{1,200}\.[^\s<>@\"']{2,}")
_LONG_ENOUGH = 6
"""Letters of a name for which one letter more or less is a likeness, and no other word."""

Likeness = Literal["same look", "one letter", "name within"]


@lru_cache(maxsize=8192)
def skeleton(text: str) -> str:
    """What is left of a text when everything that looks alike is made the same."""
    plain = "".join(char for char in normalize("NFKD", text.casefold()) if not combining(char))
    plain = plain.translate(_ALIKE)
    for pair, one in _TOGETHER:
        plain = plain.replace(pair, one)
    return plain


def scripts(text: str) -> set[str]:
    """The scripts of its letters that are confused with each other."""
    found = {name(char, "").partition(" ")[0] for char in text if char.isalpha()}
    return found & set(_SCRIPTS)


@dataclass(frozen=True)
class Known:
    """Known domains, in the forms in which a domain that looks like one of them is found without going through all.

    Attributes:
        domains: Themselves.
        looks: By their skeleton.
        brands: By the name that they are known by, if it is long enough.
        nearly: Those names without one letter each, with what they belong to.
    """

    domains: frozenset[str]
    looks: dict[str, str]
    brands: dict[str, str]
    nearly: dict[str, set[str]]


@lru_cache(maxsize=64)
def known_to(rules: Rules) -> Known:
    """The tenant's own domains and those it often writes to."""
    domains = sorted(rules.own_domains | rules.known_domains)
    brands = {_registered(each): each for each in domains if len(_registered(each)) >= _LONG_ENOUGH}
    nearly: dict[str, set[str]] = {}
    for brand in brands:
        for less in _without_one(skeleton(brand)):
            nearly.setdefault(less, set()).add(brand)
    return Known(frozenset(domains), {skeleton(each): each for each in domains}, brands, nearly)


def imitated(domain: str, unicode_domain: str, known: Known) -> tuple[str, Likeness] | None:
    """The domain that this one looks like without being it or below it, and how."""
    if covers(known.domains, domain):
        return None
    labels = skeleton(unicode_domain).split(".")
    for start in range(len(labels)):
        if other := known.looks.get(".".join(labels[start:])):
            return other, "same look"
    label = skeleton(_registered(unicode_domain))
    near = {brand for less in _without_one(label) for brand in known.nearly.get(less, ())}
    for brand in sorted(near):
        if _registered(unicode_domain) != brand and _one_apart(label, skeleton(brand)):
            return known.brands[brand], "one letter"
    within = [word for word in re.split(r"[.-]", unicode_domain) if word in known.brands]
    return (known.brands[within[0]], "name within") if within else None


def _without_one(text: str) -> set[str]:
    """The text, and the text without each of its letters in turn: what two texts a letter apart have in common."""
    return {text, *(text[:at] + text[at + 1 :] for at in range(len(text)))}


def in_address(address: Address, where: str, rules: Rules) -> tuple[Address, list[Finding]]:
    """The address with a name that does not mislead, and what was found in it."""
    findings = _in_domain(address, where, rules)
    if _ADDRESS_IN_NAME.search(normalize("NFKC", address.name)) or "@" in address.name:
        what = "The display name holds another address; it was taken out."
        findings.append(Finding("name_address", "warning", where, what, excerpt(address.name), address.mailbox))
        address = Address(address.local, address.domain)
    internal = {skeleton(each) for each in rules.internal_names}
    if address.name and skeleton(address.name) in internal and not covers(rules.own_domains, address.domain):
        what = "The display name is that of somebody of the own organisation; the address is not."
        findings.append(Finding("name_internal", "warning", where, what, excerpt(address.shown)))
    return address, findings


def _in_domain(address: Address, where: str, rules: Rules) -> list[Finding]:
    findings: list[Finding] = []
    domain, written = address.domain, address.unicode_domain
    if domain != written:
        what = f"The domain is written {domain} in full: make sure that it is the one that is meant."
        findings.append(Finding("punycode", "info", where, what, excerpt(written), domain))
    if any(len(scripts(label)) > 1 for label in written.split(".")):
        what = "The domain mixes letters of several scripts, as only imitations do. Use the real address."
        findings.append(Finding("mixed_scripts", "block", where, what, excerpt(written), domain))
    found = imitated(domain, written, known_to(rules))
    if found and found[1] == "same look":
        what = f"{domain} looks like {found[0]} and is another domain. Use the real address."
        findings.append(Finding("lookalike_domain", "block", where, what, excerpt(written), domain))
    elif found:
        what = f"{domain} resembles {found[0]}: make sure that it is meant."
        findings.append(Finding("lookalike_domain", "warning", where, what, excerpt(written), domain))
    return findings


def _registered(domain: str) -> str:
    """The label before the top level, which most names are known by."""
    labels = domain.split(".")
    return max(labels[:-1], key=len, default="")


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter more, less, changed, or two swapped, make the one the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    tails = one[at:], other[at:]
    return (
        tails[0][1:] == tails[1][1:]
        or tails[0][1:] == tails[1]
        or tails[0] == tails[1][1:]
        or (tails[0][:2] == tails[1][:2][::-1] and tails[0][2:] == tails[1][2:])
    )
