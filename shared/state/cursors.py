import base64
from collections.abc import Sequence
from typing import Any

import orjson

from shared.core.caller import Caller
from shared.core.errors import InvalidCursor
from shared.core.tool import Arguments
from shared.state.keys import CannotOpen, KeyRing


class SealedCursors:
    """Page positions only this caller can use, and only for the query they came from.

    Sealed and not merely signed: a position holds the sort key of a row, which may be personal data.
    """

    def __init__(self, ring: KeyRing, caller: Caller, target: str) -> None:
        self._ring = ring
        self._owner = [caller.tenant, caller.issuer, caller.subject, caller.client, target]

    def seal(self, position: Sequence[Any], query: Arguments) -> str:
        sealed = self._ring.seal(orjson.dumps(list(position)), self._bound_to(query))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, cursor: str, query: Arguments) -> list[Any]:
        """The position.

        Raises:
            InvalidCursor: It was not issued to this caller for this query.
        """
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            return orjson.loads(self._ring.open(sealed, self._bound_to(query)))
        except (CannotOpen, ValueError):
            raise InvalidCursor from None

    def _bound_to(self, query: Arguments) -> bytes:
        filters = query.model_dump(mode="json", exclude={"cursor", "limit"})
        return orjson.dumps([*self._owner, filters], option=orjson.OPT_SORT_KEYS)
