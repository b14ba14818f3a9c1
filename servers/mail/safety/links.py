"""Links: https and mailto, to where their words say. What else there is, is taken out and named."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

import idna

from servers.mail.safety import secrets
from servers.mail.safety.addresses import checked_address
from servers.mail.safety.characters import has_break
from servers.mail.safety.findings import Finding, excerpt
from servers.mail.safety.hosts import Target, ascii_host, target
from servers.mail.safety.lookalikes import imitated, known_to, scripts
from servers.mail.safety.rules import Rules, covers
from shared.core.errors import Invalid

_LONGEST = 2000
_RUNS = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript|data|file|blob)\s*:", re.IGNORECASE)
_TRACKING = re.compile(
    r"utm_\w+|gclid|fbclid|msclkid|dclid|yclid|mc_[ce]id|_hs(?:enc|mi)|mkt_tok|igshid|vero_id", re.IGNORECASE
)
_UNREADABLE = ("broken_link", "that programs read differently")
_MAILTO_FIELDS = {"subject", "body"}
_URL_IN_TEXT = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'`]{1,2000}|\bjavascript:[^\s<>\"]{1,200}", re.IGNORECASE)
_SHOWN_HOST = re.compile(
    r"(?:(?P<scheme>[a-z]{2,10})://(?:[^\s/@]*@)?|www\.)?(?P<host>[^\s/:?#@<>()\"',]+\.[^\W\d_]{2,24})(?=[\s/:?#)>,.]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a link: `url` is None if it is taken out."""

    url: str | None
    findings: tuple[Finding, ...]


def judge(url: str, where: str, rules: Rules) -> Judged:
    """Whether a link may stay, and what is to be said of it."""
    if _RUNS.match(unquote(url)):
        return _out("script_link", where, "A link that runs or holds a program was taken out.", url)
    found = target(url) if len(url) <= _LONGEST else None
    if found is not None and found.scheme == "mailto":
        return _mailto(found, where)
    reason = _unfit(found)
    if found is None or reason:
        kind, what = reason or _UNREADABLE
        return _out(kind, where, f"A link {what} was taken out.", url)
    return _by_host(found, where, rules)


def _unfit(found: Target | None) -> tuple[str, str] | None:
    """The kind of finding and the words for a link that no rule of a tenant could allow."""
    if found is None:
        return _UNREADABLE
    unfit = (
        (found.scheme != "https", "link_scheme", "that is neither https nor mailto"),
        (found.credentials, "link_credentials", "with a user name before its host"),
        (found.numeric, "link_ip", "to a bare IP address"),
        ("." not in found.host, "broken_link", "without a full host name"),
    )
    return next(((kind, what) for true, kind, what in unfit if true), None)


def in_text(text: str, where: str, rules: Rules) -> list[Finding]:
    """What is to be said of addresses in plain text, which programs make links of. Nothing is changed."""
    findings: list[Finding] = []
    urls = dict.fromkeys(found[0].rstrip(".,;:!?)]}") for found in _URL_IN_TEXT.finditer(text))
    for url in urls:
        judged = judge(url, where, rules)
        if judged.url is not None or any(each.severity == "block" for each in judged.findings):
            findings += judged.findings
            continue
        what = "An address in the text would be taken out if it were a link; make sure that it is meant."
        findings += [Finding(each.kind, "warning", where, what, each.before) for each in judged.findings]
    return findings


def misleading(words: str, url: str, where: str) -> list[Finding]:
    """What is to be said of a link whose words name another host, or another address, than it leads to."""
    found = target(url)
    shown = _SHOWN_HOST.search(words[:500])
    if found is None or shown is None:
        return []
    said = ascii_host(shown["host"])
    path = found.parts.path
    leads = path.rpartition("@")[2].lower() if found.scheme == "mailto" else found.host
    if not said or said == leads or covers({said.removeprefix("www.")}, leads):
        return []
    what = f"A link says {said} and leads to {leads}. Make its words say where it leads."
    return [Finding("link_text", "warning", where, what, excerpt(_bare(words)), excerpt(_bare(url)))]


