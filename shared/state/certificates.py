"""TLS contexts made of files, made anew when the files change: certificates are renewed without a restart.

Whoever opens a connection asks for the context as it is now. New files that cannot be used, half written ones above
all, leave the last good one in force; that is logged and counted, and tried again when they change once more.
"""

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from shared.core import metrics
from shared.core.errors import Misconfigured

SOON_S = 14 * 86_400.0
"""A certificate that ends within this is warned of."""

log = structlog.get_logger("certificates")

Signature = tuple[tuple[int, int, int] | None, ...]


class Renewed:
    """One context.

    Attributes:
        context: Of the newest files that could be used.
        ends: When the first certificate of each file ends, in seconds since the epoch.

    Args:
        make: Builds it from the files.
        certificates: What they are used for (`server`, `database_ca`, …) → the PEM file.
        others: Further files it is built from.

    Raises:
        Misconfigured: It cannot be built the first time; names the files.
    """

    def __init__(
        self, make: Callable[[], ssl.SSLContext], certificates: Mapping[str, Path], others: Sequence[Path] = ()
    ) -> None:
        self._make = make
        self._certificates = certificates
        self._files = [*certificates.values(), *others]
        self._looking = threading.Lock()
        self._seen = _signature(self._files)
        try:
            self.context = make()
            self.ends: Mapping[str, float] = self._read()
        except (OSError, ValueError) as error:
            names = ", ".join(map(str, self._files))
            raise Misconfigured(f"cannot use the certificates in {names}: {error}") from error

    def newest(self) -> ssl.SSLContext:
        """For one more connection, now."""
        self.look()
        return self.context

    def look(self) -> None:
        """See whether the files are others now; from any thread."""
        with self._looking:
            signature = _signature(self._files)
            if signature == self._seen:
                return
            self._seen = signature
            self._take_over()

    def _take_over(self) -> None:
        try:
            ends, context = self._read(), self._make()
        except (OSError, ValueError) as error:
            self._told("refused")
            log.error(
                "new certificates cannot be used; the last good ones go on", files=self._names, problem=str(error)
            )
            return
        self.context, self.ends = context, ends
        self._told("in_force")
        self.warn()
        log.info("new certificates are in force", files=self._names, ends=shown(min(ends.values())))

    def warn(self) -> None:
        """Say which certificates end soon."""
        for use, ends in self.ends.items():
            if ends - time.time() < SOON_S:
                log.warning("a certificate ends soon", use=use, file=str(self._certificates[use]), ends=shown(ends))

    @property
    def _names(self) -> str:
        return ", ".join(map(str, self._files))

    def _told(self, outcome: str) -> None:
        for use in self._certificates:
            metrics.CERTIFICATE_RELOADS.add(use, outcome)

    def _read(self) -> dict[str, float]:
        return {use: first_end(path.read_bytes()) for use, path in self._certificates.items()}


def first_end(pem: bytes) -> float:
    """When the first of the certificates ends, as seconds since the epoch.

    Raises:
        ValueError: There is none, or one cannot be read.
    """
    from cryptography import x509  # noqa: PLC0415 - on a laptop nothing has a certificate

    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))


def _signature(files: Sequence[Path]) -> Signature:
    return tuple(_of(path) for path in files)


def _of(path: Path) -> tuple[int, int, int] | None:
    """Of the file a link leads to: Kubernetes renews by turning links."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
