"""How long an endpoint asks to wait, and when that is too long."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from engine.models.base import ModelError
from engine.models.faults import come_back
from tests.support.bench import bench
from tests.support.openai_server import Reply, answer, in_turn


def told(body: Any, status: int, **headers: str) -> Reply:
    return Reply([json.dumps(body).encode()], status, {"content-type": "application/json"} | headers)


def in_hours(hours: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"error": "busy"}, {"retry-after": "86400"}),
        ({"error": "busy"}, {"retry-after": "3600"}),
        ({"error": "busy"}, {"retry-after": in_hours(5)}),
        ({"error": "busy"}, {"retry-after-ms": "7200000"}),
        ({"error": "Rate limit reached. Please try again in 2h15m30.5s."}, {}),
        ({"error": {"message": "quota", "details": [{"retryDelay": "86000s"}]}}, {}),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_of_hours_ends_the_call_and_says_when_to_come_back(
    status: int, body: Any, headers: dict[str, str]
) -> None:
    async with bench(lambda _: told(body, status, **headers)) as b:
        with pytest.raises(ModelError, match=r"come back in \d+ (hours|minutes), at [\d-]* ?\d\d:\d\d"):
            await b.ask()
    assert (len(b.server.requests), b.waits) == (1, [])


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        ({"error": "Rate limit reached. Please try again in 1.5s."}, {}, 1.5),
        ({"error": "Please retry after 20 seconds"}, {}, 20.0),
        ({"error": "Please try again in 250ms"}, {}, 0.25),
        ({"error": "try again in 1m2s"}, {}, 62.0),
        ({"error": {"message": "quota", "details": [{"retryDelay": "34.5s"}]}}, {}, 34.5),
        ({"error": "try again in 9s"}, {"retry-after": "2"}, 2.0),
        ({"error": "busy"}, {"retry-after-ms": "300"}, 0.3),
    ],
)
async def test_short_waits_are_kept(body: Any, headers: dict[str, str], wait: float) -> None:
    async with bench(in_turn(told(body, 429, **headers), answer("ok"))) as b:
        await b.ask()
    assert b.waits == [pytest.approx(wait)]


def test_when_to_come_back_is_local_time() -> None:
    now = datetime(2026, 3, 1, 22, 30, tzinfo=timezone(timedelta(hours=2)))
    assert come_back(600, now) == "it asks to come back in 10 minutes, at 22:40"
    assert come_back(3 * 3600, now) == "it asks to come back in 3 hours, at 2026-03-02 01:30"
