"""Arguments as nobody should send them, and what a tool says to each.

The collection `hostile` has `a/b.md` (two versions, sections `part` and `tools-list`), `a0.md`, `über.md`, `K.md` and
`c.md`, which has a section `other`.
"""

from typing import Any

from tests.servers.documents.hostile_uris import HERE

OK, INVALID, NOT_FOUND, CONFLICT = "ok", "invalid", "not_found", "conflict"
NO_CURSOR = "cursor"
"""-32602: no cursor of ours, for this."""

_MANY = 2**63
Row = tuple[str, dict[str, Any], str]


def _folders() -> list[Row]:
    rows: list[Row] = [("list_collection", {"collection": "hostile", "folder": "a/"}, OK)]
    refused = (
        *(
            "../",
            "./",
            "a/../",
            "a/./",
            "..%2f/",
            "a\\/",
            "a//",
            "//",
            "/",
            "/a/",
            "a",
            "a/ /",
            " a//",
            "\x00/",
            "a\x00/",
        ),
        *("a\n/", "a\u202e/", "a\u200b/", "\uff0e\uff0e/", "a%00/", "%/", "a*/", "a?/", "a#/", "{a}/", "\x02tenant:x/"),
        *("a';--/", "a/" * 20, "x" * 513 + "/", "\U0010ffff/"),
    )
    rows += [("list_collection", {"collection": "hostile", "folder": folder}, INVALID) for folder in refused]
    missing = ("_/", "A/", "b/", ".../", "a/b.md/", "u\u0308/")
    return rows + [("list_collection", {"collection": "hostile", "folder": folder}, NOT_FOUND) for folder in missing]


def _collections() -> list[Row]:
    refused = (
        *(
            "",
            "..",
            ".",
            "/",
            "hostile/",
            "hostile/a",
            "Hostile",
            "HOSTILE",
            "hostile\x00",
            "hostile\nx",
            "-h",
            "h_",
            "h%",
        ),
        *("%", "*", "höstile", "h" * 65, "hostile' OR '1'='1", "doc://hostile", "\x02tenant:globex"),
    )
    rows: list[Row] = [(tool, {"collection": name, **more}, INVALID) for name in refused for tool, more in _IN]
    rows += [("list_collection", {"collection": "hostil"}, NOT_FOUND), ("list_collection", {"folder": "a/"}, INVALID)]
    return [*rows, ("list_collection", {"collection": " hostile\n"}, OK)]


_IN: tuple[tuple[str, dict[str, Any]], ...] = (("list_collection", {}), ("search_documents", {"query": "part"}))


def _cursors() -> list[Row]:
    refused = ("", "A", "AAAA", "=", "\x00", "..", "null", "0", "eyJhIjoxfQ", "é", "A" * 4000, "_" * 64, "'; --")
    listing = {"collection": "hostile", "limit": 1}
    rows: list[Row] = [("list_collection", {**listing, "cursor": cursor}, NO_CURSOR) for cursor in refused if cursor]
    rows += [("search_documents", {"query": "part", "cursor": cursor}, NO_CURSOR) for cursor in refused if cursor]
    rows += [("list_collection", {**listing, "cursor": "A" * 4001}, INVALID)]
    return [*rows, ("list_collection", {**listing, "cursor": 1}, INVALID)]


def _sections() -> list[Row]:
    missing = (
        "other",
        "PART",
        "%",
        "_art",
        "part%00",
        "..",
        "/part",
        "#part",
        "part' OR '1'='1",
        "p" * 400,
        "\u202epart",
    )
    refused = ("\x00", "part\x00", "\x02", "a\nb", "p" * 401, 1, ["part"], {"like": "%"})
    rows: list[Row] = [("read_section", {"uri": HERE, "section": anchor}, NOT_FOUND) for anchor in missing]
    rows += [("read_section", {"uri": HERE, "section": anchor}, INVALID) for anchor in refused]
    rows += [("read_section", {"uri": HERE, "section": anchor, "version": 1}, NOT_FOUND) for anchor in missing]
    rows += [("read_section", {"uri": HERE, "section": anchor, "version": 1}, INVALID) for anchor in refused]
    return [
        *rows,
        ("read_section", {"uri": HERE, "section": " part "}, OK),
        ("read_section", {"uri": HERE, "section": ""}, OK),
    ]


