"""Stage: a claim, and what NetSuite has of its order, become the documents that should exist.

Pure. The books take the seller's side: what was billed of the refunded units is credited, whatever part
of it the buyer had paid himself. Nothing is priced or taxed again, and nothing beyond the bills is given
back. Level-triggered: whatever came in between, the answer follows from what is so now.

- Goods come back: a Return Authorization once TikTok approves, and a credit of it once it refunds.
- No goods come back: a credit that stands alone, with items that move no stock.
- Nothing left or was billed: nothing; the order itself is reduced or closed.
- Goods for goods: a Return Authorization without money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.goods.sales_order import OrderLine, SalesOrder
from tiktok_ns_pipeline.mapping.follow_ups import NoBilling
from tiktok_ns_pipeline.mapping.refunds import BookLarger, RefundRules
from tiktok_ns_pipeline.refunds.books import Billed, Books, Terms
from tiktok_ns_pipeline.refunds.custody import Standing, due_at
from tiktok_ns_pipeline.refunds.document import (
    Claim,
    Credit,
    Excess,
    Problem,
    RefundDocument,
    ReturnAuthorization,
    ShareLine,
)
from tiktok_ns_pipeline.refunds.making import (
    EXCEEDS,
    authorization_of,
    credit_of,
    day_of,
    excess_of,
    receipt_of,
)
from tiktok_ns_pipeline.refunds.shares import Covered, Entry, Refunded, shares
from tiktok_ns_pipeline.tiktok.identities import LinePrice

UNBILLED = "refund_unbilled"
TWICE = "credited_twice"
NEEDS_ANSWER = "return_needs_answer"
DIFFERS = "refund_differs"
CHANGED = "refund_changed"
"""Cause of a refund that TikTok changed after it was credited."""

_ZERO = Decimal(0)
_BILLS_COME_WITHIN = timedelta(hours=24)
"""So long a refund waits for the bill of what it is for before a person is asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be for one claim. Without documents either `waiting`, `nothing` or problems say why."""

    documents: tuple[RefundDocument, ...] = ()
    problems: tuple[Problem, ...] = ()
    waiting: str = ""
    nothing: str = ""
    look_again_at: datetime | None = None
    """When something becomes due by time alone."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document that cannot be made yet."""

    reason: str


def stage(
    claim: Claim,
    standing: Standing,
    books: Books,
    prices: Mapping[str, LinePrice],
    terms: Terms,
    answer_by: datetime | None = None,
    *,
    must_answer: bool = False,
) -> Decision:
    """What should be for a claim. `answer_by` is TikTok's deadline where it waits for the seller
    (`must_answer`); `prices` are the order's, by unit."""
    watched, look_again = _watched(claim, standing, books, terms)
    if must_answer:
        asked = answer_due(claim, answer_by, terms.rules, terms.now)
        if isinstance(asked, Problem):
            watched.append(asked)
        else:
            look_again = min(look_again or asked, asked)
    decision = _documents(claim, standing, books, prices, terms)
    return Decision(
        decision.documents,
        (*decision.problems, *watched),
        decision.waiting,
        decision.nothing,
        look_again,
    )


# What is to be watched


def _watched(
    claim: Claim, standing: Standing, books: Books, terms: Terms
) -> tuple[list[Problem], datetime | None]:
    """What contradicts itself, and when the next contradiction has lasted too long."""
    found: list[Problem] = []
    contradiction, look_again = standing.contradiction, None
    if contradiction is not None:
        since = claim.completed_at if contradiction.kind == "refund_without_goods" else None
        since = since or books.received_at.get(claim.id) or terms.now
        due = due_at(contradiction, since, terms.rules)
        if due > terms.now:
            look_again = due
        else:
            found.append(
                Problem(
                    contradiction.kind,
                    f"{standing.custody}:{standing.money}",
                    f"{claim.name}: {contradiction.means}.",
                )
            )
    credit = books.own(claim, Credit)
    if books.foreign and credit is not None:
        found.append(_foreign_problem(claim, books, made=True))
    if books.has(credit) and credit is not None and standing.money == "refunded":
        told = credit.explanation[0].amount
        if told != (claim.to_buyer or _ZERO):
            text = (
                f"{claim.name} refunds {claim.to_buyer or 0} {credit.currency} now; it was credited when "
                f"TikTok said {told}. Compare both, and correct {credit.name} by hand."
            )
            found.append(Problem(DIFFERS, CHANGED, text))
    return found, look_again


