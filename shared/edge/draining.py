"""That this process was told to stop, for whoever has to do something about it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

Callback = Callable[[], None]


class Draining:
    """One a process; it goes two steps, each once, and never back.

    1. **Announced**, at the signal: readiness is red and answers carry `Connection: close`, so that balancers and
       clients turn elsewhere, while everything is still accepted and served for `drain_notice_s`.
    2. **Begun**, after that: we listen no more, and calls in flight have up to `drain_s` to finish. Streams that
       would stay open for ever must end now, properly: take `on_begin` or `wait` to hear of it.

    All of it belongs to the event loop's thread.
    """

    def __init__(self) -> None:
        self._announced = anyio.Event()
        self._begun = anyio.Event()
        self._callbacks: dict[object, Callback] = {}

    @property
    def announced(self) -> bool:
        """The process was told to stop, and still serves: take no new work in the background."""
        return self._announced.is_set()

    @property
    def begun(self) -> bool:
        """We listen no more: a stream opened now must end at once."""
        return self._begun.is_set()

    async def wait(self) -> None:
        """Return when the drain has begun; at once if it has."""
        await self._begun.wait()

    async def wait_announced(self) -> None:
        """Return when the process was told to stop; at once if it was."""
        await self._announced.wait()

    @contextmanager
    def on_begin(self, callback: Callback) -> Generator[None]:
        """Call `callback` when the drain begins, for as long as the context lasts; at once if it has begun.

        It is called in the event loop, so it must not wait: set an event, close a memory stream, cancel a scope.
        What it raises is not caught.
        """
        if self.begun:
            callback()
            yield
            return
        key = object()
        self._callbacks[key] = callback
        try:
            yield
        finally:
            self._callbacks.pop(key, None)

    def announce(self) -> None:
        """The signal came."""
        self._announced.set()

    def begin(self) -> None:
        """The notice is over. Called twice, it does nothing the second time."""
        if self.begun:
            return
        self._announced.set()
        self._begun.set()
        callbacks, self._callbacks = self._callbacks, {}
        for callback in callbacks.values():
            callback()
