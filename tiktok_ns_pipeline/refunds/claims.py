"""From TikTok's return, or the cancellation of an order that had left, to a claim.

What the buyer gets back stands in the head, and again line by line (T 6.5). Where the two differ the head
counts, and is divided as the lines say. An offer of a part that the buyer took is what he gets, if the
head still shows more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.refunds.custody import MOVES_GOODS, OF_CANCELLATION, STATUS
from tiktok_ns_pipeline.refunds.document import SUBJECT, Claim, Problem
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.identities import TAX_ON_TOP, LinePrice
from tiktok_ns_pipeline.tiktok.return_models import Return

MALFORMED = "malformed_return"
_ZERO = Decimal(0)


def claim_of_return(ret: Return, shop: Shop, prices: Mapping[str, LinePrice]) -> Claim | Problem:
    """The claim that a return is. `prices` are those of the order's units by line id."""
    name = f"Return {ret.return_id} of order {ret.order_id} of shop {shop.code}"
    told = STATUS.get(ret.status)
    if told is None or (ret.return_type or "") not in MOVES_GOODS:
        what = f"status {ret.status}" if told is None else f"type {ret.return_type}"
        return Problem(MALFORMED, f"unknown:{what.partition(' ')[0]}", f"{name}: its {what} is not known.")
    refund = ret.refund_amount
    amounts = [refund, *(line.refund_amount for line in ret.lines)]
    if any(one is not None and one.currency not in (None, shop.currency) for one in amounts):
        return Problem(MALFORMED, "currency", f"{name} is not in the shop's currency {shop.currency}.")
    if not ret.lines:
        return Problem(MALFORMED, "no_lines", f"{name} names no unit.")
    brings_goods = MOVES_GOODS[ret.return_type or ""] and not ret.buyer_keeps_item
    if brings_goods and any(line.parts for line in ret.lines):
        return Problem(
            MALFORMED,
            "part_of_bundle",
            f"{name} brings back parts of a bundle, which has one price. Make its documents by hand.",
        )
    is_refunded = told[1] == "refunded" and not ret.is_replaced
    goods = _goods(ret, prices, shop.currency)
    if isinstance(goods, str):
        if is_refunded:
            return Problem(MALFORMED, f"field:{goods}", f"{name} does not state {goods}.")
        goods = dict.fromkeys((line.line_id for line in ret.lines), None)
    tax = (refund.refund_tax or _ZERO) if refund and shop.currency in TAX_ON_TOP else _ZERO
    shipping = (refund.refund_shipping_fee or _ZERO) if refund else _ZERO
    fees = (refund.retail_delivery_fee or _ZERO) + (refund.buyer_service_fee or _ZERO) if refund else _ZERO
    is_part = _accepted_part(ret) is not None
    return Claim(
        shop=shop.code,
        id=ret.return_id,
        order_id=ret.order_id,
        is_cancellation=False,
        unit_ids=tuple(line.line_id for line in ret.lines),
        brings_goods=brings_goods,
        has_arrived=brings_goods and _has_arrived(ret, told[1]),
        goods=goods,
        shipping=_ZERO if is_part else shipping + _shipping_paid_by_platform(ret),
        to_buyer=_accepted_part(ret) or (refund.refund_total if refund else None),
        tax_on_top=_ZERO if is_part else tax,
        fees=_ZERO if is_part else fees,
        completed_at=ret.update_time if is_refunded else None,
    )