def _numbers() -> list[Row]:
    refused: tuple[Any, ...] = (-1, 10**9 + 1, _MANY - 1, -_MANY, 1.0, 1.5, "1", True, None, [], float("1e300"))
    rows: list[Row] = [("read_section", {"uri": HERE, "offset": number}, INVALID) for number in refused]
    rows += [
        ("read_section", {"uri": HERE, "version": number}, INVALID) for number in (*refused, 0) if number is not None
    ]
    rows += [("compare_versions", {"uri": HERE, "from_version": number}, INVALID) for number in (*refused, 0)]
    rows += [("search_documents", {"query": "part", "limit": number}, INVALID) for number in (*refused, 0, 26)]
    rows += [("list_collection", {"limit": number}, INVALID) for number in (*refused, 0, 201)]
    rows += [
        ("read_section", {"uri": HERE, "max_characters": number}, INVALID) for number in (*refused, 0, 199, 60_001)
    ]
    return [
        *rows,
        ("read_section", {"uri": HERE, "offset": 10**9}, OK),
        ("read_section", {"uri": f"{HERE}?section=part", "offset": 10**9}, OK),
        ("read_section", {"uri": HERE, "version": 10**9}, NOT_FOUND),
        ("compare_versions", {"uri": HERE, "from_version": 1, "offset": 10**9}, OK),
        ("compare_versions", {"uri": HERE, "from_version": 1, "to_version": 10**9}, NOT_FOUND),
        ("get_document_outline", {"uri": HERE, "offset": 10**9}, INVALID),
    ]


def _moments() -> list[Row]:
    fine = ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    refused = (
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"),
        *("infinity", "now", "", "2020-02-30T00:00:00Z", "2020-01-01T00:00:00Z'; --", "0000-01-01T00:00:00Z"),
    )
    named = ("updated_after", "updated_before")
    rows: list[Row] = [("search_documents", {"query": "part", name: at}, OK) for at in fine for name in named]
    return rows + [("search_documents", {"query": "part", name: at}, INVALID) for at in refused for name in named]


def _shapes() -> list[Row]:
    """Fields that are not there, and values of another type."""
    return [
        ("read_section", {"uri": HERE, "tenant": "globex"}, INVALID),
        ("read_section", {"uri": HERE, "if_none_match": "*"}, INVALID),
        ("read_section", {"uri": [HERE]}, INVALID),
        ("read_section", {"uri": {"path": HERE}}, INVALID),
        ("read_section", {}, INVALID),
        ("search_documents", {"query": ["part"]}, INVALID),
        ("search_documents", {"query": "part", "label": "%"}, INVALID),
        ("search_documents", {"query": "part", "label": "\x02tenant:globex"}, INVALID),
        ("search_documents", {"query": "part", "label": "a' | 'b"}, INVALID),
        ("search_documents", {"query": "part", "label": "tenant:globex"}, INVALID),
        ("search_documents", {"query": "p" * 401}, INVALID),
        ("search_documents", {"query": "part", "rights": ["class:restricted"]}, INVALID),
        ("restore_document", {"document_id": "D-0000000000"}, NOT_FOUND),
        ("restore_document", {"document_id": "D-000000000%"}, INVALID),
        ("restore_document", {"document_id": "D-0000000000\n"}, NOT_FOUND),  # blanks around arguments are taken off
        ("restore_document", {"document_id": "d-0000000000"}, INVALID),
        ("restore_document", {"document_id": HERE}, INVALID),
    ]


def _writes() -> list[Row]:
    def put(expected: str, **arguments: Any) -> Row:
        return (
            "put_document",
            {"uri": "doc://hostile/new.md", "content": "# New\n", "dry_run": True, **arguments},
            expected,
        )

    own = ["role:manager"]
    return [
        put(OK),
        put(INVALID, title="a\x00b"),
        put(INVALID, title="a\x02tenant:globex"),
        put(INVALID, title="two\nlines"),
        put(INVALID, title=""),
        put(INVALID, title="t" * 301),
        put(INVALID, summary="a\x00b"),
        put(INVALID, summary="\x1b[2J"),
        put(OK, summary="two\nlines"),
        put(INVALID, labels=["a\x00"]),
        put(INVALID, labels=["\x02tenant:globex"]),
        put(INVALID, labels=["a:b"]),
        put(INVALID, labels=["a'"]),
        put(INVALID, labels=["l"] * 21),
        put(INVALID, readers=[]),
        put(INVALID, readers=["everybody"]),
        put(INVALID, readers=["Tenant"]),
        put(INVALID, readers=["tenant\nrole:x"]),
        put(INVALID, readers=["class:restricted"]),
        put(INVALID, readers=[*own, "role:"]),
        put(INVALID, readers=[*own, "role:a\x00b"]),
        put(INVALID, readers=[*own, "user:\x02"]),
        put(INVALID, readers=[*own, "role:" + "r" * 300]),
        put(OK, readers=[*own, 'role:x","class:public', "role:a' | 'b", "role:{a,b}", "role:NULL", "role:\\"]),
        put(OK, readers=[*own, "user:" + "\U0001f600" * 290]),
        put(INVALID, classification="Restricted"),
        put(INVALID, classification="restricted"),
        put(INVALID, if_version=0),
        put(NOT_FOUND, if_version=1),
        put(CONFLICT, uri=HERE),
        put(CONFLICT, uri=HERE, if_version=1),
        put(INVALID, uri=f"{HERE}?version=1", if_version=2),
        put(INVALID, uri=f"{HERE}?section=part", if_version=2),
        put(INVALID, uri="doc://hostile/../x.md"),
        put(INVALID, uri="doc://hostile/x\x00.md"),
        put(INVALID, content="\x00"),
        put(INVALID, idempotency_key="k" * 7),
        put(INVALID, idempotency_key="key with blanks"),
        ("move_document", {"uri": HERE, "if_version": 2, "to": "doc://hostile/../x.md", "dry_run": True}, INVALID),
        ("move_document", {"uri": HERE, "if_version": 2, "to": "file:///etc/passwd", "dry_run": True}, INVALID),
        ("move_document", {"uri": HERE, "if_version": 2, "to": f"{HERE}?version=1", "dry_run": True}, INVALID),
        ("move_document", {"uri": HERE, "if_version": 2, "to": "doc://hostile/c.md", "dry_run": True}, CONFLICT),
        ("move_document", {"uri": HERE, "if_version": 2, "to": "doc://hostile/a/b.md/c.md", "dry_run": True}, OK),
        ("move_document", {"uri": HERE, "if_version": 2, "to": HERE, "dry_run": True}, OK),
        ("archive_document", {"uri": HERE, "if_version": 1, "dry_run": True}, CONFLICT),
        ("archive_document", {"uri": "doc://hostile/a/", "if_version": 1, "dry_run": True}, INVALID),
    ]


