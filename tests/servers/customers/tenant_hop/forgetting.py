"""How controls of the matrix forget what something is bound to."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.state.cursors import SealedCursors


def changed(patch: pytest.MonkeyPatch, where: Any, name: str, place: int, change: Callable[[Any], Any]) -> None:
    """Call `where.name` with another argument at `place`; of a method, `self` is at 0."""
    plain = getattr(where, name)

    def called(*arguments: Any, **named: Any) -> Any:
        given = list(arguments)
        given[place] = change(given[place])
        return plain(*given, **named)

    patch.setattr(where, name, called)


def forget_in_cursors(patch: pytest.MonkeyPatch, place: int) -> None:
    """Leave one part of the caller out of what cursors are sealed for: tenant, issuer, subject, client, target."""
    plain = SealedCursors.__init__

    def forgetful(self: SealedCursors, *arguments: Any) -> None:
        plain(self, *arguments)
        del self._owner[place]  # pyright: ignore[reportPrivateUsage]

    patch.setattr(SealedCursors, "__init__", forgetful)
