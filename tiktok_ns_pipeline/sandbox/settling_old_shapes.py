"""The flat shapes of version 202309: a transaction is one object with some sixty keys (T 7.7).

UK and US: settlement = net sales + shipping cost + fee + adjustment. Elsewhere shipping is part of
`fee_amount`, and told beside it.
"""

from __future__ import annotations

from decimal import Decimal

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO
from tiktok_ns_pipeline.sandbox.settling_faults import Row
from tiktok_ns_pipeline.sandbox.settling_rules import (
    AFFILIATE,
    CUSTOMER_SHIPPING,
    MARKETS,
    REPEATED_AFFILIATE,
    SHIPPING_DISCOUNT,
    Amounts,
)
from tiktok_ns_pipeline.sandbox.settling_shapes import statement_row
from tiktok_ns_pipeline.sandbox.statements import RESERVE, Statement
from tiktok_ns_pipeline.sandbox.wire import amount_text as text

# Every amount that a row has, those without a source as zero.
_ALWAYS = (
    "actual_return_shipping_fee_amount",
    "affiliate_ads_commission_amount",
    "affiliate_partner_commission_amount",
    "customer_order_refund_amount",
    "customer_shipping_fee_offset_amount",
    "fbt_fulfillment_fee_amount",
    "fbt_fulfillment_fee_reimbursement_amount",
    "isr_income_tax_amount",
    "iva_vat_amount",
    "platform_refund_subsidy_amount",
    "promo_shipping_incentive_amount",
    "refund_shipping_cost_discount_amount",
    "shipping_fee_subsidy_amount",
)
# Old name -> (group, name) of the newer shapes.
_SOURCES: dict[str, tuple[str, str]] = {
    "gross_sales_amount": ("revenue", "subtotal_before_discount_amount"),
    "gross_sales_refund_amount": ("revenue", "refund_subtotal_before_discount_amount"),
    "seller_discount_amount": ("revenue", "seller_discount_amount"),
    "seller_discount_refund_amount": ("revenue", "seller_discount_refund_amount"),
    "platform_commission_amount": ("fee", "platform_commission_amount"),
    "referral_fee_amount": ("fee", "referral_fee_amount"),
    "transaction_fee_amount": ("fee", "transaction_fee_amount"),
    "refund_administration_fee_amount": ("fee", "refund_administration_fee_amount"),
    AFFILIATE: ("fee", AFFILIATE),
    "affiliate_commission_before_pit": ("fee", REPEATED_AFFILIATE),
    "pit_amount": ("tax", "pit_amount"),
    "actual_shipping_fee_amount": ("shipping", "actual_shipping_fee_amount"),
    "shipping_cost_discount_amount": ("shipping", SHIPPING_DISCOUNT),
    "platform_shipping_fee_discount_amount": ("shipping_memo", "platform_shipping_fee_discount_amount"),
    "customer_shipping_fee_amount": ("shipping_memo", "customer_shipping_fee"),
    "return_shipping_fee_amount": ("shipping", "return_shipping_fee_amount"),
    "shipping_insurance_fee_amount": ("shipping", "shipping_insurance_fee_amount"),
    "signature_confirmation_fee_amount": ("shipping", "signature_confirmation_fee_amount"),
    "fbm_shipping_cost_amount": ("shipping_memo", "fbm_shipping_cost_amount"),
    "fbt_shipping_cost_amount": ("shipping_memo", "fbt_shipping_cost_amount"),
    "customer_payment_amount": ("memo", "customer_payment_amount"),
    "customer_refund_amount": ("memo", "customer_refund_amount"),
    "platform_discount_amount": ("memo", "platform_discount_amount"),
    "platform_discount_refund_amount": ("memo", "platform_discount_refund_amount"),
    "sales_tax_amount": ("memo", "sales_tax_amount"),
    "sales_tax_payment_amount": ("memo", "sales_tax_payment_amount"),
    "sales_tax_refund_amount": ("memo", "sales_tax_refund_amount"),
    "retail_delivery_fee_amount": ("memo", "retail_delivery_fee_amount"),
    "retail_delivery_fee_payment_amount": ("memo", "retail_delivery_fee_payment_amount"),
    "retail_delivery_fee_refund_amount": ("memo", "retail_delivery_fee_refund_amount"),
}


def old_header(one: Statement, off: Decimal) -> Document:
    """What heads the transactions of a statement."""
    row = statement_row(one, None, off)
    names = ("currency", "net_sales_amount", "adjustment_amount", "settlement_amount", "fee_amount")
    shown = {name: row[name] for name in (*names, "revenue_amount", "shipping_cost_amount")}
    return {"statement_id": one.id, "statement_time": one.statement_time, **shown}


def old_row(row: Row) -> Document:
    """A transaction of a statement."""
    one = row.one
    shown: Document = {
        "id": one.id,
        "type": row.type,
        "order_create_time": one.order_create_time,
        **old_amounts(one.amounts, row.listed, one.shop),
        "settlement_amount": text(row.settlement),
    }
    if one.type == RESERVE or not one.is_adjustment:
        shown["order_id"] = one.order_id
    else:
        shown["adjustment_id"] = one.adjustment_id
        shown["adjustment_order_id"] = one.order_id
        if one.form == "bare":
            shown["adjustment_amount"] = "0"
    return shown


def old_amounts(amounts: Amounts, listed: Amounts, shop: str) -> Document:
    """The amounts of a transaction or of a SKU of it; the totals of `amounts`, the members of `listed`."""
    place = shop_of(shop)
    market, revenue, shipping = MARKETS[place.region], amounts.revenue_total, amounts.shipping_total
    paid = amounts.shipping.get(CUSTOMER_SHIPPING, ZERO)
    shown: Document = {"currency": place.currency, **dict.fromkeys(_ALWAYS, "0")}
    for name, (group, source) in _SOURCES.items():
        shown[name] = text(getattr(listed, group).get(source, ZERO))
    # A fee without a place of its own keeps the name that it has elsewhere.
    for name, amount in listed.fee.items():
        if ("fee", name) not in _SOURCES.values() and name not in _UNLISTED_FEES:
            shown[name] = text(amount)
    return shown | {
        "net_sales_amount": text(revenue),
        "after_seller_discounts_subtotal_amount": text(
            sum(
                (
                    amounts.revenue.get(name, ZERO)
                    for name in ("subtotal_before_discount_amount", "seller_discount_amount")
                ),
                ZERO,
            )
        ),
        "revenue_amount": text(revenue) if market.shipping_in_fees else None,
        "fee_amount": text(amounts.fee_tax_total + (shipping if market.shipping_in_fees else ZERO)),
        "shipping_cost_amount": text(shipping),
        "shipping_fee_amount": text(shipping),
        "customer_paid_shipping_fee_amount": text(max(paid, ZERO)),
        "customer_paid_shipping_fee_refund_amount": text(min(paid, ZERO)),
        "adjustment_amount": text(amounts.adjustment_total),
        "settlement_amount": text(amounts.settlement),
    }


# Fees and taxes for which 202309 has no key: they are in `fee_amount` alone (T 7.4 no. 8).
_UNLISTED_FEES = {"vn_fix_infrastructure_fee", "smart_promotion_fee_amount"}
