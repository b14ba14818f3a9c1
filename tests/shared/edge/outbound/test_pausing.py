from datetime import UTC, datetime

import httpx
import pytest

from shared.edge.outbound.pausing import Pause, asked_for

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def pause_of(status: int, **headers: str) -> float:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asked_for(httpx.Response(status, headers=named), lambda: NOW)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry_after": "17"}, 17),
        (503, {"retry_after": "17"}, 17),
        (500, {"retry_after": "17"}, 0),
        (429, {"retry_after": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30),
        (429, {"retry_after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        (429, {"retry_after": "-5"}, 0),
        (429, {"retry_after": "soon"}, 1),
        (429, {}, 1),
        (429, {"retry_after": "99999999"}, 3600),
        (429, {"x_ratelimit_reset": "2026-03-01T12:01Z"}, 60),
        (200, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "2026-03-01T12:00:20Z"}, 20),
        (200, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW.timestamp()) + 9)}, 9),
        (200, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "whenever"}, 0),
        (200, {"x_ratelimit_remaining": "3", "x_ratelimit_reset": "2026-03-01T12:00:20Z"}, 0),
        (200, {"retry_after": "17"}, 0),
    ],
)
def test_what_the_other_side_asks_for_is_read(status: int, headers: dict[str, str], seconds: float) -> None:
    assert pause_of(status, **headers) == seconds


def test_of_several_pauses_the_longest_counts() -> None:
    now = [100.0]
    pause = Pause(lambda: now[0])
    pause.heard(5)
    pause.heard(1)
    assert pause.left_s == 5
    now[0] += 6
    assert pause.left_s == 0
