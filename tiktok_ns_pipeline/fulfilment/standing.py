"""How the shipments of one order stand: what staging makes of them now, and what TikTok was told.

The newest rows of the lake are staged again with the mapping as it is now. Nothing is written and no
system is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL, Fulfilment, StagedShipments, fulfilment_of
from tiktok_ns_pipeline.fulfilment.planning import facts_of, told_among
from tiktok_ns_pipeline.fulfilment.staging import Evidence, stage_shipments
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS, RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT, SHIPMENT
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import Order


@dataclass(frozen=True, slots=True)
class Standing:
    """The shipments of one order, as they stand."""

    shop: str
    fulfilments: tuple[Fulfilment, ...]
    staged: StagedShipments | None
    """None of an order of a shop that the mapping does not know."""
    intents: tuple[Intent, ...]
    exceptions: tuple[OpenException, ...]


def standing_of(settings: Settings, mapping: Mapping, clock: Clock, order_id: str) -> list[Standing]:
    """How an order's shipments stand; empty when no Item Fulfillment of it was ever read."""
    lake = Lake(settings.lake_url, clock)
    ledger = Ledger.open(settings.database_url, clock)
    try:
        rows = lake.current(RAW_NETSUITE_ITEM_FULFILLMENTS, "order_id = ?", [order_id])
        shops = sorted({row["shop"] for row in rows})
        return [
            _standing(mapping, lake, ledger, clock, shop, order_id, [r for r in rows if r["shop"] == shop])
            for shop in shops
        ]
    finally:
        lake.close()
        ledger.close()


def _standing(
    mapping: Mapping,
    lake: Lake,
    ledger: Ledger,
    clock: Clock,
    shop: str,
    order_id: str,
    rows: Sequence[dict[str, Any]],
) -> Standing:
    fulfilments = tuple(map(fulfilment_of, sorted(rows, key=lambda row: row["fulfilment_id"])))
    with ledger.read() as tx:
        told = told_among(tx, facts_of(shop, order_id, fulfilments))
        intents = [
            intent
            for kind in (SHIPMENT, CHANNEL_FULFILMENT)
            for fact in tx.intents.newest_of(CHANNEL, shop, kind, f"{order_id}.")
            for intent in tx.intents.history(fact)
        ]
        exceptions = [one for one in tx.exceptions.list(shop=shop) if order_id in one.subject]
    staged = None
    if (decided_by := mapping.shop_of(shop)) is not None:
        evidence = Evidence(order_id, fulfilments, _order(lake, shop, order_id), told.get(order_id, {}))
        staged = stage_shipments(evidence, decided_by, mapping.fulfilment, clock.now())
    return Standing(shop, fulfilments, staged, tuple(intents), tuple(exceptions))


def _order(lake: Lake, shop: str, order_id: str) -> Order | None:
    rows = lake.current(RAW_TIKTOK_ORDERS, "order_id = ?", [order_id], shop=shop)
    try:
        return Order.parse(exact_json.loads(rows[0]["payload"])) if rows else None
    except WireError:
        return None
