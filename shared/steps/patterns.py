"""What must never stand in free text, and how it is masked.

Every expression is linear in the text: a repeat is either bounded, or possessive with nothing required after
it, so that each starting point costs a constant or consumes what it read. A test reads the compiled
expressions and holds them to this.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

_ROUNDS = 4
"""A mask may join its neighbours into something new, so text is read until nothing changes, this often at most."""

_GAP = r"[ \t.\-\u00a0\u00ad\u2000-\u2015\u202f\u2060\ufeff]"
_KEEP = re.compile(
    r"(?<![0-9A-Za-z-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z-])"  # UUID
    r"|(?<![0-9A-Za-z])(?=[0-9]{0,40}[a-f])[0-9a-f]{24,128}+(?![0-9A-Za-z])"  # digest
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)"  # ISO 8601 date
    r"|(?<![\d.])[0-3]?\d(?P<mark>[./-])[01]?\d(?P=mark)(?:19|20)\d\d(?!\d)"  # date as people write it
)
"""Ids and dates that only look like a number we hide; nothing that begins inside one is hidden."""

_DIGIT = re.compile(r"\d")

_SUSPICIOUS = re.compile(r"[\d@/\\=:_]|-----B|AKIA|ASIA|eyJ|(?i:bearer)")
"""Text without any of these holds nothing that the patterns find; most names and words end here."""

_KEY_LENGTH = 15
_FEW_DIGITS = 7
_MARKED = re.compile(r"[@/\\=:]|eyJ|gh[pousr]_|npm_|whsec_")

_IBAN_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK|FI|FO|GL|NL|SD",
    19: "MK|SI",
    20: "AT|BA|EE|KZ|LT|LU|MN|XK",
    21: "CH|HR|LI|LV",
    22: "BG|BH|CR|DE|GB|GE|IE|ME|RS|VA",
    23: "AE|GI|IL|IQ|OM|SO|TL",
    24: "AD|CZ|ES|MD|PK|RO|SA|SE|SK|TN|VG",
    25: "LY|PT|ST",
    26: "IS|TR",
    27: "BI|DJ|FR|GR|IT|MC|MR|SM",
    28: "AL|AZ|BY|CY|DO|GT|HU|LB|NI|PL|SV",
    29: "BR|EG|PS|QA|UA",
    30: "JO|KW|MU|YE",
    31: "MT|SC",
    32: "LC",
    33: "RU",
}
"""Countries by the length of their IBAN (SWIFT IBAN registry)."""

_IBANS = (rf"(?i:{countries})\d\d(?:{_GAP}?[0-9A-Za-z]){{{length - 4}}}" for length, countries in _IBAN_LENGTHS.items())
_IBAN = rf"(?=[A-Za-z]{{2}}\d\d)(?:{'|'.join(_IBANS)})"


def mask_all(text: str) -> str:  # noqa: ARG001 - a mask takes the text it hides
    """`[hidden]`, whatever it was."""
    return "[hidden]"


def mask_email(text: str) -> str:
    """`j***@example.com`; all of it is hidden when it is no address."""
    local, _, domain = text.rpartition("@")
    if not local or not re.fullmatch(r"[\w.-]{1,253}", domain):
        return mask_all(text)
    return f"{local[0]}***@{domain}"


def mask_phone(text: str) -> str:
    """`+49 *** 42`: the country, where it is written, and the last two digits."""
    if re.fullmatch(r"(?:\+\d{1,3} )?\*\*\* \d\d", text):
        return text
    digits = re.findall(r"\d", text)
    if len(digits) < 6:  # noqa: PLR2004 - two of fewer would show too much
        return mask_all(text)
    return f"{_country(text)}*** {''.join(digits[-2:])}"


def _country(phone: str) -> str:
    """`+49 `, or nothing. One-digit zones are those of ITU-T E.164: 1 and 7."""
    found = re.match(r"\s{0,8}\+(?:([17])|(\d{1,3})(?=[ ().-])|(\d\d))", phone)
    return f"+{found[found.lastindex or 0]} " if found else ""


def is_iban(text: str) -> bool:
    """ISO 13616: the remainder by 97 is 1; `text` has no separators."""
    moved = text[4:] + text[:4]
    return moved.isascii() and int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def is_german_tax_id(number: str) -> bool:
    """§ 139b AO: exactly one of the first ten digits occurs two or three times; ISO 7064 MOD 11,10 at the end."""
    repeated = [number[:10].count(digit) for digit in set(number[:10]) if number[:10].count(digit) > 1]
    if number[0] == "0" or repeated not in ([2], [3]):
        return False
    product = 10
    for digit in number[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(number[10])


def is_spanish_id(text: str) -> bool:
    """DNI or NIE: the letter is the number's remainder by 23; `text` has no separators."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def _cards(found: re.Match[str]) -> str:
    """The run of digits with each card in it masked; a card starts and ends with a group of digits."""
    run, pieces, shown = found[0], list[str](), 0
    for group in re.finditer(r"\d+", run):
        end = card_end(run, group.start()) if group.start() >= shown else None
        if end is not None:
            pieces += run[shown : group.start()], "[card]"
            shown = end
    return "".join(pieces) + run[shown:]


