"""Numbers that must never stand in free text, and how each is told from others that only look like it."""

import re
from collections.abc import Callable

_GAP = r"[ \t.\-\u00a0\u00ad\u2000-\u2015\u202f\u2060\ufeff]"
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
IBAN = rf"(?=[A-Za-z]{{2}}\d\d)(?:{'|'.join(_IBANS)})"


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


def without_cards(found: re.Match[str]) -> str:
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


def masked_if(check: Callable[[str], bool], mask: str) -> Callable[[re.Match[str]], str | None]:
    def replace(found: re.Match[str]) -> str | None:
        return mask if check("".join(filter(str.isalnum, found[0]))) else None

    return replace


CARD = rf"(?<!\d)\d(?:{_GAP}{{0,2}}\d){{12,}}+"
NATIONAL_IDS: dict[str, Callable[[str], bool]] = {
    r"(?!000|666|9)\d{3}(?P<dash>[- ])(?!00)\d\d(?P=dash)(?!0000)\d{4}": lambda _: True,  # US social security
    r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}": is_german_tax_id,
    r"[0-9XYZ]\d{7}[- ]?[A-HJ-NP-TV-Z]": is_spanish_id,
}
