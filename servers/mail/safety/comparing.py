"""Whether the plain text and the HTML of a mail say the same: whoever approves the one must not send the other."""

import re

from selectolax.lexbor import LexborHTMLParser

from servers.mail.safety.findings import Finding, excerpt
from servers.mail.safety.hosts import target

_WORD = re.compile(r"[^\W\d_]{4,}")
_NUMBER = re.compile(r"\d[\d.,\u00a0']*\d|\d")
_URL = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_ALIKE = 0.6
"""The least part of the words, of the longer of both, that both have in common."""
_ATTRIBUTES = ("href", "src", "alt", "title", "summary")


def differences(text: str, words: str) -> list[Finding]:
    """What is to be said of a text beside the words of the HTML: other words, other numbers, other hosts."""
    findings: list[Finding] = []
    one, other = set(_WORD.findall(text.casefold())), set(_WORD.findall(words.casefold()))
    longer = max(len(one), len(other))
    if longer and len(one & other) / longer < _ALIKE:
        what = "The plain text and the HTML say different things. Leave the text out, and it is made of the HTML."
        findings.append(
            Finding(
                "text_differs",
                "warning",
                "text",
                what,
                excerpt(" ".join(text.split())),
                excerpt(" ".join(words.split())),
            )
        )
    numbers = _numbers(text) ^ _numbers(words)
    if numbers:
        what = "The plain text and the HTML name different numbers. Make sure which are meant."
        findings.append(Finding("numbers_differ", "warning", "text", what, excerpt(", ".join(sorted(numbers)[:5]))))
    hosts = _hosts(text) - _hosts(words)
    if hosts:
        what = "The plain text leads to hosts that the HTML does not. Make sure that they are meant."
        findings.append(Finding("links_differ", "warning", "text", what, excerpt(", ".join(sorted(hosts)[:5]))))
    return findings


def attributes(html: str) -> str:
    """What HTML holds beside its words, a line each: addresses and descriptions."""
    nodes = LexborHTMLParser(html).css("a,img,table,*[title]")
    return "\n".join(value for node in nodes for name in _ATTRIBUTES if (value := node.attributes.get(name)))


def _numbers(text: str) -> set[str]:
    plain = _URL.sub(" ", text)
    return {digits for found in _NUMBER.findall(plain) if len(digits := re.sub(r"\D", "", found)) > 1}


def _hosts(text: str) -> set[str]:
    found = (target(each.rstrip(".,;:!?)]}>")) for each in _URL.findall(text))
    return {each.host for each in found if each and each.host}
