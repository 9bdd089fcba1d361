"""Stage: which documents a statement or payout should have, or why it has none.

Every statement is footed as soon as its transactions are there, long before it is paid: what is wrong,
or not decided in the mapping, is told at once. A payout is staged when it was paid and all of its
statements are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.money import exponent_of
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.booking import FeeMap, StatementSums
from tiktok_ns_pipeline.settlements.document import PayoutJournal
from tiktok_ns_pipeline.settlements.footing import Unfooted, foot_payment
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked, Posting
from tiktok_ns_pipeline.settlements.landed import (
    LandedPayment,
    LandedStatement,
    order_ids_of,
    payment_of,
    sums_of,
)
from tiktok_ns_pipeline.settlements.planning import PAYOUT, STATEMENT, Decided
from tiktok_ns_pipeline.settlements.reading import UNASKED, OrdersInNetSuite, SettlementReader
from tiktok_ns_pipeline.settlements.statement import Payment

LATE_FOR = timedelta(days=7)
"""So long a payment waits for a statement that is late: five working days (T 7.2)."""

_LEAST_STATEMENT = 100
"""Minor units: a payment that differs by less has no late statement."""

Sums = StatementSums | Unfooted | Problem


class Decider:
    """Decides about the statements and payouts of one shop, with the mapping as it is in this run.

    Raises NetSuiteError's subclasses where NetSuite cannot be asked.
    """

    def __init__(self, runtime: Runtime, shop: Shop, reader: SettlementReader, begun_on: date) -> None:
        self._runtime = runtime
        self._shop = shop
        self._reader = reader
        self._begun_on = begun_on
        self._fees = FeeMap(runtime.mapping, shop)
        self._sums: dict[tuple[str, str], Sums] = {}
        self._orders: dict[tuple[str, str], OrdersInNetSuite] = {}

    async def statement(self, landed: LandedStatement) -> Decided:
        """Foot a statement; what it has a document of its own for is staged."""
        sums = await self.sums(landed)
        if isinstance(sums, Problem):
            return self._of_statement(landed, "parked", problems=(sums,))
        if isinstance(sums, Unfooted):
            return self._of_statement(landed, "parked", problems=(sums.problem,), unfooted=(sums,))
        if not isinstance(self._shop.settlement, PostedSettlement):
            return self._of_statement(landed, "footed", sums=sums)
        if landed.day < self._begun_on:
            reason = f"settled on {landed.day}, before posting began on {self._begun_on}"
            return self._of_statement(landed, "skipped", sums=sums, reason=reason)
        posting = await self.posting()
        if isinstance(posting, Problem):
            return self._of_statement(landed, "parked", sums=sums, problems=(posting,))
        return self._booked_statement(landed, sums, posting)

    async def payout(
        self, landed: LandedPayment, statements: Sequence[LandedStatement], *, paid_again: bool
    ) -> Decided:
        """Stage a payment that has ended, with the statements that name it.

        `paid_again` says whether TikTok has paid since, as it does after a failure. Raises ValueError for
        a payment that is under way.
        """
        if landed.status == "FAILED":
            return self._failed(landed, statements, paid_again=paid_again)
        payment = payment_of(self._shop, landed)
        if isinstance(payment, Problem):
            return self._of_payout(landed, statements, "parked", problems=(payment,))
        if self._waits(landed, payment, statements):
            reason = "TikTok has not shown all of its statements yet"
            return self._of_payout(landed, statements, "waiting", reason=reason)
        if any(day < self._begun_on for day in [one.day for one in statements] or [landed.day]):
            reason = f"it has statements from before posting began on {self._begun_on}"
            return self._of_payout(landed, statements, "skipped", reason=reason)
        sums = [await self._sums_alone(one) for one in statements]
        malformed = tuple(one for one in sums if isinstance(one, Problem))
        if malformed:
            return self._of_payout(landed, statements, "parked", problems=malformed)
        whole = [one for one in sums if not isinstance(one, Problem)]
        return await self._booked_payout(landed, payment, statements, whole)

    async def booked(
        self, landed: LandedPayment, statements: Sequence[LandedStatement]
    ) -> tuple[Posting, BookedPayout] | None:
        """A payout that was posted, booked once more; None where it cannot be any more."""
        payment, posting = payment_of(self._shop, landed), await self.posting()
        sums = [await self._sums_alone(one) for one in statements]
        whole = [one for one in sums if isinstance(one, StatementSums)]
        if isinstance(payment, Problem) or isinstance(posting, Problem) or len(whole) < len(sums):
            return None
        booked = posting.book(payment, whole)
        return (posting, booked) if isinstance(booked, BookedPayout) else None

    async def sums(self, landed: LandedStatement) -> Sums:
        """What a whole statement comes to, reckoned once a run."""
        key = (landed.id, landed.version)
        if key not in self._sums:
            orders = await self.orders(landed)
            self._sums[key] = sums_of(
                self._runtime.lake, self._shop, landed, self._fees, orders.bills_shipping
            )
        return self._sums[key]

    async def orders(self, landed: LandedStatement) -> OrdersInNetSuite:
        """The NetSuite documents of the orders that a statement settles."""
        if not isinstance(self._shop.settlement, PostedSettlement):
            return UNASKED
        key = (landed.id, landed.version)
        if key not in self._orders:
            ids = order_ids_of(self._runtime.lake, self._shop, landed)
            self._orders[key] = await self._reader.orders(self._shop, ids)
        return self._orders[key]

    def forget_orders(self, landed: LandedStatement) -> None:
        """Let go of a statement's orders; whoever asks for them again has them read again."""
        self._orders.pop((landed.id, landed.version), None)

    async def posting(self) -> Posting | Problem:
        """How the shop's payouts are posted. Raises ValueError for a shop that posts none."""
        policy = self._shop.settlement
        assert isinstance(policy, PostedSettlement)
        subsidiary_id = policy.subsidiary_id or self._shop.subsidiary_id
        base = await self._reader.base_currency(subsidiary_id)
        if base is None:
            text = f"NetSuite shows no subsidiary {subsidiary_id} of shop {self._shop.code}."
            return Problem.of("settlement_account_missing", "subsidiary", text)
        periods = await self._reader.periods.periods()
        return Posting(self._fees, base[0], periods.posting_day)

    # Within

    async def _sums_alone(self, landed: LandedStatement) -> Sums:
        """The sums of one of many statements, whose orders are not looked at any more."""
        sums = await self.sums(landed)
        self.forget_orders(landed)
        return sums

    def _booked_statement(self, landed: LandedStatement, sums: StatementSums, posting: Posting) -> Decided:
        if posting.policy.document != "journal_per_statement":
            name = f"statement {landed.id} of shop {self._shop.code}"
            problems = posting.problems([sums], name, reserve=sums.footed.reserve or Decimal(0))
            outcome = "parked" if problems else "footed"
            return self._of_statement(landed, outcome, sums=sums, problems=tuple(problems))
        journal = posting.book_statement(sums)
        if isinstance(journal, NotBooked):
            return self._of_statement(landed, "parked", sums=sums, problems=journal.problems)
        return self._of_statement(landed, "staged" if journal else "footed", sums=sums, journal=journal)

    async def _booked_payout(
        self,
        landed: LandedPayment,
        payment: Payment,
        statements: Sequence[LandedStatement],
        sums: Sequence[StatementSums | Unfooted],
    ) -> Decided:
        if not isinstance(self._shop.settlement, PostedSettlement):
            return self._proved(landed, payment, statements, sums)
        posting = await self.posting()
        if isinstance(posting, Problem):
            return self._of_payout(landed, statements, "parked", problems=(posting,))
        booked = posting.book(payment, sums)
        if isinstance(booked, NotBooked):
            problems, unfooted = booked.problems, booked.unfooted
            return self._of_payout(landed, statements, "parked", problems=problems, unfooted=unfooted)
        return self._of_payout(landed, statements, "staged", booked=booked)

    def _waits(self, landed: LandedPayment, payment: Payment, statements: Sequence[LandedStatement]) -> bool:
        """Whether a statement of a young payment may still be late."""
        if any(not one.is_whole for one in statements):
            return True
        since: datetime | None = payment.paid_at or landed.created_at
        if since is None or self._runtime.clock.now() - since > LATE_FOR:
            return False
        listed = sum((one.row["settlement_amount"] or Decimal(0) for one in statements), Decimal(0))
        if payment.settlement is None:
            return not statements
        # A difference this small is no statement.
        least = _LEAST_STATEMENT * Decimal(1).scaleb(-exponent_of(self._shop.currency))
        return abs(payment.settlement - listed) >= least

    def _failed(
        self, landed: LandedPayment, statements: Sequence[LandedStatement], *, paid_again: bool
    ) -> Decided:
        if paid_again:
            return self._of_payout(
                landed, statements, "skipped", paid_again=True, reason="it failed, and TikTok has paid since"
            )
        text = (
            f"Payment {landed.id} of shop {self._shop.code}: TikTok could not pay out "
            f"{landed.row['amount']} {landed.row['currency']}."
        )
        problem = Problem.of("payout_failed", "failed", text)
        return self._of_payout(landed, statements, "parked", problems=(problem,))

    def _proved(
        self,
        landed: LandedPayment,
        payment: Payment,
        statements: Sequence[LandedStatement],
        sums: Sequence[StatementSums | Unfooted],
    ) -> Decided:
        """A payout that is not posted: whether it is the sum of its statements."""
        unfooted = [one for one in sums if isinstance(one, Unfooted)]
        whole = [one.footed for one in sums if isinstance(one, StatementSums)]
        found = None if unfooted else foot_payment(payment, whole)
        if isinstance(found, Unfooted):
            unfooted = [found]
        if unfooted:
            problems = tuple(one.problem for one in unfooted)
            return self._of_payout(landed, statements, "parked", problems=problems, unfooted=tuple(unfooted))
        return self._of_payout(landed, statements, "skipped", reason="the shop's payouts are not posted")

    def _of_statement(
        self,
        landed: LandedStatement,
        outcome: str,
        *,
        sums: StatementSums | None = None,
        journal: PayoutJournal | None = None,
        problems: tuple[Problem, ...] = (),
        unfooted: tuple[Unfooted, ...] = (),
        reason: str = "",
    ) -> Decided:
        return Decided(
            subject=f"{STATEMENT}{landed.id}",
            key=landed.id,
            version=landed.version,
            day=landed.day,
            statements=(landed.id,),
            basis=_basis([landed]),
            outcome=outcome,
            journals=(journal,) if journal else (),
            problems=problems,
            unfooted=unfooted,
            reason=reason,
            currency=landed.currency,
            net=sums.footed.settlement if sums else None,
        )

    def _of_payout(
        self,
        landed: LandedPayment,
        statements: Sequence[LandedStatement],
        outcome: str,
        *,
        booked: BookedPayout | None = None,
        problems: tuple[Problem, ...] = (),
        unfooted: tuple[Unfooted, ...] = (),
        reason: str = "",
        paid_again: bool = False,
    ) -> Decided:
        return Decided(
            subject=f"{PAYOUT}{landed.id}",
            key=landed.id,
            version=version_of(landed, statements, paid_again=paid_again),
            day=max((one.day for one in statements), default=landed.day),
            statements=tuple(one.id for one in statements),
            basis=_basis(statements),
            outcome=outcome,
            journals=booked.journals if booked else (),
            problems=problems,
            unfooted=unfooted,
            reason=reason,
            currency=booked.payment.currency if booked else landed.row["currency"] or self._shop.currency,
            net=booked.payment.net if booked else None,
        )


def version_of(landed: LandedPayment, statements: Sequence[LandedStatement], *, paid_again: bool) -> str:
    """Changes when anything does that a payout is staged from; a later payment only matters to a failure."""
    has_recovered = paid_again and landed.status == "FAILED"
    return exact_json.fingerprint([landed.version, [one.version for one in statements], has_recovered])


def _basis(statements: Sequence[LandedStatement]) -> dict[str, str]:
    return {one.id: str(one.row["transactions_hash"]) for one in statements}
