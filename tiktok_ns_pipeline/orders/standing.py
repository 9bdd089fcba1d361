"""How one order stands: what staging makes of it now, and how far its Sales Order has come.

The newest raw order of the lake is staged again with the mapping as it is now, which also answers
«what would this correction of the mapping do?» before any run acts on it (`explain` shows it).
Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.flows.shops import mapped_shops
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS, RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.orders.flow import price_detail_could_tell
from tiktok_ns_pipeline.orders.outcome import Outcome
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.runtime import open_runtime
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.errors import TikTokError


@dataclass(frozen=True, slots=True)
class Standing:
    """One order of one shop, as it stands."""

    shop: str
    read_at: datetime
    outcome: Outcome
    notes: tuple[str, ...]
    """What a reader of the outcome must know about how it was found."""
    intents: tuple[Intent, ...]
    """Every revision of the Sales Order and of the reference at TikTok, oldest first."""
    link: Link | None
    exceptions: tuple[OpenException, ...]


async def standing_of(settings: Settings, mapping: Mapping, clock: Clock, order_id: str) -> list[Standing]:
    """How an order stands; empty when no run has ever read it. Several where shops share its id.

    Where only TikTok's own calculation can settle the amounts (T 3.7), it is asked for.
    """
    lake = Lake(settings.lake_url, clock)
    ledger = Ledger.open(settings.database_url, clock)
    try:
        rows = lake.current(RAW_TIKTOK_ORDERS, "order_id = ?", [order_id])
        items = lake.current(RAW_NETSUITE_ITEMS) if rows else []
        staged = [await _staged(settings, mapping, row, ItemIndex(items)) for row in rows]
        with ledger.read() as tx:
            return [
                _standing(tx, row, outcome, notes, items_read=bool(items))
                for row, (outcome, notes) in zip(rows, staged, strict=True)
            ]
    finally:
        lake.close()
        ledger.close()


async def _staged(
    settings: Settings, mapping: Mapping, row: dict[str, Any], items: ItemIndex
) -> tuple[Outcome, list[str]]:
    raw = exact_json.loads(row["payload"])
    outcome = stage_order(raw, row["shop"], mapping, items)
    if not price_detail_could_tell(outcome):
        return outcome, []
    try:
        detail = await _price_detail(settings, row["shop"], outcome.order_id)
    except TikTokError as error:
        return outcome, [f"TikTok's price detail, which could settle the amounts, could not be read: {error}"]
    if detail is None:
        return outcome, []
    outcome = stage_order(raw, row["shop"], mapping, items, detail)
    return outcome, ["staged with TikTok's price detail (T 3.7)"]


async def _price_detail(settings: Settings, shop_code: str, order_id: str) -> dict[str, Any] | None:
    async with open_runtime(settings) as runtime:
        for _shop, access in await mapped_shops(runtime, (shop_code,)):
            return await runtime.tiktok.price_detail(access, order_id)
    return None


def _standing(
    tx: Transaction, row: dict[str, Any], outcome: Outcome, notes: Sequence[str], *, items_read: bool
) -> Standing:
    fact, reference = (
        FactKey(row["channel"], row["shop"], kind, row["order_id"]) for kind in (SALES_ORDER, REFERENCE)
    )
    unread = () if items_read else ("no items were ever read from NetSuite, so no SKU can be resolved",)
    return Standing(
        shop=row["shop"],
        read_at=row["read_at"],
        outcome=outcome,
        notes=(*notes, *unread),
        intents=(*tx.intents.history(fact), *tx.intents.history(reference)),
        link=tx.links.find(fact),
        exceptions=tuple(
            exception
            for exception in tx.exceptions.list(states=(), subject=f"order {row['order_id']}")
            if exception.shop in {row["shop"], "*"}
        ),
    )
