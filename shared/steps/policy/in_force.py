"""The policies of one server as they are now: read at start, and again when a file changes."""

from pathlib import Path

import anyio
import structlog

from shared.core import metrics
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.steps.policy.rules import Rules, sources_of
from shared.steps.policy.statements import InvalidPolicy

log = structlog.get_logger("policy")

_LOOK_S = 2.0


class InForce:
    """The rules in force. New ones that cannot be used change nothing: the last good ones go on.

    Args:
        server: Whose.
        folder: Where a company's own policies are, if it has any.

    Attributes:
        refused: Why the files as they are now are not in force; empty when they are.

    Raises:
        Misconfigured: The policies cannot be used; the process must not start with them.
    """

    def __init__(self, server: Server, folder: Path | None = None) -> None:
        self._server = server
        self._folder = folder
        self._sources = sources_of(server, folder)
        self.refused: list[str] = []
        try:
            self.rules = Rules.of(server, self._sources)
        except InvalidPolicy as error:
            problems = "\n  ".join(error.problems)
            raise Misconfigured(f"The policies of {server.name} cannot be used:\n  {problems}") from None

    def look(self) -> None:
        """Read the files again, and put them in force if they changed and can be used."""
        try:
            sources = sources_of(self._server, self._folder)
            if sources == self._sources:
                return
            self._sources = sources
            rules = Rules.of(self._server, sources)
        except InvalidPolicy as error:
            self._refuse(error.problems)
        except Misconfigured as error:
            if [str(error)] != self.refused:
                self._refuse([str(error)])
        else:
            log.info("policy_changed", server=self._server.name, version=rules.version, before=self.rules.version)
            metrics.POLICY_RELOADS.add(self._server.name, "in_force")
            self.rules, self.refused = rules, []

    def _refuse(self, problems: list[str]) -> None:
        self.refused = problems
        metrics.POLICY_RELOADS.add(self._server.name, "refused")
        log.error("policy_refused", server=self._server.name, in_force=self.rules.version, problems=problems[:20])

    async def keep(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_S)
            await anyio.to_thread.run_sync(self.look)