def answer_due(
    claim: Claim, answer_by: datetime | None, rules: RefundRules, now: datetime
) -> Problem | datetime:
    """That the seller must answer now, or when he is to be told so: some hours before TikTok decides."""
    tell_at = answer_by and answer_by - timedelta(hours=rules.reply_warning_hours)
    if tell_at is not None and tell_at > now:
        return tell_at
    until = f" until {answer_by:%Y-%m-%d %H:%M} UTC" if answer_by else ""
    return Problem(NEEDS_ANSWER, "answer", f"{claim.name} waits for the seller's answer{until}.", answer_by)


def _foreign_problem(claim: Claim, books: Books, *, made: bool) -> Problem:
    numbers = ", ".join(one.number for one in books.foreign)
    what = "has its credit, and the order has" if made else "has no credit yet, but the order has"
    return Problem(
        TWICE,
        "made" if made else "not_made",
        f"{claim.name} {what} another that the pipeline did not make: {numbers}.",
    )


# What should exist


def _documents(
    claim: Claim, standing: Standing, books: Books, prices: Mapping[str, LinePrice], terms: Terms
) -> Decision:
    authorization, credit = books.own(claim, ReturnAuthorization), books.own(claim, Credit)
    if books.has(credit):
        return _after_credit(claim, books, terms, authorization)
    if standing.money == "withdrawn":
        return _ended(standing, authorization, books)
    if reason := _nothing_due(claim, standing, books.order):
        return Decision(nothing=reason)
    assert books.order is not None
    if missing := next((unit for unit in claim.unit_ids if unit not in prices), ""):
        return Decision(waiting=f"the price of unit {missing} is not known yet")
    if stranger := next((unit for unit in claim.unit_ids if not _is_on(books.order, unit)), ""):
        text = f"{claim.name}: no line of Sales Order {books.order.number} stands for unit {stranger}."
        return Decision(problems=(Problem("malformed_return", "unknown_unit", text),))
    return _due(claim, standing, books, prices, terms, authorization)


def _after_credit(
    claim: Claim, books: Books, terms: Terms, authorization: ReturnAuthorization | None
) -> Decision:
    """What was decided with the credit stands; only a receipt of ours can still become due."""
    documents: list[RefundDocument] = []
    if authorization is not None and authorization.is_closed:
        documents.append(authorization)
    elif authorization is not None and _is_to_be_received(claim, books, terms):
        documents.append(receipt_of(claim, authorization))
    excess = books.own(claim, Excess)
    if excess is not None:
        documents.append(excess)
    return Decision(tuple(documents), nothing="" if documents else "it is credited")


def _nothing_due(claim: Claim, standing: Standing, order: SalesOrder | None) -> str:
    """Why there is nothing to make of it."""
    if standing.custody in ("requested", "refused") and standing.money != "refunded":
        return f"it is {standing.custody}, and there is no refund"
    if standing.custody == "kept_by_buyer" and standing.money != "refunded":
        return "it is not refunded yet"
    if order is None:
        return "the order has no Sales Order"
    units = set(claim.unit_ids)
    own = [line for line in order.lines if units & set(line.unit_ids)]
    if own and not any(line.fulfilled or line.billed for line in own):
        return "nothing of it was shipped or billed: the order itself is reduced or closed"
    return ""


def _ended(standing: Standing, authorization: ReturnAuthorization | None, books: Books) -> Decision:
    """Withdrawn, rejected or replaced by another claim: what waits for goods waits no more."""
    if authorization is None or standing.custody == "received" or not books.has(authorization):
        return Decision(nothing="it has ended without a refund")
    return Decision((authorization.model_copy(update={"is_closed": True}),))


