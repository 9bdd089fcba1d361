"""The join of payments with the documents that book them, and of both with the bank's lines.

Invariants: every statement, payment, document and line of the bank stands in exactly one row of its aspect;
a document belongs to one payment; documents that name a payment go before those that merely come to the
same amount. Sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tiktok_ns_pipeline.money import exponent_of
from tiktok_ns_pipeline.reconciliation.payouts.model import (
    Accounts,
    BankLine,
    Gap,
    LineDifference,
    PaidOut,
    PayoutDocument,
    Row,
    Settlement,
    Verdict,
)

BY_HAND_WINDOW = timedelta(days=10)
"""So far from its payment a document is dated that names none."""

_ZERO = Decimal(0)
_NAMED = 5
"""Gaps in one note."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all payouts of a shop's day."""

    day: date
    """UTC."""
    accounts: Accounts | None
    """None where the shop posts no payouts."""
    currency: str
    since: date | None
    """First UTC day of the statements that are posted; None where the mapping does not say."""
    now: datetime
    grace: timedelta
    """So long after a payment, or after a statement's day, its journal may be on its way."""


def prove_statements(statements: Iterable[Settlement]) -> list[Row]:
    """Whether each statement is the sum of its transactions."""
    return [
        Row(
            aspect="statement",
            verdict=_footing(one),
            subject=one.id,
            currency=one.currency,
            expected=one.settlement,
            note=one.unreadable or _told(one.gaps),
        )
        for one in statements
    ]


def prove_payouts(
    payments: Iterable[PaidOut],
    statements: Iterable[Settlement],
    documents: Iterable[PayoutDocument],
    terms: Terms,
    *,
    neighbours: Iterable[PaidOut] = (),
    strangers: Collection[str] = (),
) -> list[Row]:
    """A row for each payment, and for each document of the day that belongs to none.

    `statements` are all that name the payments. `neighbours` are payments of days around: what is theirs is
    left alone, as are documents that name one of `strangers`, which are payments and statements known
    elsewhere, and those of statements that nobody has paid yet.
    """
    own, others = list(payments), list(neighbours)
    of_payment: defaultdict[str, list[Settlement]] = defaultdict(list)
    for one in statements:
        of_payment[one.payment_id].append(one)
    found, left = _assigned(own, others, of_payment, list(documents), terms)
    known = {*strangers, *(one.id for one in others)}
    rows = [_payout(one, of_payment[one.id], found[one.id], terms) for one in own]
    return rows + [_orphan(one, terms) for one in left if one.dated == terms.day and not one.names & known]


def prove_bank(
    payments: Iterable[PaidOut],
    lines: Iterable[BankLine],
    day: date,
    *,
    neighbours: Iterable[PaidOut] = (),
    window: timedelta,
    now: datetime,
) -> list[Row]:
    """A row for each payment that arrived, and for each line of the day that is none.

    Lines that name a payment's id go first; the others are matched one to one by amount and currency, the
    earliest payment with the earliest line that is at most `window` away.
    """
    own = [one for one in payments if one.has_arrived]
    pairs = match_bank([*own, *(one for one in neighbours if one.has_arrived)], lines, window)
    rows: list[Row] = []
    for one in own:
        line = pairs.get(one.id)
        young = one.paid_at is not None and now - one.paid_at < window
        rows.append(
            Row(
                aspect="bank",
                verdict=_in_bank(line, young=young),
                subject=one.id,
                currency=one.currency,
                expected=one.amount,
                posted=line.amount if line else None,
                documents=(line.reference or f"line {line.number}",) if line else (),
            )
        )
    taken = {line.number for line in pairs.values()}
    for line in lines:
        if line.dated == day and line.number not in taken:
            rows.append(
                Row(
                    aspect="bank",
                    verdict=Verdict.BANK_WITHOUT_PAYMENT,
                    subject=f"line {line.number}",
                    currency=line.currency,
                    posted=line.amount,
                    documents=(line.reference,) if line.reference else (),
                    note=f"dated {line.dated}",
                )
            )
    return rows


