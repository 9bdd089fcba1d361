"""What an order takes: items that NetSuite does not know of yet, and units off TikTok's number.

TikTok lowers its number when an order is placed, paid or not, so that an order counts from then on
(T 5.3). Unknown is not zero: what cannot be read takes nothing, but is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Document
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.goods.items import ItemIndex, Resolved
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.resolving import MOST_OF_ONE_SKU_IN_A_BUNDLE, resolve_unit
from tiktok_ns_pipeline.inventory.pools import Kits, draws_of
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.identities import active_lines
from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT, ORDER_STATUS
from tiktok_ns_pipeline.tiktok.models import LineItem, Order

_ZERO = Decimal(0)
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Demand:
    """What an order takes now."""

    shop: str
    order_id: str
    """As far as it can be read, else empty."""
    placed_at: datetime | None
    changed_at: datetime | None
    """When it was cancelled, else TikTok's last change of it."""
    uncommitted: dict[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])
    """NetSuite units by (item id, TikTok warehouse id)."""
    sold: dict[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])
    """TikTok units by (TikTok SKU id, warehouse id)."""
    left_out: str | None = None
    """Why nothing of it waits for NetSuite; None where it counts, or cannot be read."""
    problems: tuple[Problem, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether what it holds can be posted. What it held before stays, where it is not."""
        return bool(self.order_id) and self.placed_at is not None


def demand_of(
    raw: Document[str, Any],
    shop: Shop,
    mapping: Mapping,
    items: ItemIndex,
    kits: Kits,
    *,
    settled: str | None = None,
) -> Demand:
    """What a raw order takes, before NetSuite shows its Sales Order.

    `settled` says why no Sales Order will come, though it is not cancelled: the mapping skips it, or a
    person resolved it. Its units are off TikTok's number all the same.
    """
    try:
        order = Order.parse(raw)
    except WireError as error:
        named = raw.get("id")
        order_id = named if isinstance(named, str) else ""
        message = f"{error.field} {error.reason}, so that its units are not known."
        problem = Problem.of("malformed_order", f"field:{_INDEX.sub('', error.field)}", message)
        return Demand(shop.code, order_id, None, None, problems=(problem,))
    nothing = Demand(shop.code, order.id, order.create_time, order.cancel_time or order.update_time)
    if order.create_time is None:
        return replace(nothing, problems=(_malformed("create_time", "it does not state create_time."),))
    if reason := _left_out(order, shop, mapping):
        return replace(nothing, left_out=reason)
    if order.warehouse_id is None:
        return replace(nothing, problems=(_malformed("warehouse_id", "it names no warehouse."),))
    taking = _Taking(order.warehouse_id, mapping, items, kits)
    for line in active_lines(order):
        taking.sell(line)
        if settled is None and not _is_skipped_gift(line, mapping):
            taking.commit(line)
    return replace(
        nothing,
        uncommitted=taking.uncommitted,
        sold=taking.sold,
        left_out=settled,
        problems=tuple(dict.fromkeys(taking.problems)),
    )


def _left_out(order: Order, shop: Shop, mapping: Mapping) -> str | None:
    """Why an order takes nothing at all of the stock that is ours to count."""
    if ORDER_STATUS.get(order.status) == "ended":
        return "it is cancelled"
    if shop.is_before_go_live(order.create_time):
        return f"it was placed before {shop.orders_since}, the shop's first day"
    fulfilment = FULFILMENT.get(order.fulfillment_type or "")
    if fulfilment == "channel" or (order.warehouse_id is not None and mapping.is_fbt(order.warehouse_id)):
        return "TikTok fulfils it from stock that TikTok counts"
    return None


def _is_skipped_gift(line: LineItem, mapping: Mapping) -> bool:
    """Whether no line of a Sales Order will stand for it: a free gift, where the mapping skips gifts."""
    return line.is_gift and not line.sale_price and mapping.special_orders.gift.action == "skip"


class _Taking:
    """What the lines of an order take, added up."""

    def __init__(self, warehouse_id: str, mapping: Mapping, items: ItemIndex, kits: Kits) -> None:
        self._warehouse_id = warehouse_id
        self._mapping = mapping
        self._items = items
        self._kits = kits
        self.uncommitted: dict[tuple[str, str], Decimal] = {}
        self.sold: dict[tuple[str, str], Decimal] = {}
        self.problems: list[Problem] = []

    def sell(self, line: LineItem) -> None:
        """One unit less of the SKU on TikTok; of a virtual bundle, its components (T 3.5)."""
        units = [(each.sku_id, each.sku_count) for each in line.combined_listing_skus] or [(line.sku_id, 1)]
        for sku_id, count in units:
            if sku_id and count is not None and 0 < count <= MOST_OF_ONE_SKU_IN_A_BUNDLE:
                self._add(self.sold, sku_id, Decimal(count))
            else:
                message = f"line {line.id} does not tell of which SKU how many units it is."
                self.problems.append(_malformed("line_items.sku_id", message))

    def commit(self, line: LineItem) -> None:
        """The items of one unit, all or none: a part of a unit would be a guess."""
        found = resolve_unit(
            line.sku_id or "",
            (line.seller_sku or "").strip(),
            line.combined_listing_skus,
            self._mapping,
            self._items,
        )
        problems = [each for each in found if isinstance(each, Problem)]
        self.problems += problems
        if problems or not line.sku_id:
            return
        parts = [part for each in found if isinstance(each, Resolved) for part in each.parts]
        try:
            draws = draws_of(parts, self._kits)
        except ValueError as error:
            self.problems.append(Problem.of("unmapped_sku", f"sku:{line.sku_id}", f"{error}."))
            return
        for draw in draws:
            self._add(self.uncommitted, draw.item_id, draw.quantity)

    def _add(self, sums: dict[tuple[str, str], Decimal], name: str, quantity: Decimal) -> None:
        key = (name, self._warehouse_id)
        sums[key] = sums.get(key, _ZERO) + quantity


def _malformed(name: str, message: str) -> Problem:
    return Problem.of("malformed_order", f"field:{name}", message)
