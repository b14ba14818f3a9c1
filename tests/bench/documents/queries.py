"""What is searched for, of every kind."""

from collections.abc import Mapping
from functools import cache

from tests.bench.documents.corpus import RARE, language, question

QUESTIONS = 32


@cache
def queries() -> Mapping[str, str]:
    """As somebody types them, by kind; the numbers are places in the order of how common a word is."""
    words = language().words
    return {
        "rare": RARE,
        "common": words[0],
        "two": f"{words[30]} {words[45]}",
        "phrase": f'"{words[30]} {words[45]}"',
        "prefix": f"{words[90][:4]}*",
        "either": f"{words[700]} OR {words[900]} {words[60]}",
        "absent": f"{words[200]} -{words[70]}",
        "many": " ".join(words[place] for place in range(100, 900, 100)),
    }


def questions(documents: int) -> list[str]:
    """In words of everyday; none of the documents has all of them."""
    return [question(number * (documents // QUESTIONS)) for number in range(QUESTIONS)]
