"""A TikTok order becomes the Sales Order that should exist, or the reason why none should.

Pure: the raw order, the mapping and the items of the account decide everything; the same input gives
the same outcome, whatever the order of its lines. Nothing is guessed: what is not stated, unknown or
contradictory parks the order with every problem that was found, so that a person mends them at once.

Invariant: a staged document sums to what TikTok owes the seller (`tiktok.owed`), to the cent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Document
from datetime import date
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import (
    BucketCustomer,
    BuyerCustomer,
    DatedRate,
    FixedRate,
    InclusiveSplitTax,
    Shop,
)
from tiktok_ns_pipeline.mapping.special_orders import SpecialDecision, SpecialFlags, decide, flags_of
from tiktok_ns_pipeline.orders.address import country_of
from tiktok_ns_pipeline.orders.building import Plan, document_of, lines_of, tax_note
from tiktok_ns_pipeline.orders.goods import Goods, resolve_group
from tiktok_ns_pipeline.orders.lines import Group, collapse
from tiktok_ns_pipeline.orders.notes import Notes
from tiktok_ns_pipeline.orders.outcome import (
    OrderVersion,
    Outcome,
    Parked,
    Problem,
    Skipped,
    Staged,
    Waiting,
    raw_version,
    readable_order_id,
    readable_status,
)
from tiktok_ns_pipeline.orders.placing import place
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.identities import Contradiction
from tiktok_ns_pipeline.tiktok.lifecycle import LINE_STATUSES, ORDER_STATUS, SHIPPING_TYPES, WAITING_REASON
from tiktok_ns_pipeline.tiktok.models import Order, PriceDetail
from tiktok_ns_pipeline.tiktok.owed import Owed, active_lines, seller_owed

_KIND_OF_CONTRADICTION = {
    "not_stated": "malformed_order",
    "negative": "contradictory_amounts",
    "too_fine": "contradictory_amounts",
    "identity": "contradictory_amounts",
    "mixed_currency": "mixed_currency",
    "unknown": "unknown_value",
}

MOST_THAT_AN_ORDER_CAN_BE = Decimal(10) ** 12
"""In any currency; a larger sum is an error even where the mapping sets no limit."""

_INDEX = re.compile(r"\[\d+\]")


def stage_order(
    raw: Document[str, Any],
    shop: Shop | str,
    mapping: Mapping,
    items: ItemIndex,
    price_detail: Document[str, Any] | None = None,
) -> Outcome:
    """Stage one raw order of a shop of the mapping, which may be named by its code or TikTok shop id.

    `price_detail` (T 3.7) is asked for only where a partial cancellation leaves head and lines apart.
    Bad input of any kind gives a `Parked`, never an exception.
    """
    known = mapping.shop_of(shop) if isinstance(shop, str) else shop
    code = known.code if known else str(shop)
    try:
        order = Order.parse(raw)
        detail = PriceDetail.parse(price_detail, order.id) if price_detail is not None else None
    except WireError as error:
        return _unreadable(raw, code, error)
    version = OrderVersion(
        shop=code,
        order_id=order.id,
        status=readable_status(order.status),
        update_time=order.update_time,
        dispatch_by=order.rts_sla_time,
    )
    notes = Notes(order.id, code)
    if known is None:
        notes.problem("unmapped_shop", f"shop:{code}", "the shop is not under `shops` of the mapping.")
        return _parked(version, notes)
    if known.is_before_go_live(order.create_time):
        return Skipped(
            **_fields(version),
            reason=f"the order was placed before {known.orders_since}, the shop's first day",
            rule=f"shops.{code}.orders_since",
        )
    return _settled_by_status(order, version, notes) or _staged(
        order, detail, version, known, mapping, items, notes
    )


def _settled_by_status(order: Order, version: OrderVersion, notes: Notes) -> Outcome | None:
    """What the status alone decides (T 3.2); None where a Sales Order belongs to the order."""
    meaning = ORDER_STATUS.get(order.status)
    if meaning is None:
        notes.problem("unknown_status", f"status:{order.status}", f"its status is {order.status!r}.")
        return _parked(version, notes)
    if meaning == "waits":
        return Waiting(**_fields(version), reason=WAITING_REASON[order.status])
    if meaning == "ended":
        return Skipped(**_fields(version), reason="the order was cancelled", rule="status CANCELLED (T 3.2)")
    return _unfit_lines(order, version, notes)


def _unfit_lines(order: Order, version: OrderVersion, notes: Notes) -> Outcome | None:
    """An order whose lines make no Sales Order; None where they do."""
    if not order.line_items:
        notes.problem("malformed_order", "field:line_items", "its list of lines is empty.")
        return _parked(version, notes)
    unknown = sorted({line.display_status or "" for line in order.line_items} - LINE_STATUSES - {""})
    for status in unknown:
        notes.problem("unknown_status", f"line_status:{status}", f"a line has the status {status!r}.")
    if unknown:
        return _parked(version, notes)
    if not active_lines(order):
        return Waiting(**_fields(version), reason="every line is cancelled, the order itself not yet")
    return None


def _staged(
    order: Order,
    detail: PriceDetail | None,
    version: OrderVersion,
    shop: Shop,
    mapping: Mapping,
    items: ItemIndex,
    notes: Notes,
) -> Outcome:
    reading = seller_owed(
        order,
        channel_ships_pays_seller=shop.channel_ships_pays_seller,
        cofunded_paid_by_seller=shop.cofunded_paid_by_seller,
        price_detail=detail,
    )
    flags = flags_of(order, reading.owed.total if reading.owed and reading.is_sound else None)
    special = decide(flags, mapping.special_orders)
    if special.skips:
        rule = f"special_orders.{special.kind}"
        return Skipped(**_fields(version), reason=special.rule.reason or rule, rule=rule)
    for contradiction in reading.contradictions:
        _note_contradiction(contradiction, notes)
    _check_values(order, shop, notes)
    if reading.owed is None:
        return _parked(version, notes)
    _check_worth(reading.owed, shop, special, notes)
    plan = _plan(order, shop, mapping, items, reading.owed, (special, flags), notes)
    if plan is None or notes.problems:
        return _parked(version, notes)
    lines = lines_of(plan, notes)
    total = sum((line.amount + line.tax_amount for line in lines), Decimal(0))
    if total != plan.owed.total:
        message = (
            f"its lines would sum to {total}, the seller is owed {plan.owed.total} {plan.owed.currency}."
        )
        notes.problem("control_total_differs", "control_total", message)
        return _parked(version, notes)
    document = document_of(plan, lines, notes)
    return Staged(**_fields(version), document=document, decisions=notes.decisions)


def _plan(
    order: Order,
    shop: Shop,
    mapping: Mapping,
    items: ItemIndex,
    owed: Owed,
    special: tuple[SpecialDecision, SpecialFlags],
    notes: Notes,
) -> Plan | None:
    """Everything the document is made of; None where a part of it could not be decided."""
    groups = _posted_groups(order, owed, mapping, special[0], notes)
    goods = _resolved_goods(groups, mapping, items, notes)
    placing = place(order, shop, mapping, special, owed, groups, notes)
    _check_customer(placing.place.id_of("subsidiary_id"), shop, notes)
    if order.create_time is None:
        notes.problem("malformed_order", "field:create_time", "it does not state create_time.")
        return None
    begun = order.paid_time or order.create_time
    tran_date = begun.astimezone(shop.zone).date()
    moment = "paid_time" if order.paid_time else "create_time"
    notes.decided(
        "tran_date", tran_date, f"{moment}, a day in {shop.timezone}", f"shops.{shop.code}.timezone"
    )
    notes.decided("tax", tax_note(shop), f"shops.{shop.code}.tax: {shop.tax.policy}", "mapping, T 10.2")
    notes.decided("control_total", owed.total, "what TikTok owes the seller", "T 3.4")
    fixed_rate = _fixed_rate(shop, tran_date, notes)
    return Plan(order, order.create_time, tran_date, shop, mapping, owed, placing, tuple(goods), fixed_rate)


def _posted_groups(
    order: Order, owed: Owed, mapping: Mapping, special: SpecialDecision, notes: Notes
) -> list[Group]:
    """The groups that become lines: all of them, but free gifts in an ordinary order where the mapping
    skips gifts."""
    groups = collapse(active_lines(order), owed.prices, order.warehouse_id)
    gift = mapping.special_orders.gift
    if gift.action != "skip" or special.kind is not None:
        return groups
    posted: list[Group] = []
    for group in groups:
        if group.unit.is_gift and group.price.owed == 0:
            notes.decided(f"gift {group.unit.sku_id}", "skipped", "special_orders.gift", "mapping")
        else:
            posted.append(group)
    return posted


def _resolved_goods(groups: list[Group], mapping: Mapping, items: ItemIndex, notes: Notes) -> list[Goods]:
    goods: list[Goods] = []
    for group in groups:
        for found in resolve_group(group, mapping, items):
            if isinstance(found, Problem):
                notes.found(found)
            else:
                goods.append(Goods(group, found))
    return goods


def _check_values(order: Order, shop: Shop, notes: Notes) -> None:
    """What a Sales Order needs beside amounts."""
    if order.shipping_type is not None and order.shipping_type not in SHIPPING_TYPES:
        cause = f"shipping_type:{order.shipping_type}"
        notes.problem("unknown_value", cause, f"its shipping_type is {order.shipping_type!r}.")
    country = country_of(order.recipient_address)
    if (
        isinstance(shop.tax, InclusiveSplitTax)
        and shop.tax.destinations
        and country not in (None, *shop.tax.destinations)
    ):
        message = (
            f"it goes to {country}, but the tax of the shop is for {', '.join(shop.tax.destinations)} only."
        )
        notes.problem("unmapped_tax", f"destination:{country}", message)
    if isinstance(shop.customer, BuyerCustomer) and order.user_id is None:
        notes.problem("unmapped_buyer", "user_id", "it does not say which TikTok user bought (user_id).")


def _check_customer(subsidiary_id: str | None, shop: Shop, notes: Notes) -> None:
    """A customer belongs to one subsidiary, and so do its transactions (N 6)."""
    policy = shop.customer
    if isinstance(policy, BucketCustomer) and policy.existing_id and subsidiary_id != shop.subsidiary_id:
        message = (
            f"`routing` sends it to subsidiary {subsidiary_id}, but the shop's customer {policy.existing_id} "
            f"belongs to subsidiary {shop.subsidiary_id}."
        )
        notes.problem("unroutable_order", f"subsidiary:{subsidiary_id}", message)


def _check_worth(owed: Owed, shop: Shop, special: SpecialDecision, notes: Notes) -> None:
    """Whether the amount is one that this shop and this kind of order can have."""
    if owed.currency != shop.currency:
        message = f"it is in {owed.currency}, the shop's orders are in {shop.currency}."
        notes.problem("mixed_currency", f"currency:{owed.currency}", message)
    elif owed.total > (shop.largest_order or MOST_THAT_AN_ORDER_CAN_BE):
        message = f"it is worth {owed.total} {owed.currency}, more than the shop's limit."
        notes.problem("amount_out_of_range", "largest_order", message)
    if special.rule.action == "post_at_zero" and owed.total != 0:
        message = (
            f"it is a {special.kind} order, which the mapping posts at zero, but TikTok owes "
            f"{owed.total} {owed.currency} for it."
        )
        notes.problem("contradictory_amounts", f"special:{special.kind}", message)


def _note_contradiction(contradiction: Contradiction, notes: Notes) -> None:
    kind = _KIND_OF_CONTRADICTION[contradiction.kind]
    notes.problem(kind, f"field:{contradiction.field}", f"{contradiction.message}.")


def _fixed_rate(shop: Shop, day: date, notes: Notes) -> DatedRate | None:
    policy = shop.exchange_rate
    if not isinstance(policy, FixedRate):
        notes.decided("exchange_rate", "NetSuite's own", f"shops.{shop.code}.exchange_rate", "mapping, N 5.1")
        return None
    rate = policy.rate_on(day)
    if rate is None:
        notes.problem("unmapped_rate", f"day:{day}", f"no exchange rate of the shop has begun by {day}.")
        return None
    notes.decided(
        "exchange_rate", rate.rate, f"shops.{shop.code}.exchange_rate since {rate.since}", "mapping"
    )
    return rate


def _unreadable(raw: Document[str, Any], code: str, error: WireError) -> Parked:
    """An order that cannot be read, under whatever of its identity can."""
    status, update_time = raw_version(raw)
    order_id = readable_order_id(raw)
    notes = Notes(order_id, code)
    notes.problem("malformed_order", f"field:{_INDEX.sub('', error.field)}", f"{error.field} {error.reason}.")
    version = OrderVersion(shop=code, order_id=order_id, status=status, update_time=update_time)
    return _parked(version, notes)


def _parked(version: OrderVersion, notes: Notes) -> Parked:
    return Parked(**_fields(version), problems=notes.problems, decisions=notes.decisions)


def _fields(version: OrderVersion) -> dict[str, Any]:
    return {name: getattr(version, name) for name in OrderVersion.__slots__}
