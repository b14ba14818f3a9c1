"""What comes out of the tools of documents. Marks on fields say whose words they are."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from servers.documents.rights import Classification
from shared.core.models import Contents, Link
from shared.core.tool import Answer
from shared.steps.redaction import Exact, Untrusted

ENTRIES_MAX = 40_000
"""Characters of the entries of one answer; clients are given them twice, as JSON and as links."""
HEADINGS_MAX = 60_000
"""Characters of the headings of one outline."""

Text = Annotated[str, Untrusted()]
Shown = Annotated[str, Untrusted("shown")]
"""Cut out of a text that was made safe as a whole, when it was written (disarming.py)."""
Disarmed = Literal["control", "bidi", "hidden", "marker", "image", "link", "instructions"]


class Part(Answer):
    """How much of something is shown.

    Attributes:
        shown_from: Characters left out before (bytes of what is no text).
        rest: How to get what is missing; None if this was the end.
    """

    shown_from: int
    shown: int
    total: int
    next_offset: int | None = None
    rest: str | None = None


class Document(Link):
    """A document without its content."""

    uri: Annotated[str, Exact()]
    name: Text
    title: Text | None = None
    description: Annotated[str | None, Untrusted()] = None
    id: Annotated[str, Exact()]
    version: int
    digest: Annotated[str, Exact()]
    labels: list[Text]
    classification: Classification


class Readable(Document):
    """A document with who may read it, for those who write it."""

    readers: list[Annotated[str, Exact()]]


class Hit(Document):
    """A document that was found.

    Attributes:
        section: The anchor of the section that fits best, for read_section.
        heading: Of that section.
        snippet: A piece of it, what was found between `**`.
    """

    section: Annotated[str | None, Exact()] = None
    heading: Text | None = None
    snippet: Shown = ""


class Found(Answer):
    """A page of what was found, the best first.

    Attributes:
        matched: `all` of the words, or `any` of them, since no document has all.
        total: How many were found, at least: common words are not counted to the end.
    """

    found: list[Hit]
    matched: Literal["all", "any"]
    total: int
    total_is_exact: bool
    next_cursor: Annotated[str | None, Exact()] = None
    advice: str | None = None


class Kind(StrEnum):
    """What an entry of a listing is."""

    COLLECTION = "collection"
    FOLDER = "folder"
    DOCUMENT = "document"


class Entry(Link):
    """One entry of a listing; documents have all fields."""

    uri: Annotated[str, Exact()]
    name: Text
    title: Text | None = None
    description: Annotated[str | None, Untrusted()] = None
    kind: Kind
    documents: Annotated[int | None, Field(description="How many are in a collection, as far as you see.")] = None
    version: int | None = None
    classification: Classification | None = None


class Listing(Answer):
    """One level of a collection: folders and documents, in order of name.

    Attributes:
        more: Of a resource, which has no pages: whether list_collection has more.
    """

    entries: list[Entry]
    next_cursor: Annotated[str | None, Exact()] = None
    more: bool = False


class Heading(Answer):
    """One section of an outline."""

    section: Annotated[str, Exact()]
    heading: Text
    level: int
    characters: int


class Outline(Answer):
    """What is in a document.

    Attributes:
        disarmed: What was taken out of its text or made harmless; `instructions` is left as it is, but reads like an
            order to a model.
    """

    document: Document
    sections: list[Heading]
    sections_in_all: int
    characters: int
    disarmed: list[Disarmed]
    next_offset: int | None = None
    advice: str | None = None


class SectionText(Answer):
    """A part of a document."""

    uri: Annotated[str, Exact()]
    title: Text
    version: int
    section: Annotated[str | None, Exact()] = None
    heading: Text | None = None
    text: Shown
    cut: Part


class Relation(StrEnum):
    """Why a document is related."""

    LINKS_TO = "links_to"
    LINKED_FROM = "linked_from"
    SIMILAR = "similar"


class RelatedDocument(Document):
    """A document, and why it is here."""

    relation: Relation


class RelatedDocuments(Answer):
    """Documents it links to, that link to it, and that have much in common with it."""

    found: list[RelatedDocument]
    advice: str | None = None


class Comparison(Answer):
    """What changed between two versions.

    Attributes:
        diff: Unified diff (`-` gone, `+` new).
    """

    uri: Annotated[str, Exact()]
    from_version: int
    to_version: int
    title_changed: bool
    labels_added: list[Text]
    labels_removed: list[Text]
    classification: tuple[Classification, Classification]
    lines_added: int
    lines_removed: int
    sections_changed: list[Text]
    diff: Shown
    cut: Part


class Written(Answer):
    """The document after the write."""

    document: Readable
    created: bool = False
    changed: bool = True
    previous_version: int | None = None


class Archived(Answer):
    """What was put away, and how it comes back."""

    document_id: Annotated[str, Exact()]
    uri: Annotated[str, Exact()]
    version: int


class DocumentContents(Contents):
    """A document, or a piece of it."""

    text: Shown | None = None
    uri: Annotated[str, Exact()]
    title: Text
    media_type: Annotated[str, Exact()]
    classification: Classification
    labels: list[Text]
    disarmed: list[Disarmed]