def claim_of_cancellation(
    cancellation: Cancellation, shop: Shop, unit_ids: Sequence[str], *, whole: bool
) -> Claim:
    """The claim that a cancelled order is that had left already: everything that was billed of the units.

    `whole` says whether nothing of the order stays, so that its shipping is refunded, too.
    """
    refund = cancellation.refund_amount
    is_refunded = OF_CANCELLATION.get(cancellation.status, ("", ""))[1] == "refunded"
    on_top = (refund.refund_tax or _ZERO) if refund and shop.currency in TAX_ON_TOP else _ZERO
    return Claim(
        shop=shop.code,
        id=cancellation.cancel_id,
        order_id=cancellation.order_id,
        is_cancellation=True,
        unit_ids=tuple(unit_ids),
        brings_goods=True,
        has_arrived=False,
        goods=dict.fromkeys(unit_ids, None),
        shipping=None if whole else _ZERO,
        to_buyer=refund.refund_total if refund else None,
        tax_on_top=on_top,
        fees=_ZERO,
        completed_at=cancellation.update_time if is_refunded else None,
    )


def units_that_left(unit_ids: Sequence[str], order: SalesOrder) -> tuple[str, ...]:
    """Those of some cancelled units that left the warehouse before: of the others the order was closed.

    Of a line that left in part the units that are not cancelled are taken to have left first.
    """
    cancelled = set(unit_ids)
    left: set[str] = set()
    for line in order.lines:
        if line.is_discount or not line.unit_ids:
            continue
        here = [unit for unit in line.unit_ids if unit in cancelled]
        gone = max(line.fulfilled, line.billed) * len(line.unit_ids) / (line.ordered or 1)
        left.update(here[: max(math.ceil(gone) - (len(line.unit_ids) - len(here)), 0)])
    return tuple(unit for unit in unit_ids if unit in left)


def subject_of(claim_id: str) -> str:
    """What an exception about a claim is about."""
    return f"{SUBJECT}{claim_id}"


def _goods(ret: Return, prices: Mapping[str, LinePrice], currency: str) -> Mapping[str, Decimal | None] | str:
    """What is refunded of each unit; the field that would say it, where nothing does."""
    units = [line.line_id for line in ret.lines]
    stated = [line.refund_amount.refund_subtotal if line.refund_amount else None for line in ret.lines]
    part = _accepted_part(ret)
    head = ret.refund_amount.refund_subtotal if ret.refund_amount else None
    whole = part if part is not None else head
    by_line = [amount for amount in stated if amount is not None]
    if any(amount < 0 for amount in by_line) or (whole is not None and whole < 0):
        return "refund_amount.refund_subtotal"
    if len(by_line) == len(units) and (whole is None or sum(by_line, _ZERO) == whole):
        return dict(zip(units, by_line, strict=True))
    if whole is None:
        return "refund_amount.refund_subtotal"
    if not Money(whole, currency).fits_currency:
        return "refund_amount.refund_subtotal in whole units"
    weights = by_line if len(by_line) == len(units) else _paid(units, prices)
    if not sum(weights, _ZERO):
        weights = [Decimal(1)] * len(units)
    shares = Money(whole, currency).allocate(weights)
    return {unit: share.amount for unit, share in zip(units, shares, strict=True)}


def _paid(units: Iterable[str], prices: Mapping[str, LinePrice]) -> list[Decimal]:
    return [prices[unit].paid_by_buyer if unit in prices else _ZERO for unit in units]


def _accepted_part(ret: Return) -> Decimal | None:
    """What the seller offered and the buyer took, where the head still shows more (T 6.4)."""
    offer = ret.partial_refund
    if ret.proposed_type != "PARTIAL_REFUND" or ret.buyer_rejected_offer or offer is None:
        return None
    told = ret.refund_amount.refund_total if ret.refund_amount else None
    return offer.amount if offer.amount is not None and (told is None or told > offer.amount) else None


def _shipping_paid_by_platform(ret: Return) -> Decimal:
    return sum((one.shipping_fee_platform_discount or _ZERO for one in ret.discounts), _ZERO)


def _has_arrived(ret: Return, money: str) -> bool:
    """Refunded after the parcel went back, and not before it: somebody has received it."""
    is_over = ret.status.endswith("_SUCCESS") or money == "refunded"
    return ret.tracking_number is not None and is_over and not ret.is_quick_refund
