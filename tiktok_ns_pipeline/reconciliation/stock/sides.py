"""What each system says of stock, in the words of the proof.

A raw product and its stock become `Slot`s, a raw order becomes what it `Wanted`. What a SKU is in
NetSuite follows from the items and kits as they were read now and from the mapping: the rules that
orders are posted by. What cannot be read stays in the proof, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.resolving import resolve_unit
from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.mapping.models import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.reconciliation.fulfilments.sides import packed_by
from tiktok_ns_pipeline.reconciliation.sides import is_left_out
from tiktok_ns_pipeline.reconciliation.stock.model import Blind, Pool, Slot, Standing, Stock, Wanted
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.identities import active_lines
from tiktok_ns_pipeline.tiktok.models import CombinedListingSku, LineItem, Order
from tiktok_ns_pipeline.tiktok.product_models import ListedSku, Listing, SkuStock

_ON_SALE = "ACTIVATE"
_DEACTIVATED = "DEACTIVATED"
_BUNDLE = "COMBINED_PRODUCT"

_COMMITS_NOTHING = frozenset({"A", "C", "H"})
"""Pending approval, cancelled, closed (N 2.12): such a Sales Order holds no stock for its order."""

Draws = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Goods:
    """What SKUs are in NetSuite."""

    mapping: SellerMapping
    items: ItemIndex
    members: Mapping[str, Sequence[tuple[str, Decimal]]]
    """What each kit item consists of (item id, quantity), by the kit's item id."""

    def draws(
        self, sku_id: str, seller_sku: str, components: tuple[CombinedListingSku, ...] = ()
    ) -> Draws | str:
        """NetSuite units of each stocked item in one TikTok unit, or why that cannot be told."""
        sums: dict[str, Decimal] = {}
        for found in resolve_unit(sku_id, seller_sku, components, self.mapping, self.items):
            if isinstance(found, Problem):
                return found.message
            for part in found.parts:
                try:
                    self._open(part.item_id, Decimal(part.quantity), sums, ())
                except ValueError as error:
                    return str(error)
        return sums

    def opened(self, item_id: str) -> Draws:
        """An item as its own unit, a kit item as its members; itself where it contains itself."""
        sums: dict[str, Decimal] = {}
        try:
            self._open(item_id, Decimal(1), sums, ())
        except ValueError:
            return {item_id: Decimal(1)}
        return sums

    def _open(
        self, item_id: str, quantity: Decimal, sums: dict[str, Decimal], inside: tuple[str, ...]
    ) -> None:
        if item_id in inside:
            raise ValueError(f"kit item {item_id} contains itself in NetSuite")
        if item_id not in self.members:
            sums[item_id] = sums.get(item_id, Decimal(0)) + quantity
            return
        for member, count in self.members[item_id]:
            self._open(member, quantity * count, sums, (*inside, item_id))


def slots_of(raw: Mapping[str, Any], stock: Mapping[str, SkuStock], shop: Shop, goods: Goods) -> list[Slot]:
    """What TikTok shows of a raw product; `stock` is by SKU id. Never raises: a product that cannot be
    read is one slot that says so."""
    try:
        listing = Listing.parse(raw)
    except WireError as wrong:
        name = f"product {raw.get('id') or 'without an id'}"
        reason = f"the product cannot be read: {wrong.field} {wrong.reason}"
        return [Slot(shop.code, name, "", "", None, "unclear", reason)]
    return [slot for sku in listing.skus for slot in _slots_of_sku(listing, sku, stock, shop, goods)]


def sku_ids_in(raw: Mapping[str, Any]) -> list[str]:
    """The SKUs of a raw product of which there is stock to compare."""
    try:
        return [sku.sku_id for sku in Listing.parse(raw).skus]
    except WireError:
        return []


def is_deleted(raw: Mapping[str, Any]) -> bool:
    """Whether a raw product is gone for good; searches list it all the same (T 5.1)."""
    return raw.get("status") == "DELETED"


def wanted_of(
    raw: Mapping[str, Any],
    sales: Iterable[Mapping[str, str]],
    backorders: Mapping[str, Sequence[tuple[str, Decimal]]],
    shop: Shop,
    goods: Goods,
) -> list[Wanted] | Blind:
    """What an open order wants of which stock, or that this cannot be told. Nothing where TikTok packs it,
    where it will never have a Sales Order, and of SKUs that NetSuite does not have.

    `sales` are its Sales Orders as SuiteQL has them; `backorders` are (item id, quantity) that NetSuite
    could not commit, by the Sales Order's id.
    """
    mapping = goods.mapping
    try:
        order = Order.parse(raw)
    except WireError as wrong:
        what = f"order {order_name(raw)} cannot be read: {wrong.field} {wrong.reason}"
        items = _items_named(raw, goods)
        return Blind(what, None if items is None else frozenset(_any_pool(items, mapping)))
    if packed_by(order, mapping) == "channel" or is_left_out(order, shop, mapping.special_orders):
        return []
    lines = [line for line in active_lines(order) if not _is_skipped_gift(line, mapping)]
    draws = _ordered(lines, goods)
    pool = pool_of(order, shop, mapping)
    if pool is None:
        what = f"order {order.id} names no warehouse"
        return Blind(what, frozenset(_any_pool(draws, mapping)))
    live = [sale["id"] for sale in sales if sale.get("status") not in _COMMITS_NOTHING]
    short: dict[str, Decimal] = {}
    for sale_id in live:
        for item_id, quantity in backorders.get(sale_id, ()):
            for opened, count in goods.opened(item_id).items():
                short[opened] = short.get(opened, Decimal(0)) + quantity * count
    return [
        Wanted(
            shop=shop.code,
            order_id=order.id,
            stock=(item_id, pool),
            quantity=quantity,
            is_claim=not live,
            placed_at=order.create_time,
            backordered=min(quantity, short.get(item_id, Decimal(0))),
        )
        for item_id, quantity in draws.items()
        if pool
    ]


