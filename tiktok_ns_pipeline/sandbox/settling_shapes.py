"""How TikTok shows statements, transactions, payments and what is not settled (T 7.3, 7.5 to 7.10).

The members that a market knows are shown where they are zero, too; others only where they have a value.
The older flat shapes are in `settling_old_shapes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO
from tiktok_ns_pipeline.sandbox.settling_faults import Row
from tiktok_ns_pipeline.sandbox.settling_rules import AFFILIATE, MARKETS, REPEATED_AFFILIATE, Amounts
from tiktok_ns_pipeline.sandbox.statements import (
    ORDER,
    PAID,
    RESERVE,
    Payment,
    Statement,
    Totals,
    Transaction,
    Withdrawal,
)
from tiktok_ns_pipeline.sandbox.wire import amount_text as text

_REVENUE = (
    "subtotal_before_discount_amount",
    "seller_discount_amount",
    "refund_subtotal_before_discount_amount",
    "seller_discount_refund_amount",
    "cod_service_fee_amount",
    "refund_cod_service_fee_amount",
)
_SHIPPING = (
    "actual_shipping_fee_amount",
    "shipping_fee_discount_amount",
    "customer_paid_shipping_fee_amount",
    "return_shipping_fee_amount",
    "shipping_insurance_fee_amount",
    "signature_confirmation_fee_amount",
)
_FEES = (
    "platform_commission_amount",
    "referral_fee_amount",
    "refund_administration_fee_amount",
    "transaction_fee_amount",
    AFFILIATE,
    REPEATED_AFFILIATE,
    "affiliate_partner_commission_amount",
    "affiliate_ads_commission_amount",
    "vn_fix_infrastructure_fee",
)
_TAXES = ("vat_amount", "local_vat_amount", "import_vat_amount", "pit_amount", "isr_amount", "iva_amount")

_ESTIMATED_TAXES = ("vat_amount", "import_vat_amount")
"""Others are in the estimated total, and listed nowhere (T 7.4 no. 8)."""
_OF_STATEMENTS_ONLY = "customer_shipping_fee"
"""What is told of shipping in the rows of a statement, and nowhere else."""
# Names that an estimate spells otherwise (T 7.10).
_ESTIMATED_NAMES = {REPEATED_AFFILIATE: "affiliate_commission_before_pit_amount"}
_BANK_ACCOUNT = "*************006789"


def statement_row(one: Statement, payment_id: str | None, off: Decimal) -> Document:
    """A statement in the list (T 7.3); `off` is what its sum is shown too high by."""
    market = MARKETS[shop_of(one.shop).region]
    totals = one.totals
    row: Document = {
        "id": one.id,
        "statement_time": one.statement_time,
        "currency": one.currency,
        "payment_status": one.payment_status,
        "payment_time": one.payment_time,
        "net_sales_amount": text(totals.revenue),
        "adjustment_amount": text(totals.adjustment),
        "settlement_amount": text(totals.settlement + off),
    }
    if payment_id is not None:
        row["payment_id"] = payment_id
    if market.shipping_in_fees:
        row["revenue_amount"] = text(totals.revenue)
        row["fee_amount"] = text(totals.fee_tax + totals.shipping)
        row["shipping_cost_amount"] = "0"
    else:
        row["revenue_amount"] = None
        row["fee_amount"] = text(totals.fee_tax)
        row["shipping_cost_amount"] = text(totals.shipping)
    return row


def statement_header(one: Statement, off: Decimal) -> Document:
    """What heads the transactions of a statement in 202501 (T 7.5)."""
    totals = one.totals
    return {
        "id": one.id,
        "create_time": one.statement_time,
        "status": "SETTLED",
        "currency": one.currency,
        "total_settlement_amount": text(totals.settlement + off),
        "total_settlement_breakdown": {
            "total_revenue_amount": text(totals.revenue),
            "total_shipping_cost_amount": text(totals.shipping),
            "total_fee_tax_amount": text(totals.fee_tax),
            "total_adjustment_amount": text(totals.adjustment),
        },
        "total_reserve_amount": text(totals.reserve),
        "payable_amount": text(totals.payable),
    }


def transaction_row(row: Row) -> Document:
    """A transaction of a statement in 202501 (T 7.5)."""
    one, amounts = row.one, row.one.amounts
    shown: Document = {
        "id": one.id,
        "type": row.type,
        "order_create_time": one.order_create_time,
        "revenue_amount": text(amounts.revenue_total),
        "shipping_cost_amount": text(amounts.shipping_total),
        "fee_tax_amount": text(amounts.fee_tax_total),
        "adjustment_amount": text(amounts.adjustment_total),
        "settlement_amount": text(row.settlement),
    }
    if one.type == ORDER:
        shown["order_id"] = one.order_id
        shown |= breakdowns(row.listed)
        shown["supplementary_component"] = _texts(amounts.memo)
    elif one.type == RESERVE:
        shown |= _reserve(one)
    else:
        shown |= _adjustment(one)
    return shown


def breakdowns(listed: Amounts) -> Document:
    """The members of the three totals."""
    shipping: Document = _texts(listed.shipping, _SHIPPING)
    shipping["supplementary_component"] = _texts(listed.shipping_memo)
    return {
        "revenue_breakdown": _texts(listed.revenue, _REVENUE),
        "shipping_cost_breakdown": shipping,
        "fee_tax_breakdown": {"fee": _texts(listed.fee, _FEES), "tax": _texts(listed.tax, _TAXES)},
    }


def sku_row(amounts: Amounts, statement: Statement, sku: Mapping[str, str]) -> Document:
    """A SKU of an order's transactions in 202501 (T 7.6); `sku` are its id, names and quantity."""
    return {
        **sku,
        "statement_id": statement.id,
        "statement_time": statement.statement_time,
        "revenue_amount": text(amounts.revenue_total),
        "shipping_cost_amount": text(amounts.shipping_total),
        "fee_tax_amount": text(amounts.fee_tax_total),
        "settlement_amount": text(amounts.settlement),
        **_without(breakdowns(amounts)),
    }


