"""Generated documents: the same ones in every run, each made from its number alone.

Words are as frequent as in a language (Zipf), and documents have topics, so that words go together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import exp
from random import Random

from servers.documents.addresses import stem_of
from servers.documents.formats.parsed import Section
from servers.documents.formats.words import slug, summarised
from servers.documents.preparing import Prepared
from servers.documents.rights import is_for_all

WORDS = 30_000
RARE, EACH_RARE = "quillonfish", 5_000
"""A word that one document of so many has."""
UNKNOWN = "grubbelsome"
"""A word that none has."""

_TOPICS, _OWN_WORDS = 200, 150
_GENERAL, _OF_TOPIC = 20_000, 200
_SENTENCES, _SPREAD, _SENTENCES_MAX = 36, 0.9, 2_500
COLLECTIONS = (
    "handbook",
    "engineering",
    "support",
    "sales",
    "legal",
    "people",
    "products",
    "research",
    "it",
    "archive",
)
_LABELS = ("policy", "guide", "reference", "draft", "how-to", "minutes", "faq", "release")
_STOP_WORDS = ("the", "of", "and", "to", "in", "is", "for", "with", "that", "on", "as", "are", "by", "it")
_SYLLABLE = ("bcdfghklmnprstvw", "aeiou", ("", "", "l", "n", "r", "s"))
GUARDED = (
    (10, "public", ("tenant",)),
    (58, "internal", ("tenant",)),
    (6, "internal", ("role:support",)),
    (4, "internal", ("role:manager", "role:admin")),
    (12, "confidential", ("tenant",)),
    (4, "confidential", ("role:manager",)),
    (4, "restricted", ("role:manager", "role:auditor")),
    (2, "restricted", ("role:admin",)),
)


@dataclass(frozen=True, slots=True)
class Made:
    """One document, with what somebody wishes of it."""

    collection: str
    path: str
    prepared: Prepared
    classification: str
    readers: Sequence[str]
    labels: Sequence[str]

    @property
    def is_for_all(self) -> bool:
        """Whether everybody in the tenant may read it."""
        return is_for_all(self.classification, self.readers)


@dataclass(frozen=True)
class Language:
    """The words, the commonest first, and sentences of them."""

    words: Sequence[str]
    general: Sequence[str]
    topics: Sequence[Sequence[str]]
    own: Sequence[Sequence[str]]


@cache
def language() -> Language:
    """Takes some seconds, once."""
    chance = Random("language")
    words = _words(chance)
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(WORDS)))
    own = [words[300 + topic :: WORDS // _OWN_WORDS][:_OWN_WORDS] for topic in range(_TOPICS)]
    general = [_sentence(chance, chance.choices(words, cum_weights=weights, k=10)) for _ in range(_GENERAL)]
    topics = [
        [
            _sentence(chance, chance.choices(words, cum_weights=weights, k=6) + chance.choices(named, k=4))
            for _ in range(_OF_TOPIC)
        ]
        for named in own
    ]
    return Language(words, general, topics, own)


def document(number: int) -> Made:
    """The document of a number, always the same."""
    chance, spoken = Random(f"document {number}"), language()
    topic = chance.randrange(_TOPICS)
    own = spoken.own[topic]
    title = " ".join(chance.sample(own, chance.randint(3, 6))).capitalize()
    length = min(_SENTENCES_MAX, round(_SENTENCES * exp(chance.gauss(0, _SPREAD)))) + 1
    sentences = chance.choices(spoken.topics[topic], k=length) + chance.choices(spoken.general, k=length // 2)
    chance.shuffle(sentences)
    if number % EACH_RARE == 17:
        sentences.insert(len(sentences) // 2, f"Here is the {RARE} of it.")
    collection, path = place(number)
    [guarded] = chance.choices(GUARDED, [share for share, *_ in GUARDED])
    labels = sorted(chance.sample(_LABELS, chance.randint(0, 2)))
    near = place(number + chance.randrange(1, 50) * len(COLLECTIONS))
    return Made(
        collection,
        path,
        _prepared(title, _sections(chance, own, title, sentences), near),
        guarded[1],
        guarded[2],
        labels,
    )


def place(number: int) -> tuple[str, str]:
    """Collection and path of the document of a number."""
    turn = number // len(COLLECTIONS)
    return COLLECTIONS[number % len(COLLECTIONS)], f"area-{turn % 40}/part-{turn // 40 % 25}/page-{number:06}.md"


def question(number: int) -> str:
    """What somebody may ask whose answer is in the document of a number: some of its title's words, and others that
    are common, but no document has all of them.
    """
    chance = Random(f"question {number}")
    found = document(number).prepared.title.lower().split()
    others = chance.sample(language().words[60:900], 3)
    return (
        f"How do I {found[0]} the {others[0]} of {found[1]} and {others[1]} when {others[2]} {found[2]} is {UNKNOWN}?"
    )


def _words(chance: Random) -> list[str]:
    """Common ones are shorter."""
    found: dict[str, None] = {}
    while len(found) < WORDS:
        parts = 2 if len(found) < WORDS // 10 else 3
        found["".join(map(chance.choice, _SYLLABLE * parts))] = None
    return list(found)


def _sentence(chance: Random, words: Sequence[str]) -> str:
    spoken: list[str] = []
    for word in words[: chance.randint(5, len(words))]:
        spoken += [word] if chance.random() < 0.4 else [chance.choice(_STOP_WORDS), word]
    return " ".join(spoken).capitalize() + "."


_Piece = tuple[int, str, list[str]]
"""A level, a heading, and paragraphs."""


def _sections(chance: Random, own: Sequence[str], title: str, sentences: Sequence[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    at = 0
    while at < len(sentences):
        level, heading = (2 if chance.random() < 0.7 else 3), " ".join(chance.sample(own, chance.randint(2, 4)))
        some = sentences[at : at + chance.randint(4, 16)]
        at += len(some)
        paragraphs = [" ".join(some[start : start + 4]) for start in range(0, len(some), 4)]
        pieces.append((level, heading.capitalize(), paragraphs) if pieces else (1, title, paragraphs))
    return pieces


def _prepared(title: str, pieces: Sequence[_Piece], near: tuple[str, str]) -> Prepared:
    """As parsing the text would make it, without the parsing."""
    text, plains = "", list[str]()
    sections: list[Section] = []
    named: dict[str, int] = {}
    written: list[str] = []
    for number, (level, heading, paragraphs) in enumerate(pieces):
        start = len(text) if not written else sections[-1].end
        body = f"{'#' * level} {heading}\n\n" + "\n\n".join(paragraphs) + "\n\n"
        if number == 0:
            body += f"See [the other](/{near[1]}).\n\n"
        anchor = slug(heading)
        named[anchor] = named.get(anchor, -1) + 1
        anchor += f"-{named[anchor]}" if named[anchor] else ""
        sections.append(Section(number, level, heading, anchor, start, start + len(body)))
        plains.append("\n".join([heading, *paragraphs, *(["See the other."] if number == 0 else [])]))
        written.append(body)
    text = "".join(written)
    return Prepared(
        text.encode(), "text/markdown", title, summarised(pieces[0][2][0]), (), text, tuple(sections), tuple(plains),
        ((near[0], stem_of(near[1])),), (),
    )  # fmt: skip
