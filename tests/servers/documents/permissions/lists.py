"""What is asked of no document in particular: lists, counts, pages, completions and subscriptions of one caller."""

import json
from itertools import groupby
from typing import Any

from tests.harness import Suite
from tests.listening import answered, listening
from tests.servers.documents.permissions.canaries import CANARY, COMMON, TAG, Document
from tests.servers.documents.permissions.matrix import NOT_THERE, Matrix
from tests.servers.documents.permissions.oracle import Who

_TEMPLATE = "doc://{collection}/{+path}{?version,section,offset}"
_FOLDERS = "doc://{collection}/{+folder}/"
_PAGES_MAX = 40
_LONG_AGO = "2000-01-01T00:00:00Z"


class Lists:
    """One caller's."""

    def __init__(self, matrix: Matrix, who: Who) -> None:
        self._matrix = matrix
        self._who = who
        self._shown = matrix.world.shown_to(who)

    async def check(self) -> None:
        for what in (self._lists, self._levels, self._searches, self._completions):
            try:
                await what()
            except (KeyError, IndexError) as error:
                self._say(f"{what.__name__}: {error!r}", holds=False)

    def _say(self, told: str, *, holds: bool) -> None:
        self._matrix.check(f"{self._who.key}: {told}", holds=holds)

    def _same(self, what: str, found: Any, expected: Any) -> None:
        self._say(f"{what}: {str(found)[:200]} instead of {str(expected)[:200]}", holds=found == expected)

    async def _tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        return (await self._matrix.ask(self._who, "tools/call", {"name": name, "arguments": arguments})).content

    async def _pages(self, tool: str, field: str, **arguments: Any) -> list[dict[str, Any]]:
        """All pages, of which none says more than that another follows."""
        entries: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            page = await self._tool(tool, **arguments, cursor=cursor)
            entries += page[field]
            cursor = page["next_cursor"]
            self._say(f"{tool}: a page without entries", holds=bool(page[field]) or cursor is None)
            if cursor is None:
                return entries
        raise IndexError("pages without an end")

    async def _lists(self) -> None:
        told = (await self._matrix.ask(self._who, "resources/list", {})).result
        expected = {document.uri for document in self._shown} | {f"doc://{name}" for name in self._collections()}
        uris = [resource["uri"] for resource in told["resources"]]
        self._same("resources/list", (sorted(uris), told.get("nextCursor")), (sorted(expected), None))
        entries = await self._pages("list_collection", "entries", limit=3)
        counts = {entry["name"]: entry["documents"] for entry in entries}
        self._same("list_collection", counts, self._collections())

    def _collections(self) -> dict[str, int]:
        """Name → how many documents in it there are for this caller."""
        names = sorted(document.collection for document in self._shown)
        return {name: len([*some]) for name, some in groupby(names)}

    def _folders(self) -> list[str]:
        return sorted(document.folder for document in self._shown if document.collection == "common")

    async def _levels(self) -> None:
        folders = self._folders()
        said = await self._matrix.ask(self._who, "resources/read", {"uri": "doc://common"})
        if not folders:
            self._say("doc://common is there", holds=said.body["error"]["code"] == NOT_THERE)
            return
        entries = json.loads(said.result["contents"][0]["text"])["entries"]
        self._same("doc://common", [entry["name"] for entry in entries], folders)
        for limit in (1, 4):
            entries = await self._pages("list_collection", "entries", collection="common", limit=limit)
            self._same(f"common by {limit}", [entry["name"] for entry in entries], folders)

    async def _searches(self) -> None:
        uris = {document.uri for document in self._shown}
        in_common = {document.uri for document in self._shown if document.collection == "common"}
        whole = await self._found(uris, query=COMMON)
        self._matrix.order(self._who, whole)
        paged = await self._pages("search_documents", "found", query=COMMON, limit=6)
        self._same("pages of a search", [hit["uri"] for hit in paged], whole)
        await self._found(uris, query="zq*")
        await self._found(uris, query=f'"more {COMMON}" OR {COMMON}')
        await self._found(uris, query=f"{COMMON} neverthere", matched="any")
        await self._found(uris, query=COMMON, label=TAG, updated_after=_LONG_AGO)
        await self._found(set(), query=COMMON, updated_before=_LONG_AGO)
        await self._found(in_common, query=COMMON, collection="common")

    async def _found(self, expected: set[str], matched: str = "all", **query: Any) -> list[str]:
        page = await self._tool("search_documents", limit=25, **query)
        uris = [hit["uri"] for hit in page["found"]]
        told = (sorted(uris), page["total"], page["next_cursor"], page["total_is_exact"], bool(page["advice"]))
        self._same(f"search {query}", told, (sorted(expected), len(expected), None, True, not expected))
        if expected:
            self._same(f"search {query}", page["matched"], matched)
        return uris

    async def _completions(self) -> None:
        names = sorted(self._collections())
        for begun in ("", "zq", "comm"):
            fitting = [name for name in names if name.startswith(begun)]
            await self._completed("doc://{collection}", "collection", begun, {}, fitting)
        common = {"collection": "common"}
        await self._completed(_TEMPLATE, "path", "", common, self._folders())
        await self._completed(_TEMPLATE, "path", "zq", common, self._folders())
        await self._completed(_FOLDERS, "folder", "", common, [folder[:-1] for folder in self._folders()])

    async def _completed(
        self, uri: str, argument: str, begun: str, context: dict[str, str], expected: list[str]
    ) -> None:
        params: dict[str, Any] = {"ref": {"type": "ref/resource", "uri": uri}}
        params |= {"argument": {"name": argument, "value": begun}, "context": {"arguments": context}}
        told = (await self._matrix.ask(self._who, "completion/complete", params)).result["completion"]
        self._same(f"completion of {argument} {begun}", (told["values"], told["hasMore"]), (expected, False))


