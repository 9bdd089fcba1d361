"""The Sales Order document, put together from what was resolved, placed and priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import (
    BucketCustomer,
    DatedRate,
    DiscountLine,
    InclusiveSplitTax,
    MarketplaceFacilitatorTax,
    Shop,
)
from tiktok_ns_pipeline.orders.address import netsuite_address
from tiktok_ns_pipeline.orders.document import Customer, SalesOrderDocument, SalesOrderLine
from tiktok_ns_pipeline.orders.goods import Goods, tax_of
from tiktok_ns_pipeline.orders.lines import Priced, Tax, discount_line, price_lines, single_line
from tiktok_ns_pipeline.orders.notes import Notes
from tiktok_ns_pipeline.orders.outcome import CHANNEL
from tiktok_ns_pipeline.orders.placing import Place, Placing, place_line
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.owed import Owed

_LONGEST_DESCRIPTION = 300
_LONGEST_EMAIL = 254

CustomFields = dict[str, str | Decimal | bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was decided about an order and that its document is made of."""

    order: Order
    placed_at: datetime
    tran_date: date
    shop: Shop
    mapping: Mapping
    owed: Owed
    placing: Placing
    goods: tuple[Goods, ...]
    fixed_rate: DatedRate | None


def lines_of(plan: Plan, notes: Notes) -> tuple[SalesOrderLine, ...]:
    """All lines: goods ordered by key, each with its discount under it; then shipping, then shown tax."""
    lines: list[SalesOrderLine] = []
    for goods in plan.goods:
        lines += _goods_lines(goods, plan, notes)
    if plan.owed.shipping:
        lines.append(_shipping_line(plan, notes))
    return (*lines, *_shown_tax_lines(plan, notes))


def document_of(plan: Plan, lines: tuple[SalesOrderLine, ...], notes: Notes) -> SalesOrderDocument:
    """The document. Raises ValueError when the lines do not sum to what the seller is owed."""
    order, shop, place = plan.order, plan.shop, plan.placing.place
    subsidiary_id = place.id_of("subsidiary_id") or shop.subsidiary_id
    rate = plan.fixed_rate
    document = SalesOrderDocument(
        channel=CHANNEL,
        shop=shop.code,
        order_id=order.id,
        external_id=f"tts-{shop.code}-so-{order.id}",
        placed_at=plan.placed_at,
        tran_date=plan.tran_date,
        currency=plan.owed.currency,
        currency_id=shop.currency_id,
        subsidiary_id=subsidiary_id,
        customer=customer_of(order, shop, subsidiary_id, notes),
        order_status=shop.order_status,
        form_id=place.id_of("form_id"),
        location_id=place.id_of("location_id"),
        department_id=place.id_of("department_id"),
        class_id=place.id_of("class_id"),
        memo=f"TikTok Shop order {order.id}",
        other_ref_num=order.id,
        shipping_address=netsuite_address(order.recipient_address),
        tax_mode=shop.tax.engine,
        tax_type_id=shop.tax.tax_type_id,
        lines=lines,
        control_total=plan.owed.total,
        platform_discount=plan.owed.receivable_from_channel,
        fulfilment=plan.placing.fulfilment,
        custom_fields=_documented(place),
    )
    if rate is None:
        return document
    source = f"fixed by the mapping since {rate.since}"
    return document.model_copy(update={"exchange_rate": rate.rate, "exchange_rate_source": source})


def customer_of(order: Order, shop: Shop, subsidiary_id: str, notes: Notes) -> Customer:
    """Whom the Sales Order is for. A customer belongs to one subsidiary (N 6), so the key of a bucket
    in another than the shop's names it."""
    policy = shop.customer
    if isinstance(policy, BucketCustomer):
        at_home = subsidiary_id == shop.subsidiary_id
        key = shop.currency if at_home else f"{shop.currency}-{subsidiary_id}"
        name = policy.name or f"TikTok Shop {shop.code.upper()} {shop.currency}"
        notes.decided("customer", f"bucket {key}", f"shops.{shop.code}.customer: bucket", "mapping")
        return Customer(
            kind="bucket",
            key=key,
            name=name,
            subsidiary_id=subsidiary_id,
            currency_id=shop.currency_id,
            existing_id=policy.existing_id,
            limit=policy.limit,
        )
    notes.decided("customer", f"buyer {order.user_id}", f"shops.{shop.code}.customer: buyer", "mapping")
    return Customer(
        kind="buyer",
        key=order.user_id or "",
        # Names and phones may be masked (T 3.6), so they are no name for a customer that stays.
        name=f"TikTok buyer {order.user_id}",
        subsidiary_id=subsidiary_id,
        currency_id=shop.currency_id,
        email=_email(order.buyer_email),
    )


