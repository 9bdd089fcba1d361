"""The journals of a payout: balanced, each amount on one line, the bank's line the payment.

    bank + reserve + fees + ... + clearing = 0, debit positive

A payout is booked whole or not at all. Per payout (or as a bank deposit) one document carries all its
statements; per statement, each has a journal of its own that leaves what TikTok owes in the clearing
account, and the payment's journal moves it to the bank. Where months are accrued, what a statement of an
earlier month took is booked in that month, and the payout's document takes it from the accrual account.

Invariants: lines sum to zero; every source is on exactly one line of one document (accruals apart, which
move a sum once more); nothing that the mapping does not decide is booked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.mapping.settlements import Booking, MonthlyAccrual, PostedSettlement, Undecided
from tiktok_ns_pipeline.mapping.shop import FixedRate, Shop
from tiktok_ns_pipeline.settlements.booking import FeeMap, Settled, Source, StatementSums
from tiktok_ns_pipeline.settlements.document import LineKey, Lines, PayoutJournal, exact_in
from tiktok_ns_pipeline.settlements.footing import FootedPayment, Residual, Unfooted, foot_payment
from tiktok_ns_pipeline.settlements.matching import together
from tiktok_ns_pipeline.settlements.statement import Payment

PostingDay = Callable[[date], date | None]
"""The day itself, or the first open one after it; None where there is none (N 6 no. 13)."""

_ZERO = Decimal(0)
_LONGEST_MEMO = 200


@dataclass(frozen=True, slots=True)
class BookedPayout:
    """The documents of a payout, and what of each order they take out of the clearing account."""

    payment: FootedPayment
    journals: tuple[PayoutJournal, ...]
    sums: tuple[StatementSums, ...]
    """Of its statements, oldest first."""

    @property
    def orders(self) -> dict[str, Settled]:
        """What it clears, by order; made anew each time, for there may be very many."""
        return together(one.orders for one in self.sums)

    @property
    def unassigned(self) -> dict[str, Decimal]:
        """What clears and is about no order, by TikTok's type."""
        found: dict[str, Decimal] = {}
        for one in self.sums:
            for kind, amount in one.unassigned.items():
                found[kind] = found.get(kind, _ZERO) + amount
        return found

    @property
    def residuals(self) -> tuple[Residual, ...]:
        """What totals have more than their components."""
        return tuple(residual for one in self.sums for residual in one.footed.residuals)


@dataclass(frozen=True, slots=True)
class NotBooked:
    """Why nothing of a payout, or of a statement, is booked."""

    problems: tuple[Problem, ...]
    unfooted: tuple[Unfooted, ...] = ()


