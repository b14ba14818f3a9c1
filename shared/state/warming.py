"""The embedded database, begun early."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.embedded import embedded_postgres


@contextmanager
def warmed(settings: Settings) -> Generator[None]:
    """Have the embedded database start while the body does something else; it is there as long as the body lasts.

    Whoever needs it still opens it, and is told what is wrong if it does not start (`open_services`).
    """
    if settings.database_url is not None or settings.profile == "fleet":
        yield
        return
    done = Event()

    def hold() -> None:
        with (
            suppress(Misconfigured),
            embedded_postgres(settings.data_dir / "postgres", source=settings.embedded_source),
        ):
            done.wait()

    holder = Thread(target=hold, name="embedded database")
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()
