"""The documents of a claim, once it is known what they take. Pure; what they say is what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import CashSaleBilling
from tiktok_ns_pipeline.mapping.refunds import BookLarger
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.refunds.books import Billed, Books, Terms
from tiktok_ns_pipeline.refunds.document import (
    CHANNEL,
    Claim,
    Credit,
    Excess,
    ItemReceipt,
    Problem,
    ReturnAuthorization,
    ShareLine,
    Step,
)
from tiktok_ns_pipeline.refunds.shares import Refunded, is_marketplace_tax, is_shipping

EXCEEDS = "refund_exceeds_bill"
_ZERO = Decimal(0)


def authorization_of(
    claim: Claim, order: SalesOrder, lines: Sequence[ShareLine], refunded: Refunded, terms: Terms
) -> ReturnAuthorization:
    """The Return Authorization of a claim's lines; every other line of the order is left out."""
    taken = {line.order_line for line in lines}
    left_out = [line for line in order.lines if line.number not in taken]
    return ReturnAuthorization(
        channel=CHANNEL,
        shop=claim.shop,
        order_id=claim.order_id,
        claim_id=claim.id,
        external_id=f"tts-{claim.shop}-ra-{claim.id}".lower(),
        sales_order_id=order.id,
        memo=f"TikTok Shop order {claim.order_id}, {_what(claim)}",
        lines=tuple(lines),
        goods=refunded.goods,
        shipping=refunded.shipping,
        left_out=tuple(line.number for line in left_out if line.quantity is not None),
        left_out_amounts=tuple(line.number for line in left_out if line.quantity is None),
        has_tax_details=order.taxes is not None,
    )


def receipt_of(claim: Claim, authorization: ReturnAuthorization) -> ItemReceipt:
    """The Item Receipt of all goods of a Return Authorization."""
    return ItemReceipt(
        channel=CHANNEL,
        shop=claim.shop,
        order_id=claim.order_id,
        claim_id=claim.id,
        external_id=f"tts-{claim.shop}-ir-{claim.id}".lower(),
        memo=authorization.memo,
        lines=tuple(line for line in authorization.lines if line.quantity),
    )


def credit_of(
    claim: Claim,
    books: Books,
    terms: Terms,
    refunded: Refunded,
    lines: Sequence[ShareLine],
    bill: Billed,
    posting_day: date,
    *,
    of_return: bool,
) -> Credit:
    """The credit of a claim's lines, of the kind that `bill` has. The order must have its Sales Order."""
    assert books.order is not None
    is_cash = bill.record_type == "cashSale"
    total = sum((line.amount + line.tax for line in lines), _ZERO)
    day = day_of(claim, terms)
    moved = "" if posting_day == day else f", refunded on {day} (that period is closed)"
    return Credit(
        channel=CHANNEL,
        shop=claim.shop,
        order_id=claim.order_id,
        claim_id=claim.id,
        record_type="cashRefund" if is_cash else "creditMemo",
        external_id=f"tts-{claim.shop}-{'cr' if is_cash else 'cm'}-{claim.id}".lower(),
        of_return=of_return,
        sales_order_id=books.order.id,
        customer_id=books.order.customer_id,
        currency_id=terms.shop.currency_id,
        exchange_rate=bill.exchange_rate,
        account_id=_clearing(terms.shop, bill) if is_cash else None,
        refunded_on=day,
        tran_date=posting_day,
        memo=f"TikTok Shop order {claim.order_id}, {_what(claim)}{moved}",
        currency=terms.shop.currency,
        lines=tuple(lines if of_return else [_money_line(line, terms) for line in lines]),
        has_tax_details=books.order.taxes is not None,
        goods=refunded.goods,
        shipping=refunded.shipping,
        explanation=tuple(_explained(claim, refunded, total)),
        expected_total=total,
    )


def _money_line(line: ShareLine, terms: Terms) -> ShareLine:
    """A line that gives back money and moves no stock."""
    item_id = terms.policy.item_id
    if is_shipping(line.key):
        item_id = terms.policy.shipping_item_id or line.item_id
    elif is_marketplace_tax(line.key):
        item_id = line.item_id
    return line.model_copy(update={"item_id": item_id, "quantity": None})


def excess_of(claim: Claim, amount: Decimal, terms: Terms, posting_day: date) -> Excess | Problem:
    """The Journal Entry of what goes beyond the bill; a problem where no clearing account is known."""
    larger = terms.policy.larger_than_billed
    assert isinstance(larger, BookLarger)
    clearing = _clearing(terms.shop, None)
    if clearing is None:
        text = (
            f"{claim.name} refunds {amount} {terms.shop.currency} more than was billed, and the shop names "
        )
        return Problem(EXCEEDS, "no_clearing_account", f"{text}no clearing account that it went out of.")
    return Excess(
        channel=CHANNEL,
        shop=claim.shop,
        order_id=claim.order_id,
        claim_id=claim.id,
        external_id=f"tts-{claim.shop}-rx-{claim.id}".lower(),
        subsidiary_id=terms.shop.subsidiary_id,
        currency_id=terms.shop.currency_id,
        account_id=larger.account_id,
        clearing_account_id=clearing,
        tran_date=posting_day,
        memo=f"TikTok Shop order {claim.order_id}, {_what(claim)}: beyond what was billed",
        amount=amount,
    )


def _explained(claim: Claim, refunded: Refunded, total: Decimal) -> list[Step]:
    """From what the buyer got to what the seller's books show (T 6.5)."""
    to_buyer = claim.to_buyer or _ZERO
    goods = sum(refunded.goods.values(), _ZERO)
    steps = [
        Step(name="refunded_to_buyer", amount=to_buyer),
        Step(name="tax_collected_by_channel", amount=-claim.tax_on_top),
        Step(name="fees_kept_by_channel", amount=-claim.fees),
        Step(name="shipping_not_billed", amount=-refunded.shipping_not_billed),
        Step(name="beyond_billed", amount=-refunded.excess),
    ]
    rest = total - sum((step.amount for step in steps), _ZERO)
    # What the buyer did not pay of it, the platform did: its discount is taken back, too. A cancellation
    # takes back all that was billed, shipping that the platform paid included.
    discount = rest if claim.is_cancellation else total - goods - refunded.shipping
    steps.append(Step(name="platform_discount", amount=discount))
    steps.append(Step(name="rounding", amount=rest - discount))
    return [step for step in steps if step.amount or step.name == "refunded_to_buyer"]


def day_of(claim: Claim, terms: Terms) -> date:
    """The day of the refund in the subsidiary's zone."""
    return (claim.completed_at or terms.now).astimezone(terms.shop.zone).date()


def _clearing(shop: Shop, bill: Billed | None) -> str | None:
    if bill is not None and bill.account_id is not None:
        return bill.account_id
    if isinstance(shop.billing, CashSaleBilling):
        return shop.billing.account_id
    return shop.settlement.clearing_account_id if isinstance(shop.settlement, PostedSettlement) else None


def _what(claim: Claim) -> str:
    return f"{'cancellation' if claim.is_cancellation else 'return'} {claim.id}"
