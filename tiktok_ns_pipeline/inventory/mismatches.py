"""The mismatch report: what TikTok lists without an item, and what NetSuite has without a listing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.goods.items import ItemIndex, NetSuiteItem
from tiktok_ns_pipeline.inventory.observing import stored_kits
from tiktok_ns_pipeline.inventory.offers import Offers
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS, RAW_TIKTOK_PRODUCTS
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.tiktok.slot import Slot

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class WithoutItem:
    """A TikTok SKU that is no NetSuite item."""

    shop: str
    sku_id: str
    seller_sku: str
    why: str


@dataclass(frozen=True, slots=True)
class WithoutListing:
    """A NetSuite item with stock that no shop lists."""

    item_id: str
    name: str
    available: Decimal


@dataclass(frozen=True, slots=True)
class Mismatches:
    """Both directions, and how much was looked at."""

    listed: int
    stocked: int
    without_item: list[WithoutItem]
    without_listing: list[WithoutListing]


def offers_as_landed(lake: Lake, tx: Transaction, mapping: Mapping, items: list[dict[str, Any]]) -> Offers:
    """The offers of all shops that publish, from what landed last; no system is asked."""
    offers = Offers(mapping)
    rows = lake.current(RAW_TIKTOK_PRODUCTS)
    published = {shop.code for shop in mapping.shops.values() if shop.stock.publishes}
    offers.learn_products(row for row in rows if row["shop"] in published)
    balances = tx.stock.of_account("tiktok")
    offers.learn_warehouses(Slot(*key[1:]) for key, one in balances.items() if one.read_at is not None)
    offers.learn_goods(ItemIndex(items), stored_kits(tx))
    offers.rebuild()
    return offers


def mismatches(ledger: Ledger, lake: Lake, mapping: Mapping) -> Mismatches:
    """The report as of what was read last, with the mapping as it is now."""
    items = lake.current(RAW_NETSUITE_ITEMS)
    with ledger.read() as tx:
        offers = offers_as_landed(lake, tx, mapping, items)
        balances = tx.stock.of_account("netsuite")
    locations = {each for warehouse in mapping.warehouses for each in mapping.stock_locations(warehouse)}
    available: dict[str, Decimal] = {}
    for key, balance in balances.items():
        if key.place in locations and balance.quantity > 0:
            available[key.sku] = available.get(key.sku, _ZERO) + balance.quantity
    listed = {draw.item_id for offer in offers.all() for draw in offer.draws}
    names = {item.item_id: item.name for item in map(NetSuiteItem.from_row, items)}
    return Mismatches(
        listed=len(offers),
        stocked=len(available),
        without_item=[
            WithoutItem(offer.shop, offer.sku_id, offer.seller_sku, trouble.problem.message)
            for offer in offers.all()
            for trouble in offer.troubles
            if trouble.subject.startswith("sku ")
        ],
        without_listing=[
            WithoutListing(item_id, names.get(item_id, ""), available[item_id])
            for item_id in sorted(available, key=int)
            if item_id not in listed
        ],
    )