def watched(document: Document) -> list[str]:
    """All that can be watched of a document and where it is."""
    collection = f"doc://{document.collection}"
    return [document.uri, f"{collection}/{document.folder}", collection]


def may_watch(matrix: Matrix, who: Who) -> list[str]:
    """What of all this is there for the caller, in order."""
    there = {uri for document in matrix.world.shown_to(who) for uri in watched(document)}
    return [uri for uri in _everything(matrix) if uri in there]


def _everything(matrix: Matrix) -> list[str]:
    return list(dict.fromkeys(uri for document in matrix.world.documents for uri in watched(document)))


async def check_listening(suite: Suite, matrix: Matrix, who: Who) -> None:
    """What a stream of the newer era honours of everything there is."""
    expected = may_watch(matrix, who)
    token = matrix.token(who)
    if "read" not in who.granted and "read" in who.may_hold:
        refused = await answered(suite, token, _everything(matrix), server="documents")
        matrix.check(f"{who.key}: a stream without the scope: {refused.text[:200]}", holds=refused.status_code == 403)
        return
    async with listening(suite, _everything(matrix), token=token, server="documents") as listener:
        matrix.check(f"{who.key} may listen to {listener.honoured}", holds=listener.honoured == expected)


async def check_subscribing(suite: Suite, matrix: Matrix, who: Who) -> None:
    """What may be subscribed to in a session of the older era, one by one."""
    token = matrix.token(who)
    headers = await suite.session(token, "documents")
    expected = may_watch(matrix, who)
    for uri in _everything(matrix):
        message = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": uri}}
        said = await matrix.wire.send(token, message, headers)
        matrix.look(who, f"subscribe {uri}", said, CANARY.findall(uri))
        if uri in expected:
            matrix.check(f"{who.key} cannot subscribe to {uri}: {said.text}", holds=said.body.get("result") == {})
        else:
            error = {"code": -32002, "message": "Resource not found", "data": {"uri": uri}}
            matrix.check(f"{who.key} subscribes to {uri}: {said.text}", holds=said.body.get("error") == error)
