"""What a model can do with documents. Each docstring is what it reads; `arguments.py` has what goes in, `answers.py`
what comes out.

Finding and reading are here. `listing.py`, `contents.py`, `relating.py`, `comparing.py`, `writing.py`, `completing.py`
and `prompts.py` add the rest to the same toolset.
"""

from servers.documents import browsing, queries
from servers.documents.addresses import parse
from servers.documents.answers import HEADINGS_MAX, Found, Heading, Outline, SectionText
from servers.documents.arguments import GetOutline, ReadSection, Search
from servers.documents.finding import find
from servers.documents.sectioning import place_of
from servers.documents.views import cut, document, fitting, no_document, note_secrets
from shared.core.errors import Invalid
from shared.core.tool import Call
from shared.core.toolset import Toolset

tools = Toolset()

_SECTIONS_MAX = 400


@tools.read("documents:read", links="found")
async def search_documents(call: Call, query: Search) -> Found:
    """Find documents by their words: titles count most, then headings, then text; word endings and accents do not
    matter. Each hit has a snippet and the section it is from: read that with read_section rather than whole
    documents. Narrow with collection, label or dates rather than paging on. If no document has all words, those
    with any of them are shown. Not for browsing (list_collection) and not for reading.
    """
    return await find(call, query)


@tools.read("documents:read")
async def get_document_outline(call: Call, query: GetOutline) -> Outline:
    """Show a document's title, summary, labels and version, and its sections with their sizes.
    Use it before read_section on a long document, and before put_document for the version.
    """
    address = parse(query.uri)
    row = await call.database.row(
        queries.PIECE, collection=address.collection, path=address.path, version=None, start=0, most=0
    )
    if row is None:
        raise no_document(address)
    note_secrets(call, row)
    rows = await call.metadata(browsing.outline, str(row["id"]), int(row["version"]), query.offset, _SECTIONS_MAX)
    if query.offset and not rows:
        raise Invalid(f"{address.uri} has no {query.offset + 1} sections. Leave offset out to begin with the first.")
    sections = [
        Heading(
            section=each["anchor"],
            heading=each["heading"],
            level=each["level"],
            characters=each["stop"] - each["start"],
        )
        for each in rows
    ]
    shown = sections[: fitting(sections, HEADINGS_MAX)]
    in_all = rows[0]["in_all"] if rows else 0
    following = query.offset + len(shown) if query.offset + len(shown) < in_all else None
    return Outline(
        document=document(row),
        sections=shown,
        sections_in_all=in_all,
        characters=row["characters"] or 0,
        disarmed=row["found"],
        next_offset=following,
        advice=_advice(query.offset, len(shown), in_all),
    )


def _advice(skipped: int, shown: int, in_all: int) -> str | None:
    if not in_all:
        return "This has no text, only bytes: read its URI as a resource."
    after = skipped + shown
    if after < in_all:
        return (
            f"{shown} of {in_all} sections. Call get_document_outline again with offset {after} for those that follow."
        )
    return None


@tools.read("documents:read")
async def read_section(call: Call, query: ReadSection) -> SectionText:
    """Read one section of a document, with all below it, or the document from its beginning.
    Take the anchor from search_documents or get_document_outline. `cut` says how much is missing and how to get it.
    An earlier version is read with `version`. For bytes (images, PDF files as they are) read the URI as a resource.
    """
    address = parse(query.uri)
    section = query.section or address.section
    version = query.version or address.version
    place = await place_of(call, address, section, version)
    offset = query.offset or address.offset or 0
    start = place.start + offset
    most = min(query.max_characters, max(0, place.stop - start))
    row = await call.database.row(
        queries.PIECE, collection=address.collection, path=address.path, version=version, start=start, most=most
    )
    if row is None:
        raise no_document(address, version)
    note_secrets(call, row)
    if row["text"] is None:
        raise Invalid(f"{address.uri} has no text, only bytes ({row['media_type']}): read its URI as a resource.")
    stop = min(place.stop, row["characters"])
    again = "Call read_section again with offset {offset} and all else unchanged: {left} characters are left."
    return SectionText(
        uri=address.uri,
        title=row["title"],
        version=row["version"],
        section=section,
        heading=place.heading,
        text=row["text"],
        cut=cut(min(offset, stop - place.start), len(row["text"]), stop - place.start, again),
    )
