"""How the stock of a SKU stands: every term of its numbers, what moved it last, and why nothing is pushed.

It is decided anew from the books with the mapping as it is now; nothing is written and no system asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.goods.items import NetSuiteItem
from tiktok_ns_pipeline.inventory.deciding import Decider
from tiktok_ns_pipeline.inventory.levels import Level
from tiktok_ns_pipeline.inventory.mismatches import offers_as_landed
from tiktok_ns_pipeline.inventory.offers import Offer
from tiktok_ns_pipeline.inventory.planning import stock_fact
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS, TIKTOK_STOCK_LEVELS
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.ledger.stock import Position
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.slot import Slot

_MOVEMENTS = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """One SKU of one shop, as it stands."""

    offer: Offer
    levels: dict[Slot, Level]
    shown: dict[Slot, int]
    movements: tuple[Position, ...]
    """The newest of TikTok's number and of its items, newest first."""
    pushes: tuple[dict[str, Any], ...]
    """The last one of each warehouse."""
    intent: Intent | None
    exceptions: tuple[OpenException, ...]
    names: dict[str, str]
    """What the items of one unit are called in NetSuite, by id."""


def standing_of(
    settings: Settings, mapping: Mapping, clock: Clock, name: str, shop: str = ""
) -> list[Standing]:
    """How the SKUs stand that are called so: by seller SKU, TikTok SKU id or NetSuite item name."""
    lake = Lake(settings.lake_url, clock)
    ledger = Ledger.open(settings.database_url, clock)
    try:
        items = lake.current(RAW_NETSUITE_ITEMS)
        names = {one.item_id: one.name for one in map(NetSuiteItem.from_row, items)}
        ids = {item_id for item_id, called in names.items() if called == name}
        with ledger.read() as tx:
            offers = offers_as_landed(lake, tx, mapping, items)
            decider = Decider(mapping, offers, settings.poll_s)
            decider.load(tx)
            decider.learn_demand(tx, clock.now())
            found: list[Standing] = []
            for offer in offers.all():
                called = name in (offer.sku_id, offer.seller_sku) or ids & offer.parts.keys()
                if not called or (shop and offer.shop != shop):
                    continue
                decision = decider.decide(tx, offers.around([offer.key]), clock.now())
                rows = tx.stock.positions("tiktok", offer.sku_id, shop=offer.shop, limit=_MOVEMENTS)
                locations = {
                    each for slot in offer.slots for each in mapping.stock_locations(slot.warehouse_id)
                }
                for item_id in offer.parts:
                    for location in sorted(locations):
                        rows += tx.stock.positions("netsuite", item_id, place=location, limit=_MOVEMENTS)
                    rows += tx.stock.positions("uncommitted", item_id, limit=_MOVEMENTS)
                subjects = {f"sku {offer.sku_id}", *(f"item {each}" for each in offer.parts)}
                found.append(
                    Standing(
                        offer=offer,
                        levels={
                            slot: decision.levels[slot] for slot in offer.slots if slot in decision.levels
                        },
                        shown={slot: units for slot, units in decision.shown.items() if slot in offer.slots},
                        movements=tuple(sorted(rows, key=lambda row: -row.id)[: 2 * _MOVEMENTS]),
                        pushes=tuple(
                            lake.current(TIKTOK_STOCK_LEVELS, "sku_id = ?", [offer.sku_id], shop=offer.shop)
                        ),
                        intent=tx.intents.newest([stock_fact(offer.key)]).get(stock_fact(offer.key)),
                        exceptions=tuple(
                            one
                            for one in tx.exceptions.list()
                            if one.subject in subjects and one.shop in {offer.shop, "*"}
                        ),
                        names={item_id: names[item_id] for item_id in offer.parts if item_id in names},
                    )
                )
            return found
    finally:
        lake.close()
        ledger.close()