def match_bank(
    payments: Iterable[PaidOut], lines: Iterable[BankLine], window: timedelta
) -> dict[str, BankLine]:
    """The bank's line of each payment that has one, by the payment's id; no line is taken twice."""
    waiting: defaultdict[tuple[str, Decimal], list[BankLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda one: (one.dated, one.number)):
        waiting[line.currency, line.amount].append(line)
    pairs: dict[str, BankLine] = {}
    ordered = sorted(payments, key=lambda one: (str(one.paid_at), one.id))
    for by_name in (True, False):
        for one in ordered:
            if one.id in pairs or one.amount is None or one.paid_at is None:
                continue
            candidates = waiting[one.currency, one.amount]
            paid = one.paid_at.date()
            line = next(
                (
                    line
                    for line in candidates
                    if (one.id in line.reference if by_name else abs(line.dated - paid) <= window)
                ),
                None,
            )
            if line is not None:
                candidates.remove(line)
                pairs[one.id] = line
    return pairs


def expected_of(payment: PaidOut, statements: Sequence[Settlement], accounts: Accounts) -> dict[str, Decimal]:
    """What all documents of a payment together should post by account, debit positive."""
    expected: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in statements:
        for account, amount in one.accounts.items():
            expected[account] += amount
    settlement = sum((one.settlement for one in statements), _ZERO)
    reserve = _reserve(payment, statements, settlement)
    expected[accounts.bank] += settlement + reserve
    if reserve and accounts.reserve is not None:
        expected[accounts.reserve] -= reserve
    return {account: amount for account, amount in expected.items() if amount}


def gaps_of(payment: PaidOut, statements: Sequence[Settlement]) -> list[Gap]:
    """Where a payment is not the sum of its statements, or its arrival not its net at TikTok's rate."""
    settlement = sum((one.settlement for one in statements), _ZERO)
    reserve = _reserve(payment, statements, settlement)
    net = settlement + reserve
    gaps: list[Gap] = []
    if payment.settlement is not None and payment.settlement != settlement:
        gaps.append(Gap("settlement of the payment and of its statements", payment.settlement, settlement))
    if payment.reserve is not None and payment.reserve != reserve:
        gaps.append(Gap("reserve of the payment and of its statements", payment.reserve, reserve))
    if payment.before_exchange is not None and payment.before_exchange != net:
        gaps.append(Gap("amount before exchange and its statements", payment.before_exchange, net))
    arrives = _arrives(payment, statements, net)
    if payment.amount is not None and arrives is not None and payment.amount != arrives:
        gaps.append(Gap(f"amount in {payment.currency}", payment.amount, arrives))
    return gaps


# Within


def _footing(one: Settlement) -> Verdict:
    if one.unreadable:
        return Verdict.CANNOT_BE_CHECKED
    return Verdict.DOES_NOT_FOOT if one.gaps else Verdict.FOOTS


def _payout(
    payment: PaidOut, statements: Sequence[Settlement], documents: Sequence[PayoutDocument], terms: Terms
) -> Row:
    posted = _on_bank(documents, terms)
    verdict, note, differences = _judged(payment, statements, documents, terms)
    net = sum((one.settlement for one in statements), _ZERO)
    net += _reserve(payment, statements, net)
    return Row(
        aspect="payout",
        verdict=verdict,
        subject=payment.id,
        currency=payment.settled_currency or terms.currency,
        expected=net if statements else _net(payment),
        posted=posted if documents else None,
        documents=tuple(one.name for one in documents),
        differences=differences,
        note=note,
    )


def _judged(
    payment: PaidOut, statements: Sequence[Settlement], documents: Sequence[PayoutDocument], terms: Terms
) -> tuple[Verdict, str, tuple[LineDifference, ...]]:
    told = _without_books(payment, statements, has_documents=bool(documents), terms=terms)
    if told is not None:
        return (*told, ())
    if terms.accounts is None:
        return Verdict.NOT_EXPECTED, "the shop posts no payouts", ()
    if not documents:
        return (*_missing(payment, statements, terms), ())
    expected = expected_of(payment, statements, terms.accounts)
    return _compared(statements, documents, expected, terms.accounts)


def _without_books(
    payment: PaidOut, statements: Sequence[Settlement], *, has_documents: bool, terms: Terms
) -> tuple[Verdict, str] | None:
    """The verdict that TikTok's side alone decides; None where the books do."""
    unreadable = payment.unreadable or next((one.unreadable for one in statements if one.unreadable), "")
    if unreadable:
        return Verdict.CANNOT_BE_CHECKED, unreadable
    if not payment.has_arrived:
        status = payment.status or "without a status"
        verdict = Verdict.JOURNAL_WITHOUT_PAYMENT if has_documents else Verdict.NOT_PAID
        return verdict, f"the payment is {status}"
    if not statements:
        late = terms.now - (payment.paid_at or terms.now) < terms.grace
        verdict = Verdict.WAITING_WITHIN_GRACE if late else Verdict.DOES_NOT_FOOT
        return verdict, "TikTok shows no statement of it"
    gaps = [gap for one in statements for gap in one.gaps] + gaps_of(payment, statements)
    return (Verdict.DOES_NOT_FOOT, _told(gaps)) if gaps else None


def _missing(payment: PaidOut, statements: Sequence[Settlement], terms: Terms) -> tuple[Verdict, str]:
    if terms.since is not None and any(one.day < terms.since for one in statements):
        return Verdict.NOT_EXPECTED, f"it has statements from before {terms.since}"
    assert payment.paid_at is not None
    if terms.now - payment.paid_at < terms.grace:
        return Verdict.WAITING_WITHIN_GRACE, ""
    undecided = sorted({name for one in statements for name in one.undecided})
    return Verdict.JOURNAL_MISSING, f"no account for {', '.join(undecided)}" if undecided else ""


def _compared(
    statements: Sequence[Settlement],
    documents: Sequence[PayoutDocument],
    expected: Mapping[str, Decimal],
    accounts: Accounts,
) -> tuple[Verdict, str, tuple[LineDifference, ...]]:
    waiting = sorted(one.name for one in documents if not one.posts)
    if waiting:
        return Verdict.NOT_POSTED, f"waits for approval: {', '.join(waiting)}", ()
    foreign = sorted({one.name for one in documents if one.currency != statements[0].currency})
    if foreign:
        return Verdict.CANNOT_BE_CHECKED, f"not in {statements[0].currency}: {', '.join(foreign)}", ()
    posted: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in documents:
        for account, amount in one.accounts.items():
            posted[account] += amount
    differences = tuple(
        LineDifference(account, accounts.role(account), expected.get(account, _ZERO), posted[account])
        for account in sorted(expected.keys() | posted.keys())
        if expected.get(account, _ZERO) != posted[account]
    )
    if not differences:
        return Verdict.MATCHED, "", ()
    paying = [one for one in documents if one.accounts.get(accounts.bank)]
    if len(paying) > 1 and posted[accounts.bank] != expected.get(accounts.bank, _ZERO):
        return Verdict.DOUBLED, f"{len(paying)} documents put it on the bank account", differences
    undecided = sorted({name for one in statements for name in one.undecided})
    if undecided and not any(line.role for line in differences):
        return Verdict.CANNOT_BE_CHECKED, f"no account for {', '.join(undecided)}", differences
    told = "; ".join(map(str, differences[:_NAMED]))
    return Verdict.AMOUNT_DIFFERS, told, differences


def _orphan(document: PayoutDocument, terms: Terms) -> Row:
    posted = _on_bank([document], terms)
    named = ", ".join(sorted(document.names))
    return Row(
        aspect="payout",
        verdict=Verdict.JOURNAL_WITHOUT_PAYMENT,
        subject=document.external_id or document.name,
        currency=document.currency,
        posted=posted,
        documents=(document.name,),
        note=f"it names {named}, which TikTok does not have" if named else "it names no payment",
    )


def _assigned(
    own: Sequence[PaidOut],
    others: Sequence[PaidOut],
    statements: Mapping[str, Sequence[Settlement]],
    documents: Iterable[PayoutDocument],
    terms: Terms,
) -> tuple[defaultdict[str, list[PayoutDocument]], list[PayoutDocument]]:
    """The documents of each payment, and those that are left."""
    found: defaultdict[str, list[PayoutDocument]] = defaultdict(list)
    payment_of = {one.id.lower(): one.id for one in [*own, *others]}
    for payment_id, covered in statements.items():
        payment_of |= {one.id.lower(): payment_id for one in covered}
    nameless: list[PayoutDocument] = []
    left: list[PayoutDocument] = []
    for document in sorted(documents, key=lambda one: (one.dated, one.netsuite_id)):
        claimed = sorted({payment_of[name.lower()] for name in document.names if name.lower() in payment_of})
        if claimed:
            found[claimed[0]].append(document)
        else:
            (left if document.names or terms.accounts is None else nameless).append(document)
    for document in nameless:
        payment = _by_amount(document, [*own, *others], statements, found, terms)
        if payment is None:
            left.append(document)
        else:
            found[payment.id].append(document)
    return found, left


def _by_amount(
    document: PayoutDocument,
    payments: Iterable[PaidOut],
    statements: Mapping[str, Sequence[Settlement]],
    found: Mapping[str, Sequence[PayoutDocument]],
    terms: Terms,
) -> PaidOut | None:
    """The payment that a document without a name books, by its bank line; first one that has none yet."""
    assert terms.accounts is not None
    amount = document.accounts.get(terms.accounts.bank, _ZERO)
    candidates = [
        one
        for one in payments
        if one.paid_at is not None
        and amount
        and abs(one.paid_at.date() - document.dated) <= BY_HAND_WINDOW
        and _net(one, statements.get(one.id, ())) == amount
    ]
    return min(
        candidates, key=lambda one: (len(found.get(one.id, ())), str(one.paid_at), one.id), default=None
    )


def _net(payment: PaidOut, statements: Sequence[Settlement] = ()) -> Decimal | None:
    """What is paid out before exchange; None where that is not told."""
    if statements:
        settlement = sum((one.settlement for one in statements), _ZERO)
        return settlement + _reserve(payment, statements, settlement)
    if payment.before_exchange is not None:
        return payment.before_exchange
    if payment.settlement is not None:
        return payment.settlement + (payment.reserve or _ZERO)
    return payment.amount if payment.settled_currency in (None, payment.currency) else None


def _reserve(payment: PaidOut, statements: Sequence[Settlement], settlement: Decimal) -> Decimal:
    """What is withheld or released: by the statements, else by the payment."""
    told = [one.reserve for one in statements if one.reserve is not None]
    if statements and len(told) == len(statements):
        return sum(told, _ZERO)
    if payment.reserve is not None:
        return payment.reserve
    return _ZERO if payment.before_exchange is None else payment.before_exchange - settlement


def _arrives(payment: PaidOut, statements: Sequence[Settlement], net: Decimal) -> Decimal | None:
    """What should arrive; None where TikTok converts and tells no rate."""
    currency = payment.settled_currency or statements[0].currency
    if currency == payment.currency:
        return net
    if payment.exchange_rate is None:
        return None
    step = Decimal(1).scaleb(-exponent_of(payment.currency))
    return (net * payment.exchange_rate).quantize(step, ROUND_HALF_UP)


def _on_bank(documents: Iterable[PayoutDocument], terms: Terms) -> Decimal:
    if terms.accounts is None:
        return _ZERO
    return sum((one.accounts.get(terms.accounts.bank, _ZERO) for one in documents), _ZERO)


def _in_bank(line: BankLine | None, *, young: bool) -> Verdict:
    if line is not None:
        return Verdict.MATCHED
    return Verdict.WAITING_WITHIN_GRACE if young else Verdict.NOT_IN_BANK


def _told(gaps: Sequence[Gap]) -> str:
    more = len(gaps) - _NAMED
    return "; ".join(map(str, gaps[:_NAMED])) + (f"; and {more} more" if more > 0 else "")
