"""What changed between two versions."""

from difflib import unified_diff

from anyio import to_thread

from servers.documents import queries
from servers.documents.addresses import parse
from servers.documents.answers import Comparison
from servers.documents.arguments import Compare
from servers.documents.tools import tools
from servers.documents.views import Row, cut, no_document, note_secrets
from shared.core.errors import Invalid
from shared.core.tool import Call

LINES_MAX = 20_000
"""Of both versions together: comparing takes time that grows with their product."""

_CHANGED_MAX = 100


@tools.read("documents:read")
async def compare_versions(call: Call, query: Compare) -> Comparison:
    """Compare two versions of a document: title, labels, classification, which sections changed, and a unified diff.
    get_document_outline tells the current version; versions count from 1. `cut` says how much of the diff is missing.
    """
    address = parse(query.uri)
    row = await call.database.row(queries.BY_PATH, collection=address.collection, path=address.path)
    if row is None:
        raise no_document(address)
    to_version = query.to_version or row["version"]
    rows = await call.database.rows(queries.TEXTS, id=row["id"], versions=[query.from_version, to_version])
    texts = {each["version"]: each for each in rows}
    for version in (query.from_version, to_version):
        if version not in texts:
            raise no_document(address, version)
    before, after = texts[query.from_version], texts[to_version]
    note_secrets(call, row, before, after)
    if before["text"] is None or after["text"] is None:
        raise Invalid(f"{address.uri} is bytes in one of these versions; only texts can be compared.")
    lines = await to_thread.run_sync(_diff, before["text"], after["text"])
    diff = "".join(lines)
    shown = diff[query.offset : query.offset + query.max_characters]
    again = "Call compare_versions again with offset {offset} and all else unchanged: {left} characters are left."
    return Comparison(
        uri=address.uri,
        from_version=query.from_version,
        to_version=to_version,
        title_changed=before["title"] != after["title"],
        labels_added=sorted({*after["labels"]} - {*before["labels"]}),
        labels_removed=sorted({*before["labels"]} - {*after["labels"]}),
        classification=(before["classification"], after["classification"]),
        lines_added=sum(line.startswith("+") for line in lines[2:]),
        lines_removed=sum(line.startswith("-") for line in lines[2:]),
        sections_changed=_sections_changed(before, after),
        diff=shown,
        cut=cut(min(query.offset, len(diff)), len(shown), len(diff), again),
    )


def _diff(before: str, after: str) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > LINES_MAX:
        raise Invalid(f"These versions have more than {LINES_MAX} lines together. Read their sections instead.")
    return [f"{line}\n" for line in unified_diff(old, new, "before", "after", lineterm="")]


def _sections_changed(before: Row, after: Row) -> list[str]:
    """Headings of sections that came, went, or have another text, in order."""
    old, new = _by_anchor(before), _by_anchor(after)
    anchors = dict.fromkeys([*new, *old])
    changed = [anchor for anchor in anchors if old.get(anchor) != new.get(anchor)]
    return [(new.get(anchor) or old[anchor])[0] or anchor for anchor in changed][:_CHANGED_MAX]


def _by_anchor(row: Row) -> dict[str, tuple[str, str]]:
    return {anchor: (heading, row["text"][start:stop]) for _, heading, anchor, start, stop in row["outline"]}
