"""What can be read has one URI; whatever else is sent names nothing, and says no more than that."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.uri_template import UriTemplate

from shared.core.tool import Resource
from shared.edge.uris import Uris
from tests.shelf.books import BOOKS
from tests.shelf.reader import Reader
from tests.shelf.tools import tools, uri_of

pytestmark = pytest.mark.anyio

START = "shelf://guides/start.md"
NOTHING = "it fits no template"
NO_BOOK, NO_FOLDER = "read_book has none", "read_folder has none"
URIS: dict[str, str] = {
    # What there is
    "shelf://guides": "read_collection",
    "shelf://guides/": NOTHING,
    "shelf://guides/deep/": "read_folder",
    START: "read_book",
    f"{START}?version=1": "read_book",
    f"{START}?offset=1": "read_book",
    f"{START}?version=1&offset=1": "read_book",
    "shelf://guides/%C3%BCber%20uns.md": "read_book",
    "shelf://guides/4111111111111111.md": "read_book",
    # Parameters: unknown, repeated, in another order, empty, malformed, out of place
    f"{START}?": NOTHING,
    f"{START}?version": NOTHING,
    f"{START}?version=": NOTHING,
    f"{START}?version=1&": NOTHING,
    f"{START}?&version=1": NOTHING,
    f"{START}?version=1&version=1": NOTHING,
    f"{START}?version=1&version=2": NOTHING,
    f"{START}?offset=1&version=1": NOTHING,
    f"{START}?other=1": NOTHING,
    f"{START}?version=1&other=1": NOTHING,
    f"{START}?Version=1": NOTHING,
    f"{START}?%76ersion=1": NOTHING,
    f"{START}?version=01": NO_BOOK,
    f"{START}?version=+1": NOTHING,
    f"{START}?version=%31": NOTHING,
    f"{START}?version=%D9%A1": NO_BOOK,  # an Arabic digit
    f"{START}?version=1%20": NOTHING,
    f"{START}?version=9": NO_BOOK,
    f"{START}?version=1?version=1": NOTHING,
    f"{START}?version=1;offset=1": NOTHING,
    "shelf://guides?version=1": NOTHING,
    "shelf://guides/deep/?version=1": NO_BOOK,
    # Fragments
    f"{START}#": NOTHING,
    f"{START}#begin": NOTHING,
    f"{START}?version=1#begin": NOTHING,
    f"{START}%23begin": NOTHING,
    # Other spellings of what there is
    "shelf://guides/%73tart.md": NOTHING,
    "shelf://guides/start%2Emd": NOTHING,
    "shelf://guides/start%2emd": NOTHING,
    "shelf://%67uides/start.md": NOTHING,
    "shelf://GUIDES/start.md": NO_BOOK,
    "SHELF://guides/start.md": NOTHING,
    "shelf:guides/start.md": NOTHING,
    "shelf:/guides/start.md": NOTHING,
    "shelf:///guides/start.md": NOTHING,
    "guides/start.md": NOTHING,
    "shelf://guides//start.md": NOTHING,
    "shelf://guides/start.md/": NO_FOLDER,
    "shelf://guides/ start.md": NOTHING,
    "shelf://guides/%20start.md": NOTHING,
    "shelf://guides/start.md%20": NOTHING,
    " shelf://guides/start.md": NOTHING,
    "shelf://guides/start.md ": NOTHING,
    "shelf://guides/start.md%0A": NOTHING,
    "shelf://guides/start.md\n": NOTHING,
    "shelf://guides/%c3%bcber%20uns.md": NOTHING,
    "shelf://guides/über%20uns.md": NOTHING,
    "shelf://guides/%C3%BCber+uns.md": NO_BOOK,
    "shelf://guides/u%CC%88ber%20uns.md": NOTHING,  # not NFC
    "shelf://user@guides/start.md": NOTHING,
    "shelf://guides:80/start.md": NOTHING,
    "shelf://[guides]/start.md": NOTHING,
    # Ways out
    "shelf://guides/deep/../start.md": NOTHING,
    "shelf://guides/./start.md": NOTHING,
    "shelf://guides/deep/%2E%2E/start.md": NOTHING,
    "shelf://guides/deep/%2e%2e/start.md": NOTHING,
    "shelf://guides/deep/.%2E/start.md": NOTHING,
    "shelf://guides/deep/%252E%252E/start.md": NOTHING,
    "shelf://guides/../../etc/passwd": NOTHING,
    "shelf://guides/%2Fetc/passwd": NOTHING,
    "shelf://guides/deep%2Fend.md": NOTHING,
    "shelf://guides%2Fstart.md": NOTHING,
    "shelf://guides/deep%5Cend.md": NOTHING,
    "shelf://guides/deep\\end.md": NOTHING,
    "shelf://guides/deep/..%5Cstart.md": NOTHING,
    "shelf://../guides/start.md": NOTHING,
    "shelf://./guides/start.md": NOTHING,
    # What no text is, or hides
    "shelf://guides/start.md%00": NOTHING,
    "shelf://guides/start.md%00.png": NOTHING,
    "shelf://guides/start.md\0": NOTHING,
    "shelf://guides/start.md%7F": NOTHING,
    "shelf://guides/start.md%C2%85": NOTHING,
    "shelf://guides/start.md%E2%80%AE": NOTHING,
    "shelf://guides/start%E2%80%8B.md": NOTHING,
    "shelf://guides/start.md%EF%BB%BF": NOTHING,
    "shelf://guides/%C0%AE%C0%AE/start.md": NOTHING,  # overlong
    "shelf://guides/%E0%80%AFstart.md": NOTHING,
    "shelf://guides/%ED%A0%80": NOTHING,  # half a surrogate pair
    "shelf://guides/%FF": NOTHING,
    "shelf://guides/%": NOTHING,
    "shelf://guides/%2": NOTHING,
    "shelf://guides/%zz": NOTHING,
    "shelf://guides/" + "a" * 600: NO_BOOK,
    "shelf://guides/" + "a/" * 4200 + "a": NOTHING,
    "shelf://" + "%2F" * 2000: NOTHING,
    "": NOTHING,
    "shelf://": NOTHING,
    "://": NOTHING,
    "?": NOTHING,
    "file:///etc/passwd": NOTHING,
    "https://example.com/": NOTHING,
}


READS = {"read_collection", "read_folder", "read_book"}


async def test_every_uri_of_the_table_has_its_outcome(reader: Reader) -> None:
    async with reader.raw() as raw:
        outcomes = {uri: outcome(await raw.read(uri), uri, reader.era) for uri in URIS}
    assert outcomes == {uri: "read" if expected in READS else "not found" for uri, expected in URIS.items()}


def outcome(answer: dict[str, Any], uri: str, era: str) -> str:
    if "contents" in answer:
        assert {held["uri"] for held in answer["contents"]} == {uri}
        return "read"
    error = answer["error"]
    wanted = {"code": -32002 if era == "legacy" else -32602, "message": "Resource not found", "data": {"uri": uri}}
    return "not found" if error == wanted else f"another error: {error}"


def test_of_templates_that_overlap_the_first_that_fits_reads_and_mostly_none_does() -> None:
    uris = Uris(tools.resources)
    fits = {uri: named(uris, uri) for uri in URIS}
    assert fits == {uri: None if said == NOTHING else said.split()[0] for uri, said in URIS.items()}


def test_half_a_surrogate_pair_which_no_request_can_hold_fits_nothing_either() -> None:
    assert named(Uris(tools.resources), "shelf://guides/\ud800.md") is None


def test_the_order_of_declaration_decides_between_templates() -> None:
    folder, book = "shelf://{collection}/{+folder}/", "shelf://{collection}/{+path}{?version,section,offset}"
    both = {template: tools.resources[template] for template in (folder, book)}
    turned = dict(reversed(both.items()))
    assert named(Uris(both), "shelf://guides/deep/") == "read_folder"
    assert named(Uris(turned), "shelf://guides/deep/") == "read_book"
    assert named(Uris(turned), START) == "read_book"


def test_what_does_not_fit_the_first_template_to_the_letter_may_fit_a_later_one() -> None:
    read = tools.resources["shelf://{collection}"].tool
    uris = Uris({pattern: Resource(pattern, None, read) for pattern in ("a://{one}/{two}", "a://{+rest}")})
    assert uris.match("a://x/y")[1] == {"one": "x", "two": "y"}
    assert uris.match("a://x/y@z")[1] == {"rest": "x/y@z"}


def named(uris: Uris, uri: str) -> str | None:
    resource, _ = uris.match(uri)
    return resource.tool.name if resource else None


@pytest.mark.parametrize(
    "uri", [f"{START}?version=1", f"{START}?offset=1", "shelf://guides", "shelf://guides/deep/", "shelf://guides/%2e"]
)
def test_a_version_or_a_part_or_what_does_not_change_cannot_be_watched(uri: str) -> None:
    assert Uris(tools.resources).watchable(uri)[0] is None


def test_a_book_can_be_watched() -> None:
    assert Uris(tools.resources).watchable(START)[0] is not None


@pytest.mark.parametrize("name", BOOKS)
def test_what_a_server_spells_as_its_template_does_is_found(name: str) -> None:
    collection, _, path = name.partition("/")
    assert Uris(tools.resources).match(uri_of(name))[1] == {"collection": collection, "path": path}


BOOK = UriTemplate.parse("shelf://{collection}/{+path}{?version,section,offset}")
_TEXT = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12)
_SPELT = st.lists(st.sampled_from(["a", "B", "/", ".", "..", "%2F", "%2f", "%2E", "%", "%C3%BC", "?", "&", "="]))


@settings(max_examples=50)
@given(collection=_TEXT, path=_TEXT, version=_TEXT)
def test_what_is_expanded_is_read_back_or_names_nothing(collection: str, path: str, version: str) -> None:
    given_values = {"collection": collection, "path": path, "version": version}
    resource, arguments = Uris(tools.resources).match(BOOK.expand(given_values))
    if resource is not None and resource.tool.name == "read_book":
        assert arguments == given_values


@given(left=_SPELT, right=_SPELT)
def test_two_uris_never_hold_the_same(left: list[str], right: list[str]) -> None:
    uris = Uris(tools.resources)
    one, other = ("shelf://c/" + "".join(parts) for parts in (left, right))
    first, second = uris.match(one), uris.match(other)
    if first[0] is not None and first == second:
        assert one == other
