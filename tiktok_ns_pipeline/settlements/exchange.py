"""The realised difference of exchange: what the books had for the orders, and what the payout was worth.

Bills enter the clearing account at the rate of their day, the payout leaves it at the rate of its own,
and TikTok converts at a third one. In the shop's currency everything is even; in the subsidiary's, what
is left over in the clearing account and on the bank goes to the account for differences of exchange.

Invariant: after both documents, clearing holds nothing of the orders in either currency, and the bank
holds in its currency what arrived. What is cleared of an order whose rate is not known is left alone and
named, never taken for even.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.settlements.document import LineKey, Lines, PayoutJournal, exact_in
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked, Posting

_NAMED = 20
"""So many orders a message names."""
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The journal of the difference, and the orders that it could not take into account."""

    journal: PayoutJournal | None
    """None where there is no difference."""
    left_alone: tuple[str, ...]


def rates_unknown(booked: BookedPayout, left_alone: Sequence[str], rate: Decimal, base: str) -> Problem:
    """That orders of a payout have no rate, `rate` being the one at which the payout was posted."""
    payment, orders = booked.payment.payment, booked.orders
    total = sum((orders[order_id].total for order_id in left_alone), _ZERO)
    named = ", ".join(f"{one} ({orders[one].total})" for one in left_alone[:_NAMED])
    more = f" and {len(left_alone) - _NAMED} more" if len(left_alone) > _NAMED else ""
    count = f"{len(left_alone)} order{'s' if len(left_alone) > 1 else ''}"
    text = (
        f"payout {payment.id} of shop {payment.shop} clears {total} {booked.payment.currency} of {count} at "
        f"{rate} {base}, and NetSuite has no one rate at which their bills were posted: {named}{more}. Bill "
        "them, and the difference of exchange is booked; resolve this, and it is booked without them."
    )
    return Problem.of("order_rate_unknown", "rates", text)


def realised_difference(
    posting: Posting,
    booked: BookedPayout,
    rate: Decimal,
    entered_at: Mapping[str, Decimal],
    base_currency_id: str,
    paid_at_rate: Collection[str] = (),
) -> Exchange | NotBooked:
    """The journal in the subsidiary's currency that evens out a payout in another one (N 6 no. 11).

    `rate` is the one at which NetSuite posted the payout, `entered_at` those at which the orders' bills
    were posted, by order id; both in the subsidiary's currency for one of the shop's. `paid_at_rate` are
    orders that enter the clearing account at the payout's own rate: their Invoices are paid with it, and
    NetSuite itself realises what the Invoices had beside that.
    """
    shop, policy, base = posting.shop, posting.policy, posting.base_currency
    payment = booked.payment.payment
    if shop.currency == base:
        return Exchange(None, ())
    orders = {key: one for key, one in booked.orders.items() if key not in paid_at_rate}
    left_alone = sorted(
        order_id for order_id, one in orders.items() if one.total and order_id not in entered_at
    )
    known = {order_id: one.total for order_id, one in orders.items() if order_id in entered_at}
    entered = sum((exact_in(total * entered_at[key], base) for key, total in known.items()), _ZERO)
    clearing = entered - exact_in(sum(known.values(), _ZERO) * rate, base)
    bank = _ZERO
    if payment.currency == base:
        bank = payment.amount - exact_in(booked.payment.net * rate, base)
    if not clearing and not bank:
        return Exchange(None, tuple(left_alone))
    account = policy.exchange_difference_account_id
    if account is None:
        text = (
            f"payout {payment.id} of shop {shop.code} has a difference of exchange of {bank - clearing} "
            f"{base}, and `settlement.exchange_difference_account_id` of the shop names no account for it."
        )
        field = "field:exchange_difference_account_id"
        return NotBooked((Problem.of("settlement_account_missing", field, text),))
    lines = Lines()

    def add(account_id: str, entity_id: str | None, what: str, amount: Decimal) -> None:
        department_id = policy.department_id or shop.department_id
        class_id = policy.class_id or shop.class_id
        memo = f"Difference of exchange, {what}"
        lines.add(LineKey(account_id, department_id, class_id, None, entity_id, memo), what, amount)

    # Credits are positive here: what clearing still holds leaves it, what the bank lacks comes in.
    add(policy.clearing_account_id, policy.entity_id, "clearing", clearing)
    add(account, None, "clearing", -clearing)
    add(policy.bank_account_id, None, "bank", -bank)
    add(account, None, "bank", bank)
    of_payout = booked.journals[0]
    journal = PayoutJournal(
        shop=shop.code,
        key=payment.id,
        record_type="journalEntry",
        external_id=f"tts-{shop.code}-fx-{payment.id.lower()}",
        subsidiary_id=posting.subsidiary_id,
        currency=base,
        currency_id=base_currency_id,
        true_date=of_payout.true_date,
        tran_date=of_payout.tran_date,
        memo=f"Difference of exchange of TikTok payout {payment.id} of shop {shop.code}, "
        f"{of_payout.true_date}",
        approval=policy.approval,
        statements=of_payout.statements,
        lines=lines.lines(),
    )
    return Exchange(journal, tuple(left_alone))
