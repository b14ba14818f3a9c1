from collections.abc import Callable
from typing import Any, cast

Sink = Callable[[dict[str, Any]], None]


class Events:
    """What happened here, for an audit: records that are ready for JSON and hold no secret.

    Every record has `event` and `time` (seconds since the epoch), and what of this is known: `client_id` (only of
    clients we know: an unknown one is whatever was sent), `subject`, `tenant`, `resource`, `scopes`, `session`.

    | event | adds |
    |---|---|
    | `client_registered` | `client_name`, `method`, `redirect_hosts` |
    | `client_document_read`, `client_document_refused` | `host`, `reason` |
    | `client_authentication_failed` | `method` |
    | `logged_in`, `login_refused` | `acr`; `reason` |
    | `consent_given`, `consent_denied` | `withheld`, `remembered` |
    | `token_issued` | `grant_type`, `jti`, `expires_at`, `refreshable`, `identity` |
    | `token_exchanged` | as `token_issued`, and `actors`: who acts, the present one first |
    | `exchange_refused` | `reason` |
    | `code_reused`, `refresh_reused` | `reason`; its session is revoked with it |
    | `revoked` | `kind`: `access`, or `refresh` with all of its session; `jti` |

    A record is handed over before the answer leaves. A sink that raises keeps the answer from leaving.
    """

    def __init__(self, sink: Sink | None, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock

    def report(self, event: str, **facts: Any) -> None:
        """Hand over one record; facts that are None are left out."""
        if self._sink is None:
            return
        told = {name: _plain(value) for name, value in facts.items() if value is not None}
        self._sink({"event": event, "time": self._clock(), **told})


def _plain(value: Any) -> Any:
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