def order_header(order_id: str, created: int, currency: str, parts: Sequence[Amounts]) -> Document:
    """The totals over an order's SKU rows in 202501 (T 7.6)."""

    def total(name: str) -> str:
        return text(sum((getattr(one, name) for one in parts), ZERO))

    return {
        "order_id": order_id,
        "order_create_time": created,
        "currency": currency,
        "revenue_amount": total("revenue_total"),
        "shipping_cost_amount": total("shipping_total"),
        "fee_and_tax_amount": total("fee_tax_total"),
        "settlement_amount": total("settlement"),
    }


def unsettled_row(one: Transaction) -> Document:
    """What has not settled yet, in 202507 (T 7.10)."""
    amounts, market = one.amounts, MARKETS[shop_of(one.shop).region]
    shown: Document = {
        "id": one.id,
        "type": one.type,
        "status": "UNSETTLED",
        "currency": one.currency,
        "order_id": one.order_id,
        "order_create_time": one.order_create_time,
        "est_settlement_amount": text(amounts.settlement),
        "est_revenue_amount": text(amounts.revenue_total),
        "est_shipping_cost_amount": text(amounts.shipping_total),
        "est_fee_tax_amount": text(amounts.fee_tax_total),
        "est_adjustment_amount": text(amounts.adjustment_total),
        "estimated_settlement": market.policy if one.due is None else str(one.due),
        "unsettled_reason": "WAITING_FOR_PACKAGE_DELIVERY" if one.due is None else "WAITING_FOR_SETTLEMENT",
        **_without(breakdowns(amounts)),
    }
    if one.delivered_at is not None:
        shown["order_delivery_time"] = one.delivered_at
    fee, listed = shown["fee_tax_breakdown"]["fee"], shown["fee_tax_breakdown"]["tax"]
    tax: Document = {name: listed[name] for name in _ESTIMATED_TAXES}
    shown["fee_tax_breakdown"]["tax"] = tax
    for name, other in _ESTIMATED_NAMES.items():
        fee[other] = fee.pop(name)
    fee["pit_withheld_from_ads_commission_amount"] = "0"
    if "sales_tax_amount" in amounts.memo:
        # Told here as what comes in and goes out again, so that it adds nothing.
        paid, back = amounts.memo["sales_tax_payment_amount"], amounts.memo["sales_tax_refund_amount"]
        tax["sales_tax_payment_amount"] = text(paid)
        tax["sales_tax_refund_amount"] = text(-back)
        tax["sales_tax_amount"] = text(back - paid)
    return shown


def unsettled_sums(totals: Totals) -> Document:
    """The sums over everything that was asked for (T 7.10)."""
    return {
        "sum_est_settlement_amount": text(totals.settlement),
        "sum_est_revenue_amount": text(totals.revenue),
        "sum_est_fee_amount": text(totals.fee_tax),
        "sum_est_adjustment_amount": text(totals.adjustment),
    }


def payment_row(one: Payment, off: Decimal, *, reduced: bool) -> Document:
    """A payment (T 7.9); 202605 is `reduced`."""
    own = shop_of(one.shop).currency
    row: Document = {
        "id": one.id,
        "create_time": one.create_time,
        "paid_time": one.paid_time if one.status == PAID else 0,
        "status": one.status,
        "amount": _money(one.amount + off, one.currency),
        "settlement_amount": _money(one.settlement + off, own),
        "payment_amount_before_exchange": _money(one.before_exchange + off, own),
        "exchange_rate": one.rate,
    }
    if not reduced:
        row["reserve_amount"] = _money(one.reserve, own)
        row["bank_account"] = _BANK_ACCOUNT
    return row


def withdrawal_row(one: Withdrawal) -> Document:
    """A movement of a wallet (T 7.9)."""
    return {
        "id": one.id,
        "type": one.type,
        "status": one.status,
        "amount": text(one.amount),
        "currency": shop_of(one.shop).currency,
        "create_time": one.create_time,
    }


def _reserve(one: Transaction) -> Document:
    return {
        "reserve_id": one.reserve_id,
        "reserve_amount": text(one.amounts.reserve_total),
        "reserve_status": one.reserve_status,
        "estimated_release_time": "" if one.release_time is None else str(one.release_time),
        "associated_order_id": one.order_id,
    }


def _adjustment(one: Transaction) -> Document:
    shown: Document = {"adjustment_id": one.adjustment_id}
    if one.order_id:
        shown["adjustment_order_id"] = one.order_id
    if one.form == "revenue":
        shown["order_id"] = one.order_id
    elif one.form == "bare":
        shown["adjustment_amount"] = "0"
    return shown


def _without(shown: Document) -> Document:
    shown["shipping_cost_breakdown"]["supplementary_component"].pop(_OF_STATEMENTS_ONLY, None)
    return shown


def _texts(parts: Mapping[str, Decimal], known: Sequence[str] = ()) -> Document:
    zeros = dict.fromkeys(known, "0")
    return zeros | {name: text(amount) for name, amount in parts.items()}


def _money(value: Decimal, currency: str) -> Document:
    return {"value": text(value), "currency": currency}
