"""What billing reads in NetSuite: periods once an hour, or not at all where the role does not see them."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

from tests.netsuite.scripted_server import Answer, ScriptedServer, StoppedClock, client_of, problem
from tiktok_ns_pipeline.billing.reading import BillingReader

JUNE = date(2026, 6, 1)
PERIOD: dict[str, Any] = {
    "links": [],
    "id": "78",
    "periodname": "Jun 2026",
    "starts_on": "2026-06-01",
    "ends_on": "2026-06-30",
}


def shown(*rows: dict[str, Any]) -> Answer:
    count = len(rows)
    return Answer(
        200,
        {
            "links": [],
            "count": count,
            "hasMore": False,
            "items": list(rows),
            "offset": 0,
            "totalResults": count,
        },
    )


def test_periods_are_read_once_an_hour_or_when_somebody_knows_better() -> None:
    clock = StoppedClock()
    server = ScriptedServer([shown(PERIOD), shown({**PERIOD, "closed": "T"})])
    reader = BillingReader(client_of(server, clock=clock), clock, "custcol_key")

    async def story() -> list[bool]:
        found = [(await reader.periods()).is_open(JUNE)]
        clock.pass_(timedelta(minutes=59))
        found.append((await reader.periods()).is_open(JUNE))
        found.append((await reader.periods(not_before=clock.now())).is_open(JUNE))
        return found

    assert asyncio.run(story()) == [True, True, False]
    assert len(server.requests) == 2


def test_where_the_role_does_not_see_periods_every_day_is_tried() -> None:
    sentence = "Search error occurred: Record 'accountingperiod' was not found."
    server = ScriptedServer([problem(400, "INVALID_PARAMETER", sentence)])
    reader = BillingReader(client_of(server), StoppedClock(), "custcol_key")
    assert asyncio.run(reader.periods()).posting_day(JUNE) == JUNE
