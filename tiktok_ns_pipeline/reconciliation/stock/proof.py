"""The proof of stock over all shops: read both systems, join, look again at what is wrong, land it.

Both systems move while they are read, and NetSuite's own movements are published with its next
snapshot. So what is wrong is looked at again after some seconds, and once more after a snapshot had
time to pass: a difference counts as far as it stood in every look.

A proof that could not take place lands that, and leaves the last verdicts as they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    ACCOUNT_WIDE,
    STOCK_RECONCILIATION,
    STOCK_RECONCILIATION_STATEMENTS,
)
from tiktok_ns_pipeline.mapping.models import Mapping as SellerMapping
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources
from tiktok_ns_pipeline.reconciliation.results import NotRun
from tiktok_ns_pipeline.reconciliation.stock.join import (
    covers_standing,
    judge_covers,
    judge_levels,
    standing,
)
from tiktok_ns_pipeline.reconciliation.stock.model import (
    Cover,
    Level,
    Reading,
    Stock,
    StockProof,
    Verdict,
    not_run,
)
from tiktok_ns_pipeline.reconciliation.stock.reading import StockReader

_SECONDS_APART = 10.0
_SNAPSHOT_TAKES = timedelta(minutes=1)

_LOOKED_AT_AGAIN = (Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS, Verdict.WAITING)


async def prove_stock(
    sources: Mapping[str, Sources],
    unopened: Mapping[str, NotRun],
    lake: Lake,
    mapping: SellerMapping,
    clock: Clock,
    run_id: str,
) -> StockProof:
    """Prove the stock of these shops together and land what was concluded. `unopened` says of each other
    shop of the mapping why it could not be asked."""
    try:
        proof = await _proved(sources, mapping) if sources else StockProof((), (), clock.now(), clock.now())
    except SideUnread as unread:
        proof = not_run(unread.side, unread.reason, clock.now(), sources)
    proof = replace(proof, unread={**proof.unread, **unopened})
    _land(proof, lake, mapping, run_id)
    return proof


def pauses(mapping: SellerMapping) -> tuple[float, ...]:
    """Seconds before each further look at what is wrong: a short one, then as long as NetSuite's next
    snapshot may take to be published, within the grace."""
    snapshot = timedelta(minutes=mapping.stock.snapshot_minutes) + _SNAPSHOT_TAKES
    longest = min(timedelta(minutes=mapping.reconciliation.grace_minutes), snapshot).total_seconds()
    soon = min(_SECONDS_APART, longest)
    return (soon, longest - soon) if longest > soon else (soon,)


async def _proved(sources: Mapping[str, Sources], mapping: SellerMapping) -> StockProof:
    grace = timedelta(minutes=mapping.reconciliation.grace_minutes)
    reader = await StockReader.opened(sources)
    reading = await reader.look()
    levels, covers = judge_levels(reading, grace=grace), judge_covers(reading)
    for pause in pauses(mapping):
        suspects = _suspects(levels, covers)
        if not suspects:
            break
        await asyncio.sleep(pause)
        again = await reader.look(suspects)
        keys = {level.slot.key for level in levels if level.verdict in _LOOKED_AT_AGAIN}
        later = [level for level in judge_levels(again, grace=grace) if level.slot.key in keys]
        levels = standing(levels, later)
        covers = covers_standing(covers, (one for one in judge_covers(again) if one.stock in suspects))
    proved = tuple(level for level in levels if level.slot.shop not in reader.unread)
    return StockProof(
        levels=proved,
        covers=covers,
        tiktok_read_at=reading.tiktok_read_at,
        netsuite_read_at=reading.netsuite_read_at,
        open_orders=reading.open_orders,
        unread=dict(reader.unread),
        available=_available(proved, reading),
        claimed=sum((cover.claimed for cover in covers), Decimal(0)),
    )


def _suspects(levels: Iterable[Level], covers: Iterable[Cover]) -> set[Stock]:
    """The stock that is worth another look."""
    doubted = {stock for level in levels if level.verdict in _LOOKED_AT_AGAIN for stock in level.slot.stocks}
    return doubted | {cover.stock for cover in covers if cover.is_oversold}


def _available(levels: Sequence[Level], reading: Reading) -> Decimal:
    """What NetSuite has of all that compared slots draw on, each place counted once."""
    places = {
        (item_id, location)
        for level in levels
        if level.slot.standing == "published"
        for item_id, pool in level.slot.stocks
        for location in pool
    }
    return sum((reading.available.get(place, Decimal(0)) for place in places), Decimal(0))


def _land(proof: StockProof, lake: Lake, mapping: SellerMapping, run_id: str) -> None:
    """The verdicts by shop, under its business day; items and the statement for the account, by UTC day."""
    at = proof.tiktok_read_at
    today = at.astimezone(UTC).date()
    if not proof.is_not_run:
        for code, shop in mapping.shops.items():
            if code not in proof.unread:
                rows = [_level_row(level, proof) for level in proof.levels if level.slot.shop == code]
                day = at.astimezone(shop.zone).date()
                lake.land(STOCK_RECONCILIATION, rows, shop=code, day=day, run_id=run_id)
        rows = [_cover_row(cover, proof) for cover in proof.covers]
        lake.land(STOCK_RECONCILIATION, rows, shop=ACCOUNT_WIDE, day=today, run_id=run_id)
    statement = _statement_row(proof)
    lake.land(STOCK_RECONCILIATION_STATEMENTS, [statement], shop=ACCOUNT_WIDE, day=today, run_id=run_id)


def _level_row(level: Level, proof: StockProof) -> dict[str, Any]:
    slot = level.slot
    return {
        "aspect": "level",
        "subject": f"{slot.sku_id} at {slot.warehouse_id}",
        "verdict": level.verdict.value,
        "is_wrong": level.is_wrong,
        "sku_id": slot.sku_id,
        "seller_sku": slot.seller_sku or None,
        "warehouse_id": slot.warehouse_id,
        "items": ", ".join(sorted(slot.draws)) or None,
        "locations": ", ".join(slot.pool) or None,
        "shown": slot.shown,
        "may_show": level.may_show,
        "difference": level.difference,
        "note": level.note or None,
        **_instants(proof),
    }


def _cover_row(cover: Cover, proof: StockProof) -> dict[str, Any]:
    item_id, pool = cover.stock
    return {
        "aspect": "cover",
        "subject": f"{item_id} at {', '.join(pool)}",
        "verdict": "oversold" if cover.is_oversold else "covered",
        "is_wrong": cover.is_oversold,
        "items": item_id,
        "locations": ", ".join(pool),
        "available": cover.available,
        "claimed": cover.claimed,
        "backordered": cover.backordered,
        "oversold": cover.oversold if cover.available is not None else None,
        "orders": ", ".join(cover.orders) or None,
        "note": None if cover.available is not None else "NetSuite tells no stock of it",
        **_instants(proof),
    }


def _statement_row(proof: StockProof) -> dict[str, Any]:
    row = {
        "statement": proof.statement,
        "not_run": ", ".join(sorted(proof.unread)) or None,
        "proved_at": proof.tiktok_read_at,
    }
    if proof.is_not_run:
        return row
    return row | {
        "levels": len(proof.levels),
        "shown": proof.shown,
        "available": proof.available,
        "claimed": proof.claimed,
        "shown_beyond": proof.units(Verdict.SHOWS_MORE_THAN_EXISTS),
        "not_shown": proof.units(Verdict.SHOWS_LESS),
        "oversold": sum((cover.oversold for cover in proof.oversold), Decimal(0)),
        "differences": len(proof.wrong) + len(proof.oversold),
    }


def _instants(proof: StockProof) -> dict[str, Any]:
    return {"tiktok_read_at": proof.tiktok_read_at, "netsuite_read_at": proof.netsuite_read_at}
