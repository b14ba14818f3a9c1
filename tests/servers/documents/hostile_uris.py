"""URIs as nobody should write them, and what becomes of each: read as a resource, and given to a tool.

Resources have one spelling, and everything else is missing. Tools are given URIs by models: what can only be meant one
way is taken, and turned into that spelling before policy, the ledger and the audit see it.
"""

import unicodedata
from collections.abc import Iterator

HERE = "doc://hostile/a/b.md"
"""Is there, in two versions, with a section `part`."""
UMLAUT = "doc://hostile/%C3%BCber.md"
KELVIN = "doc://hostile/K.md"
"""So are these."""

READ, MISSING = "read", "missing"
INVALID, NOT_FOUND = "invalid", "not_found"

_NFD = unicodedata.normalize("NFD", "ü")

TRAVERSALS = (
    *("..", ".", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%2e", "..;", "....//"),
    *("..%2f", "%2e%2e%2f", "..%5c", "..\\", "%5c..%5c", "..%00", "%00..", "..%0a", "..%09", "..%20", "%20.."),
    *("%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae", "%c0%af", "%ff%fe", "%", "%u002e%u002e", "%zz"),
    *("\uff0e\uff0e", "\uff0f", "\u2024\u2024", "\u2025", "\u2215", "\u2044", "\u29f8", "\u2216", "\ufe68"),
    *("%EF%BC%8E%EF%BC%8E", "%E2%88%95"),
)
"""Folders that might lead elsewhere, each before `handbook/index.md`, which is there in another collection."""

UNPRINTABLE = (
    *("\x00", "\x01", "\x02", "\t", "\n", "\r\n", "\x1b[2J", "\x7f", "\x85", "\xa0", "\xad", "\u061c"),
    *("\u200b", "\u200d", "\u200e", "\u202e", "\u2028", "\u2066", "\u2060", "\ufe0f", "\ufeff", "\ufffe"),
    *("\U000e0041", "\U000f0000", "\U0010ffff", "%00", "%01", "%02", "%0A", "%0D%0A", "%09", "%E2%80%AE"),
    *("%C2%A0", "%E2%80%8B", "%EF%BB%BF", "%F4%8F%BF%BF", "%ED%A0%80"),
)
"""Characters in the middle of a name."""

OTHERS: tuple[tuple[str, str, str], ...] = (
    (HERE, READ, READ),
    (UMLAUT, READ, READ),
    (KELVIN, READ, READ),
    # Other spellings of what is there.
    ("DOC://hostile/a/b.md", MISSING, READ),
    ("doc://HOSTILE/a/b.md", MISSING, INVALID),
    ("doc://hostile/A/B.MD", MISSING, NOT_FOUND),
    ("doc://hostile/%61/b.md", MISSING, READ),
    ("doc://hostile/a%2Fb.md", MISSING, INVALID),
    ("doc://hostile/a%2fb.md", MISSING, INVALID),
    ("doc://h%6fstile/a/b.md", MISSING, INVALID),
    ("doc://hostile/%c3%bcber.md", MISSING, READ),
    ("doc://hostile/über.md", MISSING, READ),
    (f"doc://hostile/{_NFD}ber.md", MISSING, READ),
    ("doc://hostile/u%CC%88ber.md", MISSING, READ),
    ("doc://hostile/%E2%84%AA.md", MISSING, READ),
    (f" {HERE}", MISSING, READ),
    (f"{HERE} ", MISSING, READ),
    (f"\n{HERE}\t", MISSING, READ),
    (f"{HERE}?", MISSING, READ),
    (f"{HERE}#", MISSING, READ),
    (f"{HERE}#part", MISSING, INVALID),
    (f"{HERE}%20", MISSING, INVALID),
    ("doc://hostile/a/%20b.md", MISSING, INVALID),
    ("doc://hostile/a /b.md", MISSING, INVALID),
    ("doc://hostile/a//b.md", MISSING, INVALID),
    ("doc://hostile//a/b.md", MISSING, INVALID),
    (f"{HERE}/", MISSING, INVALID),
    (f"{HERE}/.", MISSING, INVALID),
    (f"{HERE}/..", MISSING, INVALID),
    # Folders and collections are no documents.
    ("doc://hostile/a/", READ, INVALID),
    ("doc://hostile", READ, INVALID),
    ("doc://hostile/", MISSING, INVALID),
    ("doc://hostile/a", MISSING, NOT_FOUND),
    ("doc://nothing", MISSING, INVALID),
    # Other schemes and authorities.
    ("", MISSING, INVALID),
    ("doc:", MISSING, INVALID),
    ("doc://", MISSING, INVALID),
    ("doc:///a/b.md", MISSING, INVALID),
    ("doc:/hostile/a/b.md", MISSING, INVALID),
    ("doc:hostile/a/b.md", MISSING, INVALID),
    ("//hostile/a/b.md", MISSING, INVALID),
    ("hostile/a/b.md", MISSING, INVALID),
    ("/etc/passwd", MISSING, INVALID),
    ("file:///etc/passwd", MISSING, INVALID),
    ("file://hostile/a/b.md", MISSING, INVALID),
    ("http://hostile/a/b.md", MISSING, INVALID),
    ("https://169.254.169.254/latest/meta-data", MISSING, INVALID),
    ("doc+file://hostile/a/b.md", MISSING, INVALID),
    ("docs://hostile/a/b.md", MISSING, INVALID),
    ("customer://C-000001", MISSING, INVALID),
    ("javascript:alert(1)//hostile/a", MISSING, INVALID),
    ("doc://user@hostile/a/b.md", MISSING, INVALID),
    ("doc://user:secret@hostile/a/b.md", MISSING, INVALID),
    ("doc://@hostile/a/b.md", MISSING, INVALID),
    ("doc://hostile:80/a/b.md", MISSING, INVALID),
    ("doc://hostile:/a/b.md", MISSING, INVALID),
    ("doc://hostile./a/b.md", MISSING, INVALID),
    ("doc://-hostile/a/b.md", MISSING, INVALID),
    ("doc://hostile%00/a/b.md", MISSING, INVALID),
    ("doc://hostile\n/a/b.md", MISSING, INVALID),
    ("doc://höstile/a/b.md", MISSING, INVALID),
    ("doc://xn--hstile-8qa/a/b.md", MISSING, NOT_FOUND),
    ("doc://../a/b.md", MISSING, INVALID),
    ("doc://[::1]/a/b.md", MISSING, INVALID),
    ("doc://[::1/a/b.md", MISSING, INVALID),
    ("doc://hostile\\a\\b.md", MISSING, INVALID),
    (f"doc://{'h' * 64}/a.md", MISSING, NOT_FOUND),
    (f"doc://{'h' * 65}/a.md", MISSING, INVALID),
    # Parameters.
    (f"{HERE}?version=1", READ, READ),
    (f"{HERE}?version=001", MISSING, READ),
    (f"{HERE}?version=0", MISSING, NOT_FOUND),
    (f"{HERE}?version=-1", MISSING, INVALID),
    (f"{HERE}?version=+1", MISSING, INVALID),
    (f"{HERE}?version=1.0", MISSING, INVALID),
    (f"{HERE}?version=1e0", MISSING, INVALID),
    (f"{HERE}?version=0x1", MISSING, INVALID),
    (f"{HERE}?version=%D9%A1", MISSING, INVALID),
    (f"{HERE}?version=", MISSING, INVALID),
    (f"{HERE}?version", MISSING, INVALID),
    (f"{HERE}?version=3", MISSING, NOT_FOUND),
    (f"{HERE}?version=999999999", MISSING, NOT_FOUND),
    (f"{HERE}?version=2147483648", MISSING, INVALID),
    (f"{HERE}?version={'9' * 400}", MISSING, INVALID),
    (f"{HERE}?version=1&version=2", MISSING, INVALID),
    (f"{HERE}?version=1&version=1", MISSING, INVALID),
    (f"{HERE}?version=1;section=part", MISSING, INVALID),
    (f"{HERE}?version=1%26section=part", MISSING, INVALID),
    (f"{HERE}?Version=1", MISSING, INVALID),
    (f"{HERE}?tenant=globex", MISSING, INVALID),
    (f"{HERE}?version=1&tenant=globex", MISSING, INVALID),
    (f"{HERE}?if_none_match=*", MISSING, INVALID),
    (f"{HERE}?section=part", READ, READ),
    (f"{HERE}?section=part&offset=3", READ, READ),
    (f"{HERE}?offset=3&section=part", MISSING, READ),
    (f"{HERE}?section=", MISSING, NOT_FOUND),
    (f"{HERE}?section=PART", MISSING, NOT_FOUND),
    (f"{HERE}?section=%70art", MISSING, READ),
    (f"{HERE}?section=other", MISSING, NOT_FOUND),
    (f"{HERE}?section=%25", MISSING, NOT_FOUND),
    (f"{HERE}?section=_art", MISSING, NOT_FOUND),
    (f"{HERE}?section=part%00", MISSING, INVALID),
    (f"{HERE}?section=%C0%AF", MISSING, INVALID),
    (f"{HERE}?section=..%2F..%2Fpart", MISSING, NOT_FOUND),
    (f"{HERE}?section=part'%20OR%20'1'='1", MISSING, NOT_FOUND),
    (f"{HERE}?section={'p' * 401}", MISSING, NOT_FOUND),
    (f"{HERE}?offset=0", MISSING, READ),
    (f"{HERE}?offset=999999999", READ, READ),
    (f"{HERE}?offset=1000000000", MISSING, INVALID),
    (f"{HERE}?offset=-1", MISSING, INVALID),
    # What means something to LIKE, SQL, a shell or a template.
    ("doc://hostile/a/%25.md", MISSING, INVALID),
    ("doc://hostile/a/_.md", MISSING, NOT_FOUND),
    ("doc://hostile/a/%2A", MISSING, INVALID),
    ("doc://hostile/a/*", MISSING, INVALID),
    ("doc://hostile/a/b.md'--", MISSING, NOT_FOUND),
    ("doc://hostile/a/b.md';DROP TABLE documents.documents", MISSING, INVALID),
    ("doc://hostile/a/b.md' OR '1'='1", MISSING, INVALID),
    ("doc://hostile/a/$(id)", MISSING, INVALID),
    ("doc://hostile/a/`id`", MISSING, INVALID),
    ("doc://hostile/{path}", MISSING, INVALID),
    ("doc://hostile/.../a.md", MISSING, NOT_FOUND),
    ("doc://hostile/...%2e/a.md", MISSING, NOT_FOUND),
    ("doc://{collection}/{+path}", MISSING, INVALID),
    ("doc://hostile/~root/.ssh/id_rsa", MISSING, NOT_FOUND),
    # Sizes.
    (f"doc://hostile/{'a' * 512}", MISSING, NOT_FOUND),
    (f"doc://hostile/{'a' * 513}", MISSING, INVALID),
    (f"doc://hostile/{'a/' * 15}a", MISSING, NOT_FOUND),
    (f"doc://hostile/{'a/' * 16}a", MISSING, INVALID),
    (f"doc://hostile/{'%E2%84%AA' * 500}", MISSING, NOT_FOUND),
    (f"doc://hostile/{'a' * 100_000}", MISSING, INVALID),
    (f"{HERE}?section={'p' * 100_000}", MISSING, INVALID),
    (f"{HERE}{'?' * 8000}", MISSING, INVALID),
)


def rows() -> Iterator[tuple[str, str, str]]:
    """URI, what reading it as a resource comes to, and what a tool says."""
    for folder in TRAVERSALS:
        for uri in (f"doc://hostile/{folder}/handbook/index.md", f"doc://hostile/a/{folder}/b.md"):
            yield uri, MISSING, INVALID
    for odd in UNPRINTABLE:
        yield f"doc://hostile/a/b{odd}.md", MISSING, INVALID
    yield from OTHERS