def _goods_lines(goods: Goods, plan: Plan, notes: Notes) -> list[SalesOrderLine]:
    """A group's lines, and its discount where the mapping shows discounts on lines of their own."""
    group, currency = goods.group, plan.owed.currency
    tax = tax_of(goods.resolved, plan.shop)
    policy = plan.shop.seller_discount
    on_own_line = isinstance(policy, DiscountLine)
    unit_price = group.price.original if on_own_line else group.price.owed
    place = place_line(group, plan.placing, plan.mapping, notes)
    priced = price_lines(group, goods.resolved.parts, unit_price, tax, currency)
    description = clean_text(
        " - ".join(filter(None, (group.unit.product_name, group.unit.sku_name))), _LONGEST_DESCRIPTION
    )
    lines = [_line("item", line, place, tax, description) for line in priced]
    _note_goods(goods, lines, notes)
    lines[0] = _with_platform_discount(lines[0], group.price.platform_discount * group.count, plan.mapping)
    discount = discount_line(group, policy.item_id, tax, currency) if on_own_line else None
    if discount is not None:
        lines.append(_line("discount", discount, place, tax, "Seller discount"))
    return lines


def _line(kind: str, priced: Priced, place: Place, tax: Tax, description: str | None) -> SalesOrderLine:
    is_goods = kind == "item"
    return SalesOrderLine.model_validate(
        {
            "key": priced.key,
            "kind": kind,
            "item_id": priced.item_id,
            "quantity": Decimal(priced.quantity),
            "rate": priced.rate,
            "amount": priced.amount,
            "description": description,
            "location_id": place.id_of("location_id") if is_goods else None,
            "department_id": place.id_of("department_id"),
            "class_id": place.id_of("class_id"),
            "units_id": priced.units_id,
            "tax_code_id": tax.code_id,
            "tax_rate": tax.rate,
            "tax_amount": priced.tax_amount,
            "channel_line_ids": priced.line_ids,
            "custom_fields": _documented(place) if is_goods else {},
        }
    )


def _shipping_line(plan: Plan, notes: Notes) -> SalesOrderLine:
    tax = tax_of(None, plan.shop)
    shipping = plan.shop.shipping
    priced = single_line("shipping", shipping.item_id, plan.owed.shipping, tax, plan.owed.currency)
    notes.decided("shipping", plan.owed.shipping, f"shops.{plan.shop.code}.shipping", "mapping, T 3.4")
    return _line("shipping", priced, plan.placing.place, tax, "Shipping")


def _shown_tax_lines(plan: Plan, notes: Notes) -> list[SalesOrderLine]:
    """The marketplace's tax as a pair of lines that cancel out, where the mapping wants it shown."""
    policy = plan.shop.tax
    if not isinstance(policy, MarketplaceFacilitatorTax) or policy.show_lines is None or not plan.owed.tax:
        return []
    notes.decided("tax", plan.owed.tax, f"shops.{plan.shop.code}.tax.show_lines", "mapping, T 10.2")
    none = Tax(None, policy.tax_code_id)
    pair = (
        ("tax:collected", policy.show_lines.collected_item_id, plan.owed.tax, "Marketplace tax collected"),
        ("tax:remitted", policy.show_lines.remitted_item_id, -plan.owed.tax, "Marketplace tax remitted"),
    )
    return [
        _line(
            "tax", single_line(key, item_id, amount, none, plan.owed.currency), plan.placing.place, none, text
        )
        for key, item_id, amount, text in pair
    ]


def _with_platform_discount(line: SalesOrderLine, discount: Decimal, mapping: Mapping) -> SalesOrderLine:
    """The group's platform discount on its first line: receivable from TikTok, not a price cut (T 3.4)."""
    field = mapping.custom_fields.line.platform_discount
    if field is None or not discount:
        return line
    return line.model_copy(update={"custom_fields": {**line.custom_fields, field: discount}})


def _note_goods(goods: Goods, lines: list[SalesOrderLine], notes: Notes) -> None:
    unit = goods.group.unit
    sku = (unit.seller_sku or "").strip() or unit.sku_id
    ids = ", ".join(sorted({line.item_id for line in lines}))
    notes.decided(f"item of {sku}", ids, goods.resolved.rule, goods.resolved.source)
    amounts = " + ".join(f"{line.quantity} x {line.rate}" for line in lines)
    notes.decided(f"lines of {sku}", amounts, f"{goods.group.count} unit line(s) at one price", "T 3.5")


def _documented(place: Place) -> CustomFields:
    return dict(place.custom_fields)


def _email(text: str | None) -> str | None:
    cleaned = clean_text(text, _LONGEST_EMAIL)
    return cleaned if cleaned and cleaned.count("@") == 1 and " " not in cleaned else None


def tax_note(shop: Shop) -> str:
    """How the mapping treats tax, for an explanation."""
    if isinstance(shop.tax, InclusiveSplitTax):
        return f"{shop.tax.rate} % split out of the prices ({shop.tax.engine})"
    return f"none on the Sales Order ({shop.tax.engine})"
