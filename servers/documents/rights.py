"""Who may read a document: what row-level security asks of the caller, in words.

A document names a classification and its readers. It is shown to callers who are cleared for the classification and
are among the readers; for everybody else it is not there.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from shared.core.caller import LOCAL, Caller
from shared.core.errors import Invalid

EVERYBODY = "tenant"
"""The reader that is everybody in the tenant."""


class Classification(StrEnum):
    """How secret a document is, the least first."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


ORDER = tuple(Classification)
SECRET = frozenset({Classification.CONFIDENTIAL, Classification.RESTRICTED})
"""What must not leave with outsiders' words in sight (docs/information-flow.md)."""

CLEARANCES = {
    Classification.PUBLIC: "documents:read",
    Classification.INTERNAL: "documents:read",
    Classification.CONFIDENTIAL: "documents:confidential",
    Classification.RESTRICTED: "documents:restricted",
}
"""The scope that clears a caller for each."""


def rights(caller: Caller) -> Sequence[str]:
    """The words of `app.rights`: classifications the caller is cleared for, and the readers it counts as."""
    cleared = [f"class:{each}" for each, scope in CLEARANCES.items() if caller.may(scope)]
    return [
        *cleared,
        EVERYBODY,
        _user(caller.subject, caller.issuer),
        *(f"role:{role}" for role in sorted(caller.roles)),
    ]


def is_for_all(classification: str, readers: Iterable[str]) -> bool:
    """Whether everybody in the tenant who may read documents at all may read one like this."""
    return classification not in SECRET and EVERYBODY in readers


def cleared_for(caller: Caller, classification: Classification) -> bool:
    return caller.may(CLEARANCES[classification])


def spelt_out(readers: Iterable[str], issuer: str) -> list[str]:
    """The readers as documents keep them: a `user:` without an issuer is one of `issuer`, since subjects of two issuers
    may be spelt alike.

    Raises:
        Invalid: One is no reader.
    """
    return sorted({_spelt_out(reader, issuer) for reader in readers})


def _spelt_out(reader: str, issuer: str) -> str:
    kind, _, name = reader.partition(":")
    if reader == EVERYBODY or (kind == "role" and name):
        return reader
    if kind == "user" and name:
        _, at, named = name.rpartition("@")
        return reader if at and ("://" in named or named == LOCAL) else _user(name, issuer)
    raise Invalid(f"A reader is {EVERYBODY}, role:NAME or user:SUBJECT; give one of these for each.")


def _user(subject: str, issuer: str) -> str:
    return f"user:{subject}@{issuer}"