_CARD_DIGITS = range(13, 20)
_CARD_STARTS = re.compile(r"[3-6]|2[2-7]")


def card_end(run: str, start: int) -> int | None:
    """Where the longest payment card that begins at `start` ends: 13 to 19 digits that pass Luhn's check.

    ISO/IEC 7812-1; the leading digits are those that payment cards use.
    """
    plain = doubled = 0
    number, end = "", None
    for place in range(start, len(run)):
        if not run[place].isdecimal():
            continue
        digit = int(run[place])
        number += str(digit)
        if len(number) == 2 and not _CARD_STARTS.match(number):  # noqa: PLR2004 - known by then
            return None
        plain, doubled = doubled + digit, plain + sum(divmod(2 * digit, 10))
        if len(number) >= _CARD_DIGITS.stop:
            break
        if len(number) in _CARD_DIGITS and plain % 10 == 0 and not run[place + 1 : place + 2].isdecimal():
            end = place + 1
    return end


def _if(check: Callable[[str], bool], mask: str) -> Callable[[re.Match[str]], str | None]:
    def replace(found: re.Match[str]) -> str | None:
        return mask if check("".join(filter(str.isalnum, found[0]))) else None

    return replace


@dataclass(frozen=True)
class Pattern:
    """One kind of thing that is hidden.

    Attributes:
        name: What the audit record calls it.
        replace: What stands there instead; None if it is not what it looked like.
        needs: Text without this holds none.
        digits: Text with fewer digits holds none. Where it is set, ids and dates are passed over.
        contact: Shown to callers who hold the server's `pii` scope; the rest is shown to nobody.
    """

    name: str
    regex: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]
    needs: str = ""
    digits: int = 0
    contact: bool = False

    def mask(self, text: str) -> str:
        kept = _passed_over(text) if self.digits else []
        pieces: list[str] = []
        shown = start = 0
        while (found := self.regex.search(text, start)) is not None:
            end = _end_of_kept(kept, found.start())
            instead = None if end else self.replace(found)
            if instead is None:
                start = end or found.start() + 1
                continue
            pieces += text[shown : found.start()], instead
            shown = start = found.end()
        return "".join(pieces) + text[shown:] if pieces else text


@lru_cache(maxsize=1)
def _passed_over(text: str) -> list[tuple[int, int]]:
    """Where each id and date in `text` begins and ends; the same text is asked for by each pattern."""
    return [found.span() for found in _KEEP.finditer(text)]


def _end_of_kept(kept: list[tuple[int, int]], place: int) -> int:
    """Where the id or date around `place` ends; 0 if there is none."""
    index = bisect_right(kept, place, key=itemgetter(0)) - 1
    return kept[index][1] if index >= 0 and kept[index][1] > place else 0


def _secret(found: re.Match[str]) -> str:
    """What introduces the secret stays, so that a reader knows what was there."""
    return f"{found.groupdict().get('label') or ''}[secret]"


_SECRETS = {
    # PEM; JWS and JWE (RFC 7515, 7516); AWS, Stripe, GitHub, npm; OpenAI, Slack, GitLab, Google
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
    r"(?:(?!-----END)[\s\S])*+(?:-----END[^-]{0,60}-----)?": "-----BEGIN",
    r"eyJ[\w-]{8,400}+\.[\w.-]*+": "eyJ",
    r"(?<![0-9A-Za-z])A(?:KIA|SIA|ROA|IDA)[A-Z0-9]{16}(?![0-9A-Za-z])": "A",
    r"(?<![0-9A-Za-z])(?:[sr]k_(?:live|test)|whsec|gh[pousr]|github_pat|npm)_\w{8,}+": "_",
    r"(?<![0-9A-Za-z])(?:sk-|xox[abeprs]-|glpat-|AIza)[\w-]{16,}+": "",
    r"(?P<label>(?i:authorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?i:basic|bearer|digest)\s{1,4})[^\s\"',;]++": "",
    r"(?P<label>\b(?i:bearer)\s{1,4})(?=[A-Za-z._~+/=-]{0,64}\d)[\w.~+/=-]{8,}+": "",
    r"(?P<label>(?i:passw(?:or[dt]|d)|passphrase|pwd|secret|token|api[_-]?key|(?:access|private)[_-]?key)"
    r"[\"']?\s{0,4}[:=]\s{0,4})(?!\[secret\])(?:\"[^\"\n]++\"?|'[^'\n]++'?|[^\s\"',;&]++)": "",
    r"(?P<label>://)[^\s/:@]{0,64}+:[^\s/@]{1,256}+(?=@)": "://",
}
"""Expressions for keys and tokens, each with what text must hold to be worth the search."""