class Posting:
    """How one shop's payouts are posted. Raises ValueError for a shop that posts none."""

    def __init__(self, fees: FeeMap, base_currency: str, posting_day: PostingDay) -> None:
        policy = fees.shop.settlement
        if not isinstance(policy, PostedSettlement):
            raise ValueError(f"shop {fees.shop.code} posts no payouts; ask before building journals")
        self.fees = fees
        self.policy = policy
        self.shop: Shop = fees.shop
        self.base_currency = base_currency
        """Of the subsidiary."""
        self.posting_day = posting_day
        self.subsidiary_id = policy.subsidiary_id or self.shop.subsidiary_id

    def book(
        self, payment: Payment, statements: Sequence[StatementSums | Unfooted]
    ) -> BookedPayout | NotBooked:
        """The documents of a payment that arrived, of all its statements. Raises ValueError before."""
        if payment.paid_at is None or not payment.is_paid:
            raise ValueError(f"payment {payment.id} has not arrived; wait for it")
        unfooted = [one for one in statements if isinstance(one, Unfooted)]
        sums = [one for one in statements if isinstance(one, StatementSums)]
        if unfooted:
            return NotBooked(tuple(one.problem for one in unfooted), tuple(unfooted))
        footed = foot_payment(payment, [one.footed for one in sums])
        if isinstance(footed, Unfooted):
            return NotBooked((footed.problem,), (footed,))
        name = f"payout {payment.id} of shop {self.shop.code}"
        true_date = payment.paid_at.astimezone(self.shop.zone).date()
        day, rate, problems = self._terms(true_date, name, payment)
        problems += self.problems(sums, name, reserve=footed.reserve)
        if problems or day is None:
            return NotBooked(tuple(problems))
        sums.sort(key=lambda one: (one.footed.statement.made_at, one.footed.statement.id))
        heading = _Heading(payment.id, true_date, day, rate, tuple(one.footed.statement.id for one in sums))
        if self.policy.document == "journal_per_statement":
            lines = self._transfer(footed)
            parts = [self._journal(heading, lines, self._memo(heading, sums))] if footed.net else []
        else:
            parts = self._per_payout(footed, sums, heading)
        return BookedPayout(footed, tuple(parts), tuple(sums))

    def book_statement(self, one: StatementSums) -> PayoutJournal | NotBooked | None:
        """The journal of a statement, paid or not: what it leaves stays in the clearing account.

        None for a statement that moves nothing.
        """
        statement = one.footed.statement
        name = f"statement {statement.id} of shop {self.shop.code}"
        reserve = one.footed.reserve or _ZERO
        day, rate, problems = self._terms(statement.day, name, None)
        problems += self.problems([one], name, reserve=reserve)
        if problems or day is None:
            return NotBooked(tuple(problems))
        lines = self._lines(one)
        self._reserve(lines, reserve)
        lines.add(self._clearing_key("Owed for statements"), "net", -one.footed.settlement - reserve)
        if not lines.lines():
            return None
        heading = _Heading(statement.id, statement.day, day, rate, (statement.id,))
        return self._journal(heading, lines, self._memo(heading, [one]))

    def problems(self, sums: Sequence[StatementSums], name: str, *, reserve: Decimal) -> list[Problem]:
        """Everything that the mapping leaves open, one problem for each line that it needs."""
        open_amounts: dict[tuple[str, str], tuple[Source, Undecided, Decimal]] = {}
        fine: list[str] = []
        problems: list[Problem] = []
        for one in sums:
            statement = one.footed.statement
            if statement.currency != self.shop.currency:
                text = f"{name}: statement {statement.id} is in {statement.currency}, the shop in "
                text += f"{self.shop.currency}; correct `currency` of the shop."
                problems.append(Problem.of("malformed_statement", "currency", text))
            for source, amount in one.sums.items():
                if amount != exact_in(amount, self.shop.currency):
                    fine.append(f"{_component_of(source) or 'reserve'} {amount}")
                if source.kind == "reserve" or source.cleared:
                    continue
                found = self.fees.decision(source)
                if isinstance(found, Undecided):
                    before = open_amounts.get((found.section, found.proposal))
                    total = amount + (before[2] if before else _ZERO)
                    open_amounts[found.section, found.proposal] = (source, found, total)
        problems += [_undecided(name, *entry, self.shop.currency) for entry in open_amounts.values()]
        if fine:
            text = f"{name} has amounts finer than {self.shop.currency}: {', '.join(fine[:5])}."
            problems.append(Problem.of("malformed_statement", "finer_than_currency", text))
        if reserve and self.policy.reserve_account_id is None:
            problems.append(
                _missing(name, "reserve_account_id", f"reserves of {reserve} {self.shop.currency}")
            )
        return problems

    # Within

    def _terms(
        self, true_date: date, name: str, payment: Payment | None
    ) -> tuple[date | None, Decimal | None, list[Problem]]:
        """The posting day and the exchange rate."""
        day = self.posting_day(true_date)
        if day is None:
            text = f"{name}: no accounting period from {true_date} on is open."
            return None, None, [Problem.of("no_open_period", "period", text)]
        own, base = self.shop.currency, self.base_currency
        if payment is not None and payment.currency not in (own, base):
            return day, None, [_in_third_currency(name, payment, own, base)]
        rate, problem = self._rate(day, payment, name) if own != base else (None, None)
        return day, rate, [problem] if problem else []

    def _rate(self, day: date, payment: Payment | None, name: str) -> tuple[Decimal | None, Problem | None]:
        """Units of the subsidiary's currency for one of the shop's; None where NetSuite takes its own."""
        by_payout = self.policy.exchange_rate == "payout"
        if by_payout and payment is not None and payment.currency == self.base_currency:
            return payment.exchange_rate, None
        policy = self.shop.exchange_rate
        if not isinstance(policy, FixedRate):
            return None, None
        rate = policy.rate_on(day)
        if rate is None:
            text = f"{name}: no exchange rate of the shop has begun by {day}."
            return None, Problem.of("unmapped_rate", f"day:{day}", text)
        return rate.rate, None

    def _per_payout(
        self, footed: FootedPayment, sums: Sequence[StatementSums], heading: _Heading
    ) -> list[PayoutJournal]:
        lines = Lines()
        earlier: dict[date, tuple[Lines, list[StatementSums]]] = {}
        for one in sums:
            own = self._lines(one)
            month_end = self._accrued_on(one, heading.day)
            if month_end is not None:
                accrued, covered = earlier.setdefault(month_end, (Lines(), []))
                accrued.join(own.only(self._is_result))
                covered.append(one)
                moved = own.take(lambda key: not self._is_result(key))
                own.add(self._accrual_key(), f"accrued {month_end:%Y-%m}", moved)
            lines.join(own)
        self._reserve(lines, footed.reserve)
        lines.join(self._bank(footed.net))
        record: Literal["journalEntry", "deposit"] = "journalEntry"
        # A deposit brings money in; a payout of nothing is a journal.
        if self.policy.document == "deposit_per_payout" and footed.net > 0:
            record = "deposit"
        journals: list[PayoutJournal] = []
        if lines.lines():
            journals.append(self._journal(heading, lines, self._memo(heading, sums), record))
        for month_end, (accrued, covered) in sorted(earlier.items()):
            total = -sum((line.amount for line in accrued.lines()), _ZERO)
            accrued.add(self._accrual_key(), f"accrued {month_end:%Y-%m}", -total)
            if accrued.lines():
                own = heading.of_month(month_end, [one.footed.statement.id for one in covered])
                journals.append(self._journal(own, accrued, f"Accrued: {self._memo(own, covered)}"))
        return journals

    def _lines(self, one: StatementSums) -> Lines:
        """What the transactions of a statement come to, without reserve and bank."""
        lines = Lines()
        for source, amount in one.sums.items():
            if source.kind == "reserve":
                continue
            decision = None if source.cleared else self.fees.decision(source)
            assert not isinstance(decision, Undecided), source
            booking = None if decision is None else decision.booking
            if booking is None or self.fees.clears(source):
                key = self._clearing_key(_memo_of(source), booking)
            else:
                key = self._key(booking, _memo_of(source))
            lines.add(key, _component_of(source), amount)
        return lines

    def _reserve(self, lines: Lines, reserve: Decimal) -> None:
        if reserve:
            account = self.policy.reserve_account_id
            assert account is not None
            key = self._key(Booking(account_id=account), "Reserve withheld or released")
            lines.add(key._replace(entity_id=self.policy.entity_id), "reserve", reserve)

    def _bank(self, net: Decimal) -> Lines:
        lines = Lines()
        lines.add(self._key(Booking(account_id=self.policy.bank_account_id), "TikTok payout"), "net", -net)
        return lines

    def _transfer(self, footed: FootedPayment) -> Lines:
        """What statements have left in the clearing account goes to the bank."""
        lines = self._bank(footed.net)
        lines.add(self._clearing_key("Owed for statements"), "net", footed.net)
        return lines

    def _journal(
        self,
        heading: _Heading,
        lines: Lines,
        memo: str,
        record_type: Literal["journalEntry", "deposit"] = "journalEntry",
    ) -> PayoutJournal:
        kind = "je" if record_type == "journalEntry" else "dep"
        return PayoutJournal(
            shop=self.shop.code,
            key=heading.key,
            record_type=record_type,
            external_id=f"tts-{self.shop.code}-{kind}-{heading.key.lower()}",
            subsidiary_id=self.subsidiary_id,
            currency=self.shop.currency,
            currency_id=self.shop.currency_id,
            exchange_rate=heading.rate,
            true_date=heading.true_date,
            tran_date=heading.day,
            memo=memo,
            approval=self.policy.approval,
            statements=heading.statements,
            lines=lines.lines(),
        )

    def _memo(self, heading: _Heading, sums: Sequence[StatementSums]) -> str:
        days = sorted(one.footed.statement.day for one in sums)
        span = f"{days[0]}" if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
        return (
            f"TikTok payout {heading.key} of shop {self.shop.code}, {heading.true_date}, "
            f"settled {span} ({len(sums)} statement{'s' if len(sums) > 1 else ''})"
        )

    def _accrued_on(self, one: StatementSums, day: date) -> date | None:
        """The day in an earlier month on which a statement's fees are booked; None where with the rest."""
        if not isinstance(self.policy.accrual, MonthlyAccrual):
            return None
        settled = one.footed.statement.day
        next_month = (settled.replace(day=28) + timedelta(days=4)).replace(day=1)
        posted = self.posting_day(next_month - timedelta(days=1))
        is_earlier = posted is not None and (posted.year, posted.month) < (day.year, day.month)
        return posted if is_earlier else None

    def _is_result(self, key: LineKey) -> bool:
        """Whether a line is income or cost rather than what is owed or paid."""
        policy = self.policy
        return key.account_id not in (
            policy.clearing_account_id,
            policy.bank_account_id,
            policy.reserve_account_id,
        )

    def _accrual_key(self) -> LineKey:
        assert isinstance(self.policy.accrual, MonthlyAccrual)
        return self._key(Booking(account_id=self.policy.accrual.account_id), "Accrued fees")

    def _clearing_key(self, memo: str, booking: Booking | None = None) -> LineKey:
        booking = booking or Booking(account_id=self.policy.clearing_account_id)
        key = self._key(booking, memo)
        return key._replace(account_id=self.policy.clearing_account_id, entity_id=self.policy.entity_id)

    def _key(self, booking: Booking, memo: str) -> LineKey:
        policy, shop = self.policy, self.shop
        return LineKey(
            booking.account_id,
            booking.department_id or policy.department_id or shop.department_id,
            booking.class_id or policy.class_id or shop.class_id,
            booking.location_id,
            None,
            booking.memo or memo,
        )


