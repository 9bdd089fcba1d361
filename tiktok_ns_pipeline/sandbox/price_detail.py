"""The calculated breakdown of an order and its lines, as TikTok answers it (T 3.7).

Unlike the order's document it is calculated anew for each question, from the facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.catalogue import Shop, shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts
from tiktok_ns_pipeline.sandbox.wire import amount_text


def price_detail(facts: OrderFacts) -> Document:
    """The calculated breakdown of an order and its lines (T 3.7)."""
    shop = shop_of(facts.shop)
    lines = facts.active_lines or facts.lines
    shares = _shipping_shares(facts, len(lines))
    details = [
        _price_of([line], share, shop, facts.currency) for line, share in zip(lines, shares, strict=True)
    ]
    for line, detail in zip(lines, details, strict=True):
        detail["id"] = line.id
    whole = facts.shipping
    total = _price_of(
        lines, (whole.original, _seller_part(facts), whole.platform_discount, whole.tax), shop, facts.currency
    )
    small_order = facts.fees.get("small_order_fee", ZERO)
    if small_order:
        total["small_order_fee"] = amount_text(small_order)
        total["payment"] = amount_text(Decimal(total["payment"]) + small_order)
    return total | {"line_items": details}


def _seller_part(facts: OrderFacts) -> Decimal:
    return facts.shipping.seller_discount + facts.shipping.cofunded_discount


def _shipping_shares(facts: OrderFacts, count: int) -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
    """Shipping belongs to the order; the breakdown puts it on the first line."""
    shipping = facts.shipping
    first = (shipping.original, _seller_part(facts), shipping.platform_discount, shipping.tax)
    return [first if index == 0 else (ZERO, ZERO, ZERO, ZERO) for index in range(count)]


def _price_of(
    lines: Sequence[LineFacts], shipping: tuple[Decimal, Decimal, Decimal, Decimal], shop: Shop, currency: str
) -> Document:
    listed = sum((line.price for line in lines), ZERO)
    seller = sum((line.seller_discount for line in lines), ZERO)
    platform = sum((line.platform_discount for line in lines), ZERO)
    goods_tax = sum((line.tax for line in lines), ZERO)
    original, shipping_seller, shipping_platform, shipping_tax = shipping
    sale = listed - seller - platform
    shipping_sale = original - shipping_seller - shipping_platform
    tax = goods_tax + shipping_tax
    detail: dict[str, Decimal] = {
        "sku_list_price": listed,
        "subtotal_deduction_seller": seller,
        "subtotal_deduction_platform": platform,
        "sku_sale_price": sale,
        "subtotal_tax_amount": goods_tax,
        "subtotal": sale + goods_tax,
        "shipping_list_price": original,
        "shipping_fee_deduction_seller": shipping_seller,
        "shipping_fee_deduction_platform": shipping_platform,
        "shipping_sale_price": shipping_sale,
        "tax_amount": tax,
        "total": listed + original,
        "payment": sale + shipping_sale + tax,
        "net_price_amount": sale if shop.taxes == "on top" else _net_of_vat(sale, shop, currency),
    }
    shown: Document = {name: amount_text(amount) for name, amount in detail.items()}
    shown["currency"] = currency
    if sale and goods_tax:
        shown["tax_rate"] = format((goods_tax / sale).quantize(Decimal("0.001")), "f")
    return shown


def _net_of_vat(sale: Decimal, shop: Shop, currency: str) -> Decimal:
    step = Decimal(1) if currency == "VND" else Decimal("0.01")
    return (sale * 100 / (100 + shop.vat_percent)).quantize(step)