_PATHS = (
    r"\bfile:///?[^\s\"'<>|]++",
    r"(?<![\w.~%/-])/(?:home|var|etc|usr|opt|root|tmp|srv|mnt|proc|private|Users|app)/[^\s\"'<>|)]*+",
    r"(?<![0-9A-Za-z])[A-Za-z]:\\(?:[^\\/:*?\"<>|\r\n]{1,128}+\\){0,32}+[^\s\\/:*?\"<>|]*+",
    r"(?<![\\\w])\\\\[\w.-]{1,64}+\\[^\s\"'<>|]*+",
)
_PHONES = (
    r"(?<![\w+])\+[1-9](?:[ \u00a0./()-]{0,3}\d){7,14}(?!\d)",
    r"(?<!\w)00[1-9]\d{0,2}[ -](?:[ \u00a0./()-]{0,2}\d){6,12}(?!\d)",
    r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}(?![\w-])",  # North America
    r"\(0[1-9]\d{0,4}\)(?:[ \u00a0/-]{0,3}\d){5,10}(?![\w-])",  # with the trunk zero
    r"(?<![\w.,+-])0[1-9](?:[ \u00a0/()-]{0,3}\d){7,10}(?![\w-])",
)


_EMAIL = r"[\w.+%'-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}[^\W\d_]{2,24}"
_NATIONAL_IDS: dict[str, Callable[[str], bool]] = {
    r"(?!000|666|9)\d{3}(?P<dash>[- ])(?!00)\d\d(?P=dash)(?!0000)\d{4}": lambda _: True,  # US social security
    r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}": is_german_tax_id,
    r"[0-9XYZ]\d{7}[- ]?[A-HJ-NP-TV-Z]": is_spanish_id,
}

PATTERNS = (
    *(Pattern("secret", re.compile(source), _secret, needs) for source, needs in _SECRETS.items()),
    Pattern("path", re.compile("|".join(_PATHS)), lambda _: "[path]"),
    Pattern("iban", re.compile(_IBAN), _if(is_iban, "[iban]"), digits=6),
    Pattern("card", re.compile(rf"(?<!\d)\d(?:{_GAP}{{0,2}}\d){{12,}}+"), _cards, digits=13),
    *(
        Pattern("national_id", re.compile(rf"(?<![\w-]){source}(?![\w-])"), _if(check, "[national-id]"), digits=7)
        for source, check in _NATIONAL_IDS.items()
    ),
    Pattern("email", re.compile(_EMAIL), lambda found: mask_email(found[0]), needs="@", contact=True),
    Pattern("phone", re.compile("|".join(_PHONES)), lambda found: mask_phone(found[0]), digits=8, contact=True),
)


def _short_and_plain(text: str) -> bool:
    """Ids, house numbers and postal codes: too short for a key, too few digits for a number, no mark of the rest."""
    return len(text) < _KEY_LENGTH and _MARKED.search(text) is None and len(_DIGIT.findall(text)) < _FEW_DIGITS


def mask_text(text: str, *, contact: bool) -> tuple[str, tuple[str, ...]]:
    """`text` with all of it masked, and the names of what was; e-mail and telephone only with `contact`."""
    if _SUSPICIOUS.search(text) is None or _short_and_plain(text):
        return text, ()
    names: dict[str, None] = {}
    for _ in range(_ROUNDS):
        before = text
        digits = len(_DIGIT.findall(text))
        for pattern in PATTERNS:
            if pattern.needs in text and pattern.digits <= digits and pattern.contact <= contact:
                masked = pattern.mask(text)
                if masked != text:
                    names[pattern.name], text = None, masked
        if text == before:
            break
    return text, tuple(names)
