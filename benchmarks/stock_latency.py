"""How long a change in NetSuite takes to be shown by TikTok, with the real daemon, and where the time goes.

Somebody counts in NetSuite at an even rate, each time another SKU or Location. The first counts find the
pipeline idle and pay for the sensor's tick and the start of a run; the others find a run at work. Each
one's time is divided:

    noticed    until a run was asked for; nothing where one was at work
    started    until it worked
    booked     until the change was in the books: the wait for the next look, and NetSuite's answer
    decided    until the push was planned
    pushed     until TikTok had taken it
    visible    until TikTok's number was seen from outside
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import dagster as dg
import httpx
import sqlalchemy as sa

from benchmarks.latency import AT_MOST_S, at_rate, stack, waiting_times
from benchmarks.stand import Stand, percentile
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import TIKTOK_STOCK_LEVELS
from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.sandbox.catalogue import SINGLES, shop_of
from tiktok_ns_pipeline.sandbox.judge_stock import POOLS

PLAIN = SINGLES[20:]
"""Listed once, in no kit and no pack."""

PARTS = ("noticed", "started", "booked", "decided", "pushed", "visible")
_SHOP = "us"
_QUIET_S = 60.0
_COUNTS_PER_S = 0.5
_FIRST_RUN_S = 600.0
"""So long may a cold start with all its pushes take."""

Key = tuple[str, str]
"""TikTok SKU id and warehouse id."""


@dataclass(slots=True)
class Change:
    """A count in NetSuite."""

    item_id: str
    location: str
    units: int
    at: float
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Run:
    asked: float
    began: float


def stock_latency(seconds: float) -> dict[str, Any]:
    """Count for so long, and tell how long TikTok showed another number."""
    places = [(one, warehouse) for warehouse in shop_of(_SHOP).warehouses for one in PLAIN]
    places = places[: int(_COUNTS_PER_S * seconds)]
    changes: dict[Key, Change] = {}
    with stack() as stood, httpx.Client(base_url=stood.urls.control, timeout=30) as control:
        # The first run of all reads listings and pushes what NetSuite has of everything.
        first = {(one.sku_id, warehouse): Change("", "", 5_000, 0.0) for one, warehouse in places}
        _wait_for(control, first, _FIRST_RUN_S)
        _let_it_rest(stood)
        for number, (listing, warehouse) in at_rate(list(enumerate(places)), _COUNTS_PER_S):
            change = Change(item_of(listing.seller_sku), POOLS[warehouse][0], 100 + number, time.time())
            changes[(listing.sku_id, warehouse)] = change
            counted = {"item_id": change.item_id, "location_id": change.location, "on_hand": change.units}
            control.post("/stock", json=counted).raise_for_status()
            _see(control, changes)
        _wait_for(control, changes)
        parts = _parts(stood, changes)
    waited = [change.seen_at - change.at for change in changes.values()]
    return {
        "changes": len(changes),
        "changes_per_s": _COUNTS_PER_S,
        **waiting_times(waited),
        "found_a_run_at_work": sum(part["noticed"] == 0 and part["started"] == 0 for part in parts),
        "parts": {
            name: {
                "p50_s": percentile([part[name] for part in parts], 0.5),
                "p95_s": percentile([part[name] for part in parts], 0.95),
            }
            for name in PARTS
        },
    }


def item_of(sku: str) -> str:
    """Internal id of a SKU in the sandbox's NetSuite."""
    return str(300 + int(sku[-3:]))


def _let_it_rest(stood: Stand) -> None:
    """Until no run is at work: what comes next waits for the sensor, as after any quiet minutes."""
    time.sleep(_QUIET_S)
    ends = time.time() + AT_MOST_S
    with dg.DagsterInstance.from_config(str(stood.folder / "dagster")) as instance:
        at_work = dg.RunsFilter(job_name="stock_job", statuses=[dg.DagsterRunStatus.STARTED])
        while instance.get_run_records(at_work) and time.time() < ends:
            time.sleep(1)


def _wait_for(control: httpx.Client, changes: Mapping[Key, Change], at_most_s: float = AT_MOST_S) -> None:
    """Until TikTok shows all of them; RuntimeError where it never does."""
    ends = time.time() + at_most_s
    while not all(change.seen_at for change in changes.values()):
        _see(control, changes)
        if time.time() > ends:
            missing = sum(not change.seen_at for change in changes.values())
            raise RuntimeError(f"TikTok does not show {missing} of {len(changes)} counts")
        time.sleep(0.2)


def _see(control: httpx.Client, changes: Mapping[Key, Change]) -> None:
    """Note what TikTok shows by now."""
    rows = control.get("/stock", params={"shop": _SHOP}).raise_for_status().json()["stock"]
    now = time.time()
    shown = {(row["sku_id"], row["warehouse_id"]): row["available"] for row in rows}
    for key, change in changes.items():
        if not change.seen_at and shown.get(key) == change.units:
            change.seen_at = now


def _parts(stood: Stand, changes: Mapping[Key, Change]) -> list[dict[str, float]]:
    """Seconds of each change by part, as ledger, lake and Dagster tell them."""
    runs = _runs(stood)
    lake = Lake(stood.settings.lake_url, SystemClock())
    ledger = Ledger.open(stood.settings.database_url)
    try:
        rows = lake.current(TIKTOK_STOCK_LEVELS, shop=_SHOP)
        pushes = {(row["sku_id"], row["warehouse_id"]): row for row in rows}
        planned = _planned(ledger, [int(row["version"].partition(".")[0] or 0) for row in rows])
        found: list[dict[str, float]] = []
        with ledger.read() as tx:
            for key, change in changes.items():
                push = pushes[key]
                [booked, *_] = tx.stock.positions("netsuite", change.item_id, place=change.location, limit=1)
                run = [one for one in runs if one.began <= booked.at.timestamp()][-1]
                instants = [
                    run.asked,
                    run.began,
                    booked.at.timestamp(),
                    planned.get(int(push["version"].partition(".")[0] or 0), 0.0),
                    push["pushed_at"].timestamp(),
                    change.seen_at,
                ]
                found.append(dict(zip(PARTS, _steps(change.at, instants), strict=True)))
        return found
    finally:
        lake.close()
        ledger.close()


def _steps(began: float, instants: Sequence[float]) -> list[float]:
    """How long each step took; one that was over before the last one ended took nothing."""
    steps: list[float] = []
    for instant in instants:
        steps.append(max(0.0, instant - began))
        began = max(began, instant)
    return steps


def _runs(stood: Stand) -> list[_Run]:
    """The stock runs, in the order in which they began."""
    with dg.DagsterInstance.from_config(str(stood.folder / "dagster")) as instance:
        records = instance.get_run_records(dg.RunsFilter(job_name="stock_job"))
    found = [
        _Run(record.create_timestamp.astimezone(UTC).timestamp(), record.start_time)
        for record in records
        if record.start_time is not None
    ]
    return sorted(found, key=lambda run: run.began)


def _planned(ledger: Ledger, ids: Sequence[int]) -> dict[int, float]:
    """When intents were planned."""
    table = schema.intents
    with ledger.engine.connect().execution_options(ledger_writes=False) as connection:
        rows = connection.execute(sa.select(table.c.id, table.c.created_at).where(table.c.id.in_(ids)))
        return {row.id: row.created_at.timestamp() for row in rows}
