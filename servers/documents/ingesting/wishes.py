"""What the command wants of every document it writes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from servers.documents.formats import front_matter
from servers.documents.formats.decoding import decoded
from servers.documents.formats.words import labels as as_labels
from servers.documents.ingesting.skipping import Skip
from servers.documents.rights import EVERYBODY, ORDER, Classification, spelt_out
from shared.core.errors import Invalid

_SECRETIVE = re.compile(r"^[\s'\"]*(?:classification|readers)['\"]?\s*:", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Of the options, or of one file.

    Attributes:
        readers: As documents keep them.
        labels: Beside those the file itself names.
        issuer: Whose `user:` is meant where none is named.
    """

    classification: Classification = Classification.INTERNAL
    readers: tuple[str, ...] = (EVERYBODY,)
    labels: tuple[str, ...] = ()
    issuer: str = ""

    @staticmethod
    def of(classification: Classification, readers: Iterable[str], labels: Sequence[str], issuer: str) -> "Wishes":
        """As the command's options say.

        Raises:
            Invalid: They contradict each other, or cannot be kept.
        """
        kept = as_labels(labels)
        if len(kept) != len(set(labels)):
            raise Invalid("A label is a word or a few: letters, digits and hyphens. Name each once.")
        named = tuple(spelt_out(readers, issuer)) or (EVERYBODY,)
        if classification is Classification.RESTRICTED and EVERYBODY in named:
            raise Invalid("Restricted documents name their readers: give --reader role:NAME or user:SUBJECT.")
        return Wishes(classification, named, tuple(sorted(kept)), issuer)

    def met_by(self, row: Mapping[str, Any]) -> bool:
        """Whether a stored document is exactly so. One that is more may be so because its file says so."""
        return (
            row["classification"] == self.classification
            and set(row["readers"]) == set(self.readers)
            and set(row["labels"]) == set(self.labels)
        )

    def narrowed(self, content: bytes) -> "Wishes":
        """The same for a Markdown file whose front matter asks for more secrecy; less cannot be asked for.

        Raises:
            Skip: What it asks for is not understood, or leaves nobody.
        """
        text = decoded(content)
        front, _ = front_matter.split(text)
        if front.notes and _SECRETIVE.search(text, 0, 2 * front_matter.LIMIT):
            raise Skip("classification", "Its front matter seems to say who may read it, and is not understood.")
        named = self._among([reader.strip() for reader in front.readers]) if front.readers else self.readers
        stricter = max(self.classification, _known(front.classification) or self.classification, key=ORDER.index)
        if stricter is Classification.RESTRICTED and EVERYBODY in named:
            raise Skip("readers", "It says that it is restricted: name its readers in `readers:`, as role:NAME.")
        return replace(self, classification=stricter, readers=named)

    def _among(self, readers: Sequence[str]) -> tuple[str, ...]:
        try:
            asked = spelt_out(readers, self.issuer)
        except Invalid as error:
            raise Skip("readers", f"`readers:` in its front matter is not understood. {error.message}") from None
        if EVERYBODY in asked:
            return self.readers
        left = asked if EVERYBODY in self.readers else sorted(set(asked) & set(self.readers))
        if not left:
            raise Skip("readers", "`readers:` in its front matter names nobody of those who may read this folder.")
        return tuple(left)


def _known(classification: str | None) -> Classification | None:
    try:
        return None if classification is None else Classification(classification.strip().lower())
    except ValueError:
        known = ", ".join(ORDER)
        raise Skip("classification", f"`classification:` in its front matter is none of {known}.") from None