TOOLS: tuple[Row, ...] = (
    *_folders(), *_collections(), *_cursors(), *_sections(), *_numbers(), *_moments(), *_shapes(), *_writes(),
)  # fmt: skip

_DOCUMENT = "doc://{collection}/{+path}{?version,section,offset}"
_FOLDER = "doc://{collection}/{+folder}/"

COMPLETIONS: tuple[tuple[str, str, str, str | None, list[str] | None], ...] = (
    ("doc://{collection}", "collection", "hos", None, ["hostile"]),
    *(
        ("doc://{collection}", "collection", begun, None, [])
        for begun in ("%", "*", "HOS", "\x00", "h\n\no", "\u202e", "../", "' OR 1=1", "\x02")
    ),
    ("doc://{collection}", "collection", "x" * 201, None, None),
    (_DOCUMENT, "path", "a", "hostile", ["a/", "a0.md"]),
    (_DOCUMENT, "path", "a/", "hostile", ["a/b.md"]),
    (_FOLDER, "folder", "a", "hostile", ["a"]),
    *(
        (template, argument, begun, "hostile", [])
        for template, argument in ((_DOCUMENT, "path"), (_FOLDER, "folder"))
        for begun in (
            *("%", "_", "*", "/", "//", "../", "a/../", "./", "\x00", "a\x00", "a\n\n/", "\u202e", "\x02", "a/b.md/"),
            *("u\u0308", "\U0010ffff", "\uff0e\uff0e/", "a' OR '1'='1", "{a}", "\\", "x" * 200),
        )
    ),
    (_DOCUMENT, "path", "x" * 201, "hostile", None),
    *(
        (_DOCUMENT, "path", "a", collection, [])
        for collection in ("", "..", "hos\ntile", "hostile\x00", "hostile/", "Hostile", "%", "*", "h" * 1000, None)
    ),
    (_DOCUMENT, "path", "a", "h" * 1001, None),
    (_DOCUMENT, "version", "1", "hostile", []),
)
"""Template, argument, what was typed, the collection in the context, and the values; None where it is refused."""

QUERIES: tuple[tuple[str, list[str]], ...] = (
    ("rutabaga", ["a/b.md", "c.md"]),
    ("rutabaga -swede", ["a/b.md"]),
    ("RUTABAGA'", ["a/b.md", "c.md"]),
    ("rutabaga'; DROP TABLE documents.documents; --", []),
    ("rutabaga') OR ('1'='1", ["a/b.md", "c.md"]),
    ("rutabaga & | ! <-> :* ( )", ["a/b.md", "c.md"]),
    ("rutabaga:AB", []),
    ("rutabaga\\", ["a/b.md", "c.md"]),
    ("rutabaga\x00", ["a/b.md", "c.md"]),
    ("%", []),
    ("rutab_ga", []),
    ("rutab%", []),
    ("rutab*", ["a/b.md", "c.md"]),
    ("*", []),
    ('"', []),
    ('"rutabaga', ["a/b.md", "c.md"]),
    ("((((((((((", []),
    ("!" * 400, []),
    ("-" * 400, []),
    ("( " * 200, []),
    ("OR OR OR", []),
    ("\x02tenant:acme", []),
    ("'\x02tenant:acme'", []),
    ("\x02tenant:globex rutabaga", []),
    ("\x02*", []),
    ("-\x02class:restricted rutabaga", ["a/b.md", "c.md"]),
    ("\u0002class\u003arestricted OR rutabaga", ["a/b.md", "c.md"]),
    ("\U0010ffff", []),
    ("\ufeffrutabaga", ["a/b.md", "c.md"]),
    ("\u202erutabaga", ["a/b.md", "c.md"]),
    ("rutabaga " * 44, ["a/b.md", "c.md"]),
    ("x" * 400, []),
)
"""What is looked for, all in the collection `hostile`, and the paths that have all of the words."""