def _due(
    claim: Claim,
    standing: Standing,
    books: Books,
    prices: Mapping[str, LinePrice],
    terms: Terms,
    known: ReturnAuthorization | None,
) -> Decision:
    assert books.order is not None
    others = books.entries_of_others(claim)
    before = Covered.by(others)
    refunded = Refunded.of(claim, books.order, before, prices)
    made = known if books.has(known) else None
    is_lost = made is not None and (made.is_closed or made.external_id in books.closed_by_hand)
    comes_back = standing.custody in ("approved", "on_its_way", "received") and not is_lost
    returned = claim.unit_ids if comes_back and claim.brings_goods else ()
    lines = shares(
        books.order,
        prices,
        others,
        before.plus(refunded.goods, refunded.shipping),
        returned,
        terms.shop.currency,
    )
    if standing.is_replacement:
        lines = [_for_free(line) for line in lines if line.quantity]
    if _is_mixed(lines, books.order):
        text = (
            f"{claim.name} brings back goods that came back before, or not those that it refunds. Make its "
        )
        return Decision(problems=(Problem("malformed_return", "indivisible", f"{text}documents by hand."),))
    not_billed = _not_billed(claim, lines, others, books, terms)
    if isinstance(not_billed, Waiting):
        return Decision(waiting=not_billed.reason)
    if not_billed is not None:
        return Decision(problems=(not_billed,))
    documents: list[RefundDocument] = []
    if any(line.quantity for line in lines):
        authorization = made or authorization_of(claim, books.order, lines, refunded, terms)
        documents.append(authorization)
        if _is_to_be_received(claim, books, terms):
            documents.append(receipt_of(claim, authorization))
    elif made is not None and not is_lost:
        # The buyer keeps the goods after all: what waits for them waits no more.
        documents.append(made.model_copy(update={"is_closed": True}))
    if standing.money == "refunded":
        return _credited(claim, books, terms, refunded, lines, documents, made)
    return Decision(tuple(documents), nothing="" if documents else "it is not refunded yet")


def _is_mixed(lines: Sequence[ShareLine], order: SalesOrder) -> bool:
    """Whether goods come back of one line and money is given back of another line of goods alone."""
    goods = {line.number for line in order.lines if line.is_goods}
    own = [line for line in lines if line.order_line in goods]
    return any(line.quantity for line in own) and not all(line.quantity for line in own)


def _is_to_be_received(claim: Claim, books: Books, terms: Terms) -> bool:
    is_ours = terms.policy.receipt == "make" and claim.has_arrived
    return is_ours and claim.id not in books.received_at


def _credited(
    claim: Claim,
    books: Books,
    terms: Terms,
    refunded: Refunded,
    lines: list[ShareLine],
    documents: list[RefundDocument],
    made: ReturnAuthorization | None,
) -> Decision:
    """The credit beside what else should be."""
    day = day_of(claim, terms)
    posting_day = terms.periods.posting_day(day)
    problem = _not_creditable(claim, books, terms, refunded, lines)
    if posting_day is None:
        text = f"{claim.name} was refunded on {day}; that period is shut, and no later one is open."
        problem = problem or Problem("no_open_period", f"{day:%Y-%m}", text)
    if problem is not None or posting_day is None:
        return Decision(tuple(documents), (problem,) if problem else ())
    if refunded.excess:
        excess = excess_of(claim, refunded.excess, terms, posting_day)
        if isinstance(excess, Problem):
            return Decision(tuple(documents), (excess,))
        documents.append(excess)
    if sum((line.amount + line.tax for line in lines), _ZERO) <= 0:
        return Decision(tuple(documents), nothing="" if documents else "nothing of it was billed")
    of_return = any(isinstance(one, ReturnAuthorization) and not one.is_closed for one in documents)
    if of_return and made is not None and not _fits(lines, made):
        # TikTok's amounts changed after the goods were authorized, whose amounts are fixed since.
        documents = [one for one in documents if not isinstance(one, ReturnAuthorization)]
        documents.append(made.model_copy(update={"is_closed": True}))
        of_return = False
    bill = next(one for one in books.bills if _bills(one, lines))
    documents.append(credit_of(claim, books, terms, refunded, lines, bill, posting_day, of_return=of_return))
    return Decision(tuple(documents))


