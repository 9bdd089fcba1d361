"""Stage: a fulfilment and its Sales Order as it stands become the bill that should exist, or a problem.

Pure. Amounts are the Sales Order's own: nothing is priced or taxed again. The quantities that count as
billed already are those of the Sales Order, whoever billed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.billing.document import CHANNEL, Bill, Fulfilment
from tiktok_ns_pipeline.billing.order_lines import billed_share, spans_of, tax_share
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import CashSaleBilling, NoBilling
from tiktok_ns_pipeline.netsuite.periods import Periods

UNBILLABLE = "unbillable_fulfilment"
NO_OPEN_PERIOD = "no_open_period"
BILL_DIFFERS = "bill_differs"

STAGING_KINDS = (UNBILLABLE, NO_OPEN_PERIOD)
"""Exceptions that staging opens, and whose absence from a later staging proves them gone."""

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a fulfilment cannot be billed, or a bill is not what it should be."""

    kind: str
    cause: str
    message: str


def posting_problem(fulfilment: Fulfilment) -> Problem:
    """There is no open month from the day of shipment on."""
    return Problem(
        NO_OPEN_PERIOD,
        f"{fulfilment.shipped_on:%Y-%m}",
        f"{fulfilment.name} shipped on {fulfilment.shipped_on}, whose accounting period is shut, and no "
        "later one is open.",
    )


def missing_order_problem(fulfilment: Fulfilment) -> Problem:
    """The Sales Order is gone."""
    return Problem(
        UNBILLABLE,
        "no_sales_order",
        f"{fulfilment.name}: Sales Order {fulfilment.sales_order_id} is no longer in NetSuite.",
    )


def unreadable_problem(fulfilment: Fulfilment, why: str) -> Problem:
    """NetSuite shows the records of this one shipment not at all, or not as they must be."""
    return Problem(UNBILLABLE, "unreadable", f"{fulfilment.name} or its Sales Order cannot be read: {why}")


def stage_bill(
    fulfilment: Fulfilment,
    order: SalesOrder,
    shipped: Mapping[int, Decimal],
    shop: Shop,
    periods: Periods,
    edition: int = 1,
) -> Bill | Problem:
    """The bill of a fulfilment that stands as shipped, or why there can be none.

    `shipped` is what it ships by order line, in the line's own unit; `edition` counts bills of it that
    were made and deleted. The shop's policy must bill.
    """
    posting_day = periods.posting_day(fulfilment.shipped_on)
    if posting_day is None:
        return posting_problem(fulfilment)
    problem = _not_due(fulfilment, order, shipped, shop)
    if problem is not None:
        return problem
    return _bill(fulfilment, order, shipped, shop, posting_day).model_copy(update={"edition": edition})


def not_left_problem(
    fulfilment: Fulfilment, order: SalesOrder, shipped: Mapping[int, Decimal]
) -> Problem | None:
    """Something of the fulfilment is billed already, by a bill that is not its own."""
    for number, quantity in sorted(shipped.items()):
        line = order.line(number)
        if line is not None and line.due < quantity:
            return Problem(
                UNBILLABLE,
                "billed_already",
                f"{fulfilment.name} ships {quantity:f} of line {number} of Sales Order {order.number}, "
                f"of which {line.due:f} is left to bill: {line.billed:f} was billed already, by hand or by "
                "another tool.",
            )
    return None


def _not_due(
    fulfilment: Fulfilment, order: SalesOrder, shipped: Mapping[int, Decimal], shop: Shop
) -> Problem | None:
    if not shipped:
        return Problem(UNBILLABLE, "no_lines", f"{fulfilment.name} ships nothing.")
    strangers = [number for number in shipped if (line := order.line(number)) is None or not line.is_goods]
    if strangers:
        named = ", ".join(str(number) for number in sorted(strangers))
        return Problem(
            UNBILLABLE,
            "unknown_line",
            f"{fulfilment.name} ships line {named}, which is no line of goods of Sales Order {order.number}.",
        )
    if order.currency_id is not None and order.currency_id != shop.currency_id:
        return Problem(
            UNBILLABLE,
            "currency",
            f"{fulfilment.name}: Sales Order {order.number} is in currency {order.currency_id}, the shop's "
            f"is {shop.currency_id} ({shop.currency}).",
        )
    return not_left_problem(fulfilment, order, shipped)


def _bill(
    fulfilment: Fulfilment, order: SalesOrder, shipped: Mapping[int, Decimal], shop: Shop, posting_day: date
) -> Bill:
    policy = shop.billing
    assert not isinstance(policy, NoBilling)
    is_cash_sale = isinstance(policy, CashSaleBilling)
    spans = spans_of(order, shipped)
    by_number = {line.number: line for line in order.lines if line.number in spans}
    of_reference = {line.tax_reference: line.number for line in by_number.values()}
    taxes = [
        tax_share(detail, spans[number], shop.currency)
        for detail in order.taxes or ()
        if (number := of_reference.get(detail.reference)) is not None
        and spans[number].after > spans[number].before
    ]
    # Of a discount of a cent, half is nothing: NetSuite leaves the line out, and refuses a tax on it.
    taxes = [
        tax
        for tax in taxes
        if tax.basis or tax.amount or not by_number[of_reference[tax.reference]].is_discount
    ]
    lines = tuple(
        billed_share(
            line, spans[number], [one for one in taxes if one.reference == line.tax_reference], shop.currency
        )
        for number, line in by_number.items()
    )
    added = order.beside_lines if order.is_unbilled else _ZERO
    code = "cs" if is_cash_sale else "inv"
    return Bill(
        channel=CHANNEL,
        shop=shop.code,
        order_id=fulfilment.order_id,
        fulfilment_id=fulfilment.id,
        record_type="cashSale" if is_cash_sale else "invoice",
        external_id=f"tts-{shop.code}-{code}-{fulfilment.order_id}-{fulfilment.id}".lower(),
        sales_order_id=order.id,
        account_id=policy.account_id if isinstance(policy, CashSaleBilling) else None,
        shipped_on=fulfilment.shipped_on,
        tran_date=posting_day,
        memo=_memo(fulfilment, posting_day),
        currency=shop.currency,
        lines=lines,
        taxes=None if order.taxes is None else tuple(taxes),
        added=added,
        expected_total=sum((line.amount + line.tax for line in lines), added),
    )


def _memo(fulfilment: Fulfilment, posting_day: date) -> str:
    memo = f"TikTok Shop order {fulfilment.order_id}, shipment {fulfilment.number}"
    if posting_day == fulfilment.shipped_on:
        return memo
    return f"{memo}, shipped on {fulfilment.shipped_on} (that period is closed)"
