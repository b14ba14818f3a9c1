"""What goes into the tools of documents."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from servers.documents.addresses import COLLECTION, EXAMPLE, checked_path, parse
from servers.documents.rights import Classification
from shared.core.tool import Arguments, WriteArguments
from shared.steps.redaction import Sensitive

SHOWN_DEFAULT = 16_000
SHOWN_MAX = 60_000
"""Characters of one answer: clients cut tool results at some 25,000 tokens."""
_URI_MAX = 8192
"""As long a URI as is read: one of 512 letters has up to twelve characters for each."""


def _a_uri(uri: str) -> str:
    """As resources have it: what policy, approvals and the audit see is one spelling of what is meant."""
    return parse(uri).whole_uri


def _a_folder(folder: str) -> str:
    return checked_path(folder.removesuffix("/")) + "/" if folder else ""


def _in_utc(moment: datetime) -> datetime:
    """PostgreSQL's years are ours; a moment beyond them, in its own time zone, is none."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999, like 2026-01-31T00:00:00Z") from None


CollectionName = Annotated[
    str, Field(pattern=COLLECTION, description="A collection, like handbook. list_collection names them.")
]
Folder = Annotated[
    str,
    Field(max_length=512, pattern=r"^([^/].*/)?$", description="A folder with / at its end, like security/."),
    AfterValidator(_a_folder),
]
DocumentUri = Annotated[
    str,
    Field(
        min_length=7,
        max_length=_URI_MAX,
        description=f"The document's URI, like {EXAMPLE}, as search_documents and list_collection give it.",
    ),
    AfterValidator(_a_uri),
]
Version = Annotated[int, Field(ge=1, le=1_000_000_000)]
Label = Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,39}$", to_lower=True)]
Reader = Annotated[str, Field(min_length=4, max_length=300, pattern=r"^(tenant|(role|user):[^\x00-\x1f\x7f]+)$")]
# What PostgreSQL cannot keep (NUL), and what its index keeps apart by: no control characters.
Anchor = Annotated[str, Field(max_length=400, pattern=r"^[^\x00-\x1f\x7f]*$")]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Offset = Annotated[int, Field(ge=0, le=1_000_000_000, description="Characters to leave out at the beginning.")]
MostCharacters = Annotated[int, Field(ge=200, le=SHOWN_MAX, description="Characters to show at most.")]
Cursor = Annotated[
    str | None, Field(max_length=4000, description="next_cursor of the page before, with all else unchanged.")
]


class Search(Arguments):
    """What to look for, and where."""

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=400,
            description='Words; all of them if possible. "quoted words" stand together, word* begins so, -word is '
            "absent, OR between two takes either.",
        ),
    ]
    collection: CollectionName | None = None
    label: Annotated[Label | None, Field(description="Only documents with this label.")] = None
    updated_after: Annotated[Moment | None, Field(description="Only documents changed since then.")] = None
    updated_before: Annotated[Moment | None, Field(description="Only documents not changed since then.")] = None
    limit: Annotated[int, Field(ge=1, le=25)] = 8
    cursor: Cursor = None


class ListCollection(Arguments):
    """What to list; without a collection, the collections."""

    collection: CollectionName | None = None
    folder: Folder = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Cursor = None


class GetOutline(Arguments):
    """Of which document, and from which of its sections on."""

    uri: DocumentUri
    offset: Annotated[int, Field(ge=0, le=1_000_000, description="Sections to leave out at the beginning.")] = 0


class ReadSection(Arguments):
    """Which part of a document to read."""

    uri: DocumentUri
    section: Annotated[
        Anchor | None,
        Field(
            description="The anchor of a section, as get_document_outline and searches give it; "
            "with all that is below it. Without one, the document from its beginning.",
        ),
    ] = None
    version: Annotated[Version | None, Field(description="An earlier version; the current one by default.")] = None
    offset: Offset = 0
    max_characters: MostCharacters = SHOWN_DEFAULT


class Related(Arguments):
    """Of which document."""

    uri: DocumentUri
    limit: Annotated[int, Field(ge=1, le=25)] = 8


class Compare(Arguments):
    """Which two versions."""

    uri: DocumentUri
    from_version: Version
    to_version: Annotated[Version | None, Field(description="The current one by default.")] = None
    offset: Offset = 0
    max_characters: MostCharacters = SHOWN_DEFAULT


# The audit is read by people who may not read every document: it has the URI, and the version keeps the words.
_OfDocument = Sensitive("documents:restricted")


class PutDocument(WriteArguments):
    """What to write, and where. What is left out stays as it is; of a new document it takes its default."""

    uri: DocumentUri
    if_version: Annotated[
        Version | None,
        Field(description="The version you read: needed to change a document; leave it out for a new one."),
    ] = None
    content: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=False, max_length=900_000)] | None,
        Field(description="Text: Markdown, HTML or plain."),
        _OfDocument,
    ] = None
    content_base64: Annotated[
        str | None,
        Field(max_length=1_200_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$", description="Bytes of a PDF or an image."),
        _OfDocument,
    ] = None
    title: Annotated[
        str | None,
        Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$", description="Else taken from the content."),
        _OfDocument,
    ] = None
    summary: Annotated[
        str | None,
        Field(max_length=600, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", description="Else taken from the content."),
        _OfDocument,
    ] = None
    labels: Annotated[list[Label] | None, Field(max_length=20)] = None
    classification: Annotated[
        Classification | None, Field(description="public, internal (default), confidential or restricted.")
    ] = None
    readers: Annotated[
        list[Reader] | None,
        Field(
            min_length=1,
            max_length=50,
            description="Who may read it: tenant (everybody, the default), role:NAME or user:SUBJECT. A restricted "
            "document has to name them.",
        ),
    ] = None


class MoveDocument(WriteArguments):
    """What to move, and where to."""

    uri: DocumentUri
    if_version: Version
    to: Annotated[str, Field(max_length=_URI_MAX, description="The new URI."), AfterValidator(_a_uri)]


class ArchiveDocument(WriteArguments):
    """What to put away."""

    uri: DocumentUri
    if_version: Version


class RestoreDocument(WriteArguments):
    """What to bring back, as archive_document told."""

    document_id: Annotated[str, Field(pattern=r"^D-[0-9A-Z]{10}$")]


class ReadContents(Arguments):
    """A resource's URI, taken apart; MCP has only strings there."""

    collection: CollectionName
    path: Annotated[str, Field(min_length=1, max_length=512)]
    version: Annotated[str | None, Field(pattern=r"^[1-9][0-9]{0,8}$")] = None
    section: Annotated[str | None, Field(max_length=400)] = None
    offset: Annotated[str | None, Field(pattern=r"^[1-9][0-9]{0,8}$")] = None
    if_none_match: Annotated[str | None, Field(max_length=100)] = None


class ReadIndex(Arguments):
    """A collection's URI, taken apart."""

    collection: CollectionName


class ReadFolder(Arguments):
    """A folder's URI, taken apart."""

    collection: CollectionName
    folder: Annotated[str, Field(min_length=1, max_length=512)]
