"""Words that read like an order to a model. They are named, never changed: a document about such words is honest.

The phrases are those that public lists of injections agree on, in the languages they are most written in. Each is a
literal beginning and what follows it within a bounded distance, so that looking for them costs next to nothing.
"""

import re
from unicodedata import is_normalized, normalize

_RULES = r"\b(?:instructions?|prompts?|rules?|guidelines?)\b"
_FORMER = r"\b(?:previous|prior|above|earlier|all|your|system|safety)\b"
_PERSON = r"(?:the\s+)?(?:user|human|customer|operator)\b"

_ORDERS: tuple[tuple[str, str], ...] = (
    # turn away from what was said before
    ("ignore disregard forget override bypass", rf"\b.{{0,40}}{_FORMER}.{{0,40}}{_RULES}"),
    ("ignore disregard forget", r"\s+(?:everything|anything|all)\b.{0,30}\b(?:above|before|told|said)\b"),
    ("not", rf"\s+(?:follow|obey)\b.{{0,30}}\b(?:previous|prior|above|earlier|original)\b.{{0,20}}{_RULES}"),
    # be somebody else
    ("you", r"\s+are\s+now\b"),
    ("you", r"\s+are\s+no\s+longer\b.{0,30}\b(?:bound|restricted|limited|an?\s+(?:ai|assistant))\b"),
    ("new", r"\s+(?:system\s+)?(?:instructions?|prompt)\b"),
    ("your", r"\s+(?:system|developer|initial|original|hidden)\s+(?:prompt|instructions)\b"),
    # do it, and do not tell
    ("not don't", rf"\s+(?:tell|inform|notify|alert|mention\s+(?:this|it)\s+to)\b.{{0,20}}\b{_PERSON}"),
    ("without", rf"\s+(?:telling|informing|notifying|alerting)\s+{_PERSON}"),
    ("call invoke use run execute", r"\s+the\s+[\w.-]{1,30}_[\w.-]{1,30}\s+(?:tool|function)\b"),
    # German, French, Spanish, Italian, Portuguese
    ("ignorier vergiss missachte", r"\w*\b.{0,40}\b(?:anweisungen|vorgaben|regeln)\b"),
    ("ignore oublie", r"\w*\b.{0,40}\b(?:instructions|consignes)\b.{0,30}\bpr[ée]c[ée]dent\w*"),
    ("ignora ignore olvida dimentica", r"\w*\b.{0,40}\b(?:instrucciones|istruzioni|instruções)\b"),
)
_BEYOND_ASCII: tuple[tuple[str, str], ...] = (
    # Portuguese, Russian, Chinese, Japanese
    ("esqueça", r"\w*\b.{0,40}\binstruções\b"),
    ("игнорируй забудь", r"\w*\b.{0,40}\b(?:инструкци|указани|правил)"),
    ("忽略 无视 無視 忘记", r".{0,12}(?:指令|指示|提示词|规则)"),
    ("指示 命令 プロンプト", r"を?(?:すべて)?(?:無視|忘れ)"),
)
_IN_NOTES: tuple[tuple[str, str], ...] = (
    ("system developer", r"\s+prompt\b"),
    ("call invoke use run execute", r"\s+the\s+[\w.-]{1,60}\s+(?:tool|function)\b"),
)
"""Nobody writes so to a customer; in documents all we met was honest (`use the right tool`)."""


def _phrases(orders: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], ...]:
    """One expression for each beginning; a word's beginning is looked at after it is found, which is faster."""
    starts = ((start, rest) for starts, rest in orders for start in starts.split())
    return tuple(
        re.compile(f"{start}(?<!\\w{start}){rest}" if start.isascii() else start + rest, re.DOTALL)
        for start, rest in starts
    )


_ASCII, _OTHERS, _NOTES = _phrases(_ORDERS), _phrases(_BEYOND_ASCII), _phrases(_IN_NOTES)


def reads_like_an_order(text: str, *, note: bool = False) -> bool:
    """Whether one of the phrases is in it, in any case and any width of letters; in a note, a few more."""
    plain = text if text.isascii() or is_normalized("NFKC", text) else normalize("NFKC", text)
    patterns = (*_ASCII, *(_NOTES if note else ()), *(() if plain.isascii() else _OTHERS))
    lowered = plain.lower()
    return any(pattern.search(lowered) for pattern in patterns)