class _Heading(NamedTuple):
    key: str
    true_date: date
    day: date
    rate: Decimal | None
    statements: tuple[str, ...]

    def of_month(self, month_end: date, statements: Iterable[str]) -> _Heading:
        key = f"{self.key}-{month_end:%Y-%m}"
        return _Heading(key, month_end, month_end, self.rate, tuple(statements))


def _component_of(source: Source) -> str:
    return f"residual.{source.name}" if source.kind == "residual" else source.name


def _memo_of(source: Source) -> str:
    """TikTok's name of it."""
    if source.kind == "residual":
        return "Not itemised by TikTok"
    return clean_text(source.name.rpartition(".")[2], _LONGEST_MEMO) or source.kind


_KIND_OF_SOURCE = {
    "amount": "unmapped_fee",
    "type": "unmapped_adjustment",
    "residual": "unexplained_residual",
}


def _undecided(name: str, source: Source, found: Undecided, amount: Decimal, currency: str) -> Problem:
    what = f"{amount} {currency} that TikTok does not itemise" if source.kind == "residual" else found.name
    told = what if source.kind == "residual" else f"{what} ({amount} {currency})"
    return Problem.of(
        _KIND_OF_SOURCE[source.kind],
        f"{source.kind}:{found.group or found.name}",
        f"{name}: no account is decided for {told}. Write under {found.section}: {found.proposal}",
    )


def _in_third_currency(name: str, payment: Payment, own: str, base: str) -> Problem:
    told = [
        f"{amount} {own} {what}"
        for amount, what in ((payment.settlement, "settled"), (payment.reserve, "in reserves"))
        if amount
    ]
    arrived = f"{payment.amount} {payment.currency}"
    text = (
        f"{name} arrived as {arrived} ({', '.join(told) or 'its worth is not told'}; TikTok's rate "
        f"{payment.exchange_rate}), which is neither the shop's currency ({own}) nor the subsidiary's "
        f"({base}). Book it by hand with {payment.id} in the memo: its statements, as `tiktok-ns explain "
        f"payout {payment.id}` lists them, and {arrived} on the bank."
    )
    return Problem.of("payout_in_third_currency", f"currency:{payment.currency}", text)


def _missing(name: str, field: str, what: str) -> Problem:
    text = f"{name} has {what}, and `settlement.{field}` of the shop names no account for it."
    return Problem.of("settlement_account_missing", f"field:{field}", text)