def pool_of(order: Order, shop: Shop, mapping: SellerMapping) -> Pool | None:
    """The pool that an order is served from: its warehouse's (empty where that is not mapped), else the one
    with the shop's own Location; None where it names none."""
    if order.warehouse_id:
        return mapping.stock_locations(order.warehouse_id)
    return next((pool for pool in _pools(mapping) if shop.location_id in pool), None)


def _slots_of_sku(
    listing: Listing, sku: ListedSku, stock: Mapping[str, SkuStock], shop: Shop, goods: Goods
) -> Iterator[Slot]:
    told = stock.get(sku.sku_id)
    seller_sku = (sku.seller_sku or "").strip()
    shown: dict[str, int | None] = dict.fromkeys(sku.warehouses)
    if told is not None:
        shown |= {name: each.available for name, each in told.warehouses.items()}
    draws = goods.draws(sku.sku_id, seller_sku)
    decision = goods.mapping.stock_decision(shop, sku.sku_id, seller_sku)
    for warehouse_id, number in shown.items():
        pool = goods.mapping.stock_locations(warehouse_id)
        standing, reason = _standing(listing, sku, warehouse_id, pool, draws, shop, goods.mapping)
        # A bundle's units are those of its parts, which are shown by themselves.
        draws_itself = standing in ("published", "not_pushed") and not _is_bundle(listing, sku)
        yield Slot(
            shop=shop.code,
            sku_id=sku.sku_id,
            warehouse_id=warehouse_id,
            seller_sku=seller_sku,
            shown=number,
            standing=standing,
            reason=reason,
            pool=pool,
            draws=draws if draws_itself and pool and not isinstance(draws, str) else {},
            share=decision.share,
            buffer=decision.buffer,
            cap=decision.cap,
        )


def _standing(
    listing: Listing,
    sku: ListedSku,
    warehouse_id: str,
    pool: Pool,
    draws: Draws | str,
    shop: Shop,
    mapping: SellerMapping,
) -> tuple[Standing, str]:
    """What is to be said of a slot before numbers."""
    decision = mapping.stock_decision(shop, sku.sku_id, (sku.seller_sku or "").strip())
    verdicts: tuple[tuple[bool, Standing, str], ...] = (
        (mapping.is_fbt(warehouse_id), "fbt", "TikTok counts its own warehouse"),
        (_is_bundle(listing, sku), "not_pushed", "TikTok counts a bundle by its parts"),
        (not decision.publishes, "not_pushed", f"by {decision.rules['publishes']} of the mapping"),
        (_is_withdrawn(listing, sku), "not_pushed", f"it is not on sale: {listing.status}"),
        (not pool, "unmapped", f"warehouse {warehouse_id} is not under `warehouses` of the mapping"),
        (isinstance(draws, str), "unmapped", draws if isinstance(draws, str) else ""),
    )
    for holds, standing, reason in verdicts:
        if holds:
            return standing, reason
    return "published", ""


def _is_bundle(listing: Listing, sku: ListedSku) -> bool:
    return sku.is_bundle or _BUNDLE in listing.product_types


def _is_withdrawn(listing: Listing, sku: ListedSku) -> bool:
    """Nobody can buy it now, whatever number it shows."""
    return listing.status != _ON_SALE or sku.sales_status == _DEACTIVATED


def _is_skipped_gift(line: LineItem, mapping: SellerMapping) -> bool:
    """Whether no line of a Sales Order will ever stand for it."""
    return line.is_gift and not line.sale_price and mapping.special_orders.gift.action == "skip"


def _ordered(lines: Iterable[LineItem], goods: Goods) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        draws = goods.draws(line.sku_id or "", (line.seller_sku or "").strip(), line.combined_listing_skus)
        if not isinstance(draws, str):
            for item_id, quantity in draws.items():
                sums[item_id] = sums.get(item_id, Decimal(0)) + quantity
    return sums


def _items_named(raw: Mapping[str, Any], goods: Goods) -> set[str] | None:
    """The items that an order which cannot be read seems to want; None where its lines cannot be told."""
    lines = raw.get("line_items")
    if not isinstance(lines, list):
        return None
    found: set[str] = set()
    for line in cast("list[Any]", lines):
        if not isinstance(line, dict):
            return None
        named = cast("dict[str, Any]", line)
        draws = goods.draws(str(named.get("sku_id") or ""), str(named.get("seller_sku") or "").strip())
        found |= set() if isinstance(draws, str) else draws.keys()
    return found


def _any_pool(items: Iterable[str], mapping: SellerMapping) -> Iterator[Stock]:
    return ((item_id, pool) for item_id in items for pool in _pools(mapping))


def _pools(mapping: SellerMapping) -> list[Pool]:
    pools = {mapping.stock_locations(warehouse_id) for warehouse_id in mapping.warehouses}
    return sorted(pool for pool in pools if pool)