def _out(kind: str, where: str, what: str, url: str) -> Judged:
    return Judged(None, (Finding(kind, "warning", where, what, excerpt(_bare(url))),))


def _bare(url: str) -> str:
    return _bare_of(url[:_LONGEST])


@lru_cache(maxsize=256)
def _bare_of(url: str) -> str:
    """The URL without what may be a secret: a password, values of its query, or what looks like a key."""
    bare = re.sub(r"(?<==)[^&#]{12,}", "…", re.sub(r"(?<=//)[^/@]*@", "…@", url))
    return bare if not secrets.in_text(bare, "") else re.sub(r"(?<=[^/:]/).*", "…", bare, flags=re.DOTALL)


def _by_host(found: Target, where: str, rules: Rules) -> Judged:
    host, url = found.host, found.url
    if covers(rules.denied_links, host):
        what = f"Links to {host} are not allowed here. Remove it."
        return Judged(None, (Finding("link_denied", "block", where, what, excerpt(_bare(url))),))
    if rules.allowed_links and not covers(rules.allowed_links, host):
        return _out("link_not_allowed", where, f"A link to {host}, which is not on the list, was taken out.", url)
    try:
        written = idna.decode(host)
    except idna.IDNAError:
        return _out("broken_link", where, "A link with an impossible host name was taken out.", url)
    if any(len(scripts(label)) > 1 for label in written.split(".")):
        return _out("link_lookalike", where, f"A link to {host}, which mixes scripts, was taken out.", url)
    like = imitated(host, written, known_to(rules))
    if like and like[1] == "same look":
        return _out("link_lookalike", where, f"A link to {host}, which looks like {like[0]}, was taken out.", url)
    findings = list(_noted(found, where))
    if like:
        what = f"A link leads to {host}, which resembles {like[0]}: make sure that it is meant."
        findings.append(Finding("link_lookalike", "warning", where, what, excerpt(_bare(url))))
    if written != host:
        findings.append(Finding("punycode", "info", where, f"A link leads to {host}.", excerpt(written), host))
    return Judged(_plain(found), tuple(findings))


def _plain(found: Target) -> str:
    """The URL with its host in ASCII, so that it is shown as what it is."""
    port = f":{found.parts.port}" if found.parts.port else ""
    return found.parts._replace(scheme="https", netloc=f"{found.host}{port}").geturl()


def _noted(found: Target, where: str) -> list[Finding]:
    findings: list[Finding] = []
    given = parse_qsl(found.parts.query, keep_blank_values=True, max_num_fields=None)[:200]
    tracking = [name for name, _ in given if _TRACKING.fullmatch(name)]
    if tracking:
        what = "Links carry parameters that follow the reader."
        findings.append(Finding("link_tracking", "info", where, what, excerpt(", ".join(tracking)), "", len(tracking)))
    for _, value in given:
        onward = target(value) if "://" in value else target(f"https:{value}") if value.startswith("//") else None
        if onward and onward.host and onward.host != found.host:
            what = f"A link to {found.host} sends the reader on to {onward.host}. Link there directly."
            findings.append(Finding("link_redirects", "warning", where, what, excerpt(_bare(found.url))))
            break
    return findings


def _mailto(found: Target, where: str) -> Judged:
    query = parse_qsl(found.parts.query, keep_blank_values=True)
    out = _out(
        "broken_link", where, "A mailto link with more than an address, subject and body was taken out.", found.url
    )
    if any(name.lower() not in _MAILTO_FIELDS for name, _ in query):
        return out
    if has_break(unquote(found.parts.path)) or any(has_break(each) for name, each in query if name.lower() != "body"):
        return out
    try:
        checked_address(unquote(found.parts.path))
    except Invalid:
        return out
    return Judged(found.url, ())