def _not_creditable(
    claim: Claim, books: Books, terms: Terms, refunded: Refunded, lines: Sequence[ShareLine]
) -> Problem | None:
    if books.foreign:
        return _foreign_problem(claim, books, made=False)
    if refunded.excess and not isinstance(terms.policy.larger_than_billed, BookLarger):
        text = (
            f"{claim.name} refunds {refunded.excess} {terms.shop.currency} more than is left of what the "
            "order was billed."
        )
        return Problem(EXCEEDS, "larger", text)
    if len({bill.record_type for bill in books.bills if _bills(bill, lines)}) > 1:
        text = f"{claim.name} is of goods that were billed by a Cash Sale and by an Invoice."
        return Problem(UNBILLED, "mixed", text)
    return None


# What was refunded, and of what


def _is_on(order: SalesOrder, unit: str) -> bool:
    return any(unit in line.unit_ids for line in order.lines)


def _not_billed(
    claim: Claim, lines: Sequence[ShareLine], others: Sequence[Entry], books: Books, terms: Terms
) -> Problem | Waiting | None:
    """Of some line more would be given back than was billed."""
    assert books.order is not None
    for share in lines:
        order_line = books.order.line(share.order_line)
        assert order_line is not None
        problem = _line_beyond(claim, share, order_line, others, books)
        if problem is None:
            continue
        if problem.kind == UNBILLED and not isinstance(terms.shop.billing, NoBilling):
            since = claim.completed_at or terms.now
            if terms.now - since < _BILLS_COME_WITHIN:
                return Waiting(f"line {share.order_line} of its Sales Order is not billed yet")
        return problem
    return None


def _line_beyond(
    claim: Claim, share: ShareLine, line: OrderLine, others: Sequence[Entry], books: Books
) -> Problem | None:
    taken = [one for entry in others for one in entry.lines if one.order_line == line.number]
    billed = [bill.lines[line.number] for bill in books.bills if line.number in bill.lines]
    amount = sum((one.amount for one in (*taken, share)), _ZERO)
    tax = sum((one.tax for one in (*taken, share)), _ZERO)
    pieces = sum((one.quantity or _ZERO for one in (*taken, share)), _ZERO)
    within = (
        _is_within(amount, sum((each[0] for each in billed), _ZERO))
        and _is_within(tax, sum((each[1] for each in billed), _ZERO))
        and pieces <= max(line.billed, line.fulfilled)
        and _is_within(share.amount, line.amount)
    )
    if within:
        return None
    place = f"line {line.number} of its Sales Order"
    if line.billed < line.ordered or not billed:
        return Problem(UNBILLED, "unbilled", f"{claim.name}: {place} is not billed as far as it is refunded.")
    return Problem(
        EXCEEDS, "line", f"{claim.name} would give back more of {place} than was billed and is left."
    )


def _is_within(part: Decimal, whole: Decimal) -> bool:
    return part * whole >= 0 and abs(part) <= abs(whole)


def _bills(bill: Billed, lines: Sequence[ShareLine]) -> bool:
    return any(line.order_line in bill.lines for line in lines)


def _for_free(line: ShareLine) -> ShareLine:
    return line.model_copy(update={"amount": _ZERO, "tax": _ZERO, "taxes": ()})


def _fits(lines: Sequence[ShareLine], authorization: ReturnAuthorization) -> bool:
    """Whether a credit of those lines can be made of a Return Authorization as it stands."""
    allowed = {line.order_line: line for line in authorization.lines}
    return all(
        (known := allowed.get(line.order_line)) is not None
        and _is_within(line.amount, known.amount)
        and _is_within(line.tax, known.tax)
        and (line.quantity or _ZERO) == (known.quantity or _ZERO)
        for line in lines
    )
