"""The way of a run: look, compare, prepare in parallel, write in batches, put away."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from asyncpg import UniqueViolationError

from servers.documents.addresses import uri_of
from servers.documents.formats.apart import apart
from servers.documents.formats.kinds import recognised
from servers.documents.formats.refused import Refused
from servers.documents.ingesting import opening, planning, scanning, storing
from servers.documents.ingesting.ordering import Journal, Order
from servers.documents.ingesting.planning import AUTHOR, Stored
from servers.documents.ingesting.readying import Ready, ready
from servers.documents.ingesting.reporting import Report
from servers.documents.ingesting.scanning import File, Scan
from servers.documents.ingesting.skipping import Skip, Skipped, printable
from servers.documents.ingesting.storing import Item
from servers.documents.preparing import digest_of
from servers.documents.rights import EVERYBODY, ORDER
from shared.core.errors import Conflict, Invalid

BATCH = 50
"""Documents of one transaction, and of one record."""
BATCH_BYTES = 8 * 2**20
LIGHT_BYTES = 128 * 1024
"""So much of a run is read without a process of its own."""
FEW = 5
"""So many documents may always be put away, however few there are."""

_TEXTS = {"text/markdown", "text/mdx", "text/plain"}


async def ingest(order: Order, journal: Journal, report: Report, progress: Callable[[], None]) -> None:
    """Make the collection what the folder is; `report` tells what was done, also of a run that failed.

    Raises:
        Invalid: The folder cannot be read or is too large, or too much would be put away.
        Conflict: Somebody wrote to the collection meanwhile.
    """
    started = time.perf_counter()
    try:
        with opening.opened_root(order.root) as root:
            await _Run(order, journal, report, progress, root).go()
    finally:
        report.seconds = time.perf_counter() - started


class _Run:
    def __init__(self, order: Order, journal: Journal, report: Report, progress: Callable[[], None], root: int) -> None:
        self._order = order
        self._journal = journal
        self._report = report
        self._progress = progress
        self._root = root
        self._known: Mapping[str, Stored] = {}
        self._rights: list[str] = []
        self._light = LIGHT_BYTES
        self._author = f"{AUTHOR}{order.by}"

    async def go(self) -> None:
        order, report = self._order, self._report
        found = await to_thread.run_sync(scanning.scan, self._root, order.most)
        report.found, report.skipped, report.ignored = len(found.files), found.skipped, found.ignored
        await self._look()
        gone = planning.vanished(self._known, found)
        report.vanished = sorted(gone)
        if order.prune:
            self._refuse_emptying(gone)
        self._progress()
        await self._take(found)
        if order.prune:
            await self._put_away(gone)

    async def _look(self) -> None:
        """What is stored, all of it: as a reader of every document of the collection."""
        order = self._order
        base = [*(f"class:{each}" for each in ORDER), EVERYBODY]
        named = await self._journal.reads(base).rows(planning.READERS, collection=order.collection)
        self._rights = sorted({*base, *order.wishes.readers, *(row["reader"] for row in named)})
        rows = await self._journal.reads(self._rights).rows(planning.STORED, collection=order.collection)
        self._known = planning.stored(rows)

    def _refuse_emptying(self, gone: Mapping[str, Stored]) -> None:
        """A folder that is not mounted looks like one whose files were all removed."""
        ours = sum(known.ours and not known.archived for known in self._known.values())
        if len(gone) > max(FEW, ours / 2) and not (self._order.agreed or self._order.dry_run):
            raise Invalid(
                f"{len(gone)} of {ours} documents of {uri_of(self._order.collection)} have no file any more. "
                "If that is right, repeat the command with --yes; nothing was changed."
            )

    async def _take(self, found: Scan) -> None:
        send, receive = anyio.create_memory_object_stream[Item](16)
        files = iter(found.files)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write_all, receive)
                async with send:
                    for _ in range(self._order.workers):
                        tasks.start_soon(self._work, files, send.clone())
        except ExceptionGroup as group:  # one fails, and the others are told to stop
            raise group.exceptions[0] from None

    async def _work(self, files: Iterator[File], out: ObjectSendStream[Item]) -> None:
        limiter = anyio.CapacityLimiter(1)
        async with out:
            for file in files:
                try:
                    item = await self._item(file, limiter)
                except (Skip, Refused) as skip:
                    self._skip(file.path, Skip(skip.code, skip.message))
                else:
                    if item is None:
                        self._report.unchanged += 1
                        self._progress()
                    else:
                        await out.send(item)

    async def _item(self, file: File, limiter: anyio.CapacityLimiter) -> Item | None:
        """What is to be stored of a file; None if nothing is.

        Raises:
            Skip: It is left out.
            Refused: The same.
        """
        order, known = self._order, self._known.get(file.path)
        content, digest = await to_thread.run_sync(_read, self._root, file)
        self._report.read += len(content)
        if planning.is_settled(known, digest, order.wishes):
            return None
        made = await self._ready(file, content, limiter)
        if planning.is_same(known, digest, made.wished):
            return None
        change = planning.change(known, overwrite=order.overwrite)
        self._report.notes += [(file.path, note) for note in made.notes]
        return Item.of(file.path, change, known, content, digest, made)

    async def _ready(self, file: File, content: bytes, limiter: anyio.CapacityLimiter) -> Ready:
        """Starting a process takes as long as reading some dozens of small texts, which harm nobody."""
        order = self._order
        arguments = (order.tenant, order.collection, file.path, order.wishes, content)
        if len(content) <= self._light and recognised(file.path, content) in _TEXTS:
            self._light -= len(content)
            return await to_thread.run_sync(ready, *arguments)
        return await apart(ready, *arguments, limiter=limiter)

    async def _write_all(self, items: ObjectReceiveStream[Item]) -> None:
        batch: list[Item] = []
        weight = 0
        async with items:
            async for item in items:
                batch.append(item)
                weight += item.weight
                if len(batch) >= BATCH or weight >= BATCH_BYTES:
                    await self._write(batch)
                    batch, weight = [], 0
        if batch:
            await self._write(batch)

    async def _write(self, batch: Sequence[Item]) -> None:
        order, done = self._order, batch
        if not order.dry_run:
            rights = sorted({*self._rights, *(reader for item in batch for reader in item.ready.wished["readers"])})
            facts: dict[str, Any] = {"documents": self._named(batch)}
            try:
                async with self._journal.change(rights, facts) as transaction:
                    done = await storing.write(transaction, order.tenant, self._author, order.collection, batch)
                    facts["documents"] = self._named(done)
            except UniqueViolationError:
                raise Conflict(
                    f"Somebody wrote to {uri_of(order.collection)} meanwhile. Run the command again; it goes on."
                ) from None
        for item in done:
            self._report.changes[item.change].append(item.path)
        for item in batch:
            if item not in done:
                self._skip(item.path, _overtaken(item))
        self._progress()

    async def _put_away(self, gone: Mapping[str, Stored]) -> None:
        left = iter(sorted(gone.items()))
        while some := dict(islice(left, BATCH)):
            paths: Sequence[str] = list(some)
            if not self._order.dry_run:
                facts: dict[str, Any] = {"documents": self._named_gone(some)}
                async with self._journal.change(self._rights, facts) as transaction:
                    paths = await storing.archive(
                        transaction, self._order.tenant, self._author, self._order.collection, some
                    )
                    facts["documents"] = self._named_gone({path: some[path] for path in paths})
            self._report.changes["archived"] += paths
            self._progress()

    def _named(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        return [
            {
                **{"uri": uri_of(self._order.collection, item.path), "id": item.id, "change": item.change},
                **{"version": item.version, "digest": item.digest},
            }
            for item in items
        ]

    def _named_gone(self, gone: Mapping[str, Stored]) -> list[dict[str, Any]]:
        return [
            {"uri": uri_of(self._order.collection, path), "id": each.id, "change": "archived", "version": each.version}
            for path, each in gone.items()
        ]

    def _skip(self, path: str, skip: Skip) -> None:
        self._report.skipped.append(Skipped(printable(path), skip.code, skip.message))
        self._progress()


def _read(root: int, file: File) -> tuple[bytes, str]:
    content = opening.read(root, file.parts)
    return content, digest_of(content)


def _overtaken(item: Item) -> Skip:
    if item.before is None:
        return Skip("taken", "Somebody wrote a document of this URI meanwhile. Run the command again.")
    return Skip("moving", "Somebody changed the document meanwhile. Run the command again.")
