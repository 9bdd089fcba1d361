"""Decide: what should be for the claims of one order, from what both systems say of it at this moment.

A *case* is all that is known of an order when it is looked at: its claims and documents in the ledger, the
newest version of each claim in the lake, and NetSuite's books where they can matter. Claims of one order are
decided one after another, each with the documents of those before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.claims import KnownClaim
from tiktok_ns_pipeline.ledger.facts import CLOSURE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, IntentState
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import PeriodsReader
from tiktok_ns_pipeline.refunds.books import Books, Terms
from tiktok_ns_pipeline.refunds.claims import (
    claim_of_cancellation,
    claim_of_return,
    units_that_left,
)
from tiktok_ns_pipeline.refunds.custody import Standing, standing_of, standing_of_cancellation
from tiktok_ns_pipeline.refunds.document import CHANNEL, Claim, Credit, Problem, RefundDocument
from tiktok_ns_pipeline.refunds.landed import LandedClaims, Version
from tiktok_ns_pipeline.refunds.observing import answer_by
from tiktok_ns_pipeline.refunds.reading import KINDS, RefundReader, documents_among
from tiktok_ns_pipeline.refunds.staging import Decision, answer_due, stage
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.identities import LinePrice, prices_of
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.return_models import Return

_CANCELLED = "CANCELLED"
_NOT_POSTED = "the shop's refunds are not posted"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger has of an order, as it was when it was looked at."""

    claims: Mapping[str, KnownClaim]
    states: Mapping[FactKey, tuple[int, IntentState]]
    """Revision and state of each document of theirs."""
    documents: Sequence[RefundDocument]
    made: frozenset[str]
    sales_order_id: str | None
    is_to_be_posted: bool
    """Whether its Sales Order was planned, and is not there yet."""
    is_closed_in_time: bool
    """Whether the order was cancelled before anything of it left."""

    @classmethod
    def within(cls, tx: Transaction, shop: str, order_id: str, claim_ids: Sequence[str]) -> Recorded:
        """Read it; of claims that name no order, only of these themselves."""
        own = (
            tx.claims.of_order(CHANNEL, shop, order_id)
            if order_id
            else tx.claims.find(CHANNEL, shop, claim_ids)
        )
        claims = {one.claim_id: one for one in own}
        facts = [FactKey(CHANNEL, shop, kind, name) for name in claims for kind in KINDS]
        intents = tx.intents.newest(facts)
        documents, made = documents_among(tx, intents)
        so, closure = (FactKey(CHANNEL, shop, kind, order_id) for kind in (SALES_ORDER, CLOSURE))
        link = tx.links.find(so)
        about = tx.intents.newest([so, closure])
        expected = tx.expected_returns.find(CHANNEL, shop, order_id)
        return cls(
            claims=claims,
            states={fact: (one.revision, one.state) for fact, one in intents.items()},
            documents=documents,
            made=made,
            sales_order_id=link.internal_id if link else None,
            is_to_be_posted=link is None and so in about and about[so].state in OPEN,
            is_closed_in_time=closure in about
            and about[closure].state is IntentState.APPLIED
            and (expected is None or expected.settled_at is not None),
        )

    def own(self, claim_id: str) -> list[RefundDocument]:
        """The documents of one claim."""
        return [one for one in self.documents if one.claim_id == claim_id]

    def is_as(self, other: Recorded) -> bool:
        """Whether nobody told, decided or carried out anything of the order in between."""
        return self.revisions_beside("") == other.revisions_beside("") and self.states == other.states

    def revisions_beside(self, claim_id: str) -> dict[str, int]:
        """The revisions of all claims but one."""
        return {name: one.revision for name, one in self.claims.items() if name != claim_id}


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of an order whose claims are looked at."""

    order_id: str
    recorded: Recorded
    versions: Mapping[str, Version]
    """By claim, of those that are looked at."""
    order: Order | None = field(repr=False)
    """As TikTok showed it last; None where it was not needed, or cannot be read."""
    books: Books | None
    """None where they cannot matter."""
    terms: Terms | None
    """None where the shop's refunds are not posted."""
    unseen: str = ""
    """Why it could not be looked at."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one claim."""

    known: KnownClaim
    decision: Decision
    claim: Claim | None = None
    """None where it cannot be read."""
    standing: Standing | None = None
    update_time: datetime | None = None
    documents: Sequence[RefundDocument] = ()
    """Those that should exist, or do."""
    used_books: bool = False

    @property
    def credit(self) -> Credit | None:
        """Its credit."""
        return next((one for one in self.documents if isinstance(one, Credit)), None)


class Decider:
    """Decides the claims of one shop."""

    def __init__(
        self,
        runtime: Runtime,
        opened: OpenedShop,
        run_id: str,
        reader: RefundReader,
        periods: PeriodsReader,
        begun_on: date | None,
    ) -> None:
        """`begun_on` is the first day of refunds that are posted; None where none are."""
        self._runtime = runtime
        self._shop = opened[0]
        self._landed = LandedClaims(runtime, opened, run_id)
        self._versions: Mapping[str, Version] = {}
        self._orders: Mapping[str, Order] = {}
        self._reader = reader
        self._periods = periods
        self._begun_on = begun_on

    def read(self, due: Sequence[KnownClaim]) -> None:
        """Read what landed of these claims, and of the orders of those that NetSuite can have a say in."""
        self._versions = self._landed.versions(due)
        telling = {one.order_id for one in due if one.order_id and _is_telling(self._versions[one.claim_id])}
        self._orders = self._landed.orders(sorted(telling))

    async def look(self, order_id: str, claims: Sequence[KnownClaim]) -> Case | None:
        """All that is known of the order of these claims, which were read; None where one of them moved on
        since. Raises NetSuiteError's and TikTokError's subclasses."""
        versions = {one.claim_id: self._versions[one.claim_id] for one in claims}
        recorded = self._recorded(order_id, list(versions))
        if any(recorded.claims[one.claim_id].revision != one.revision for one in claims):
            return None
        policy = self._shop.refunds
        if not isinstance(policy, RefundsAsBilled):
            return Case(order_id, recorded, versions, None, None, None)
        terms = Terms(
            self._shop,
            policy,
            self._runtime.mapping.refunds,
            await self._periods.periods(),
            self._runtime.clock.now(),
        )
        if not any(self._needs_books(one, versions[one.claim_id], recorded) for one in claims):
            return Case(order_id, recorded, versions, None, None, terms)
        books = Books(None, documents=recorded.documents, made=recorded.made)
        if recorded.sales_order_id is not None:
            books = await self._reader.books(
                self._shop, order_id, recorded.sales_order_id, recorded.documents, recorded.made
            )
        order = self._orders.get(order_id) or await self._landed.fetched(order_id)
        return Case(order_id, recorded, versions, order, books, terms)

    def unseen(self, order_id: str, claims: Sequence[KnownClaim], why: str) -> Case | None:
        """The same of an order that a system does not show us, and why."""
        versions = {one.claim_id: self._versions[one.claim_id] for one in claims}
        recorded = self._recorded(order_id, list(versions))
        if any(recorded.claims[one.claim_id].revision != one.revision for one in claims):
            return None
        return Case(order_id, recorded, versions, None, None, None, unseen=why)

    def again(self, case: Case, stored: str) -> Case | None:
        """The same after one claim was stored; None where another one moved on."""
        recorded = self._recorded(case.order_id, list(case.versions))
        if recorded.revisions_beside(stored) != case.recorded.revisions_beside(stored):
            return None
        books = case.books and replace(case.books, documents=recorded.documents, made=recorded.made)
        return replace(case, recorded=recorded, books=books)

    def decide(self, case: Case, claim_id: str) -> Decided:
        """What should be for one claim of the case."""
        known = case.recorded.claims[claim_id]
        version = case.versions[claim_id]
        if isinstance(version, Problem):
            # What was planned of an earlier version stays as it is.
            return Decided(known, Decision(problems=(version,), waiting=version.message))
        if case.unseen:
            return Decided(known, Decision(waiting=case.unseen), used_books=True)
        decided = (
            self._of_return(case, known, version)
            if isinstance(version, Return)
            else self._of_cancellation(case, known, version)
        )
        documents = decided.decision.documents or case.recorded.own(claim_id)
        return replace(decided, documents=documents, update_time=version.update_time)

    # Returns

    def _of_return(self, case: Case, known: KnownClaim, ret: Return) -> Decided:
        claim = claim_of_return(ret, self._shop, self._prices(case))
        if isinstance(claim, Problem):
            return Decided(known, Decision(problems=(claim,), waiting=claim.message))
        standing = standing_of(
            ret, received=_is_received(case, claim.id), credited=_is_credited(case, claim.id)
        )
        assert standing is not None
        deadline, must_answer = answer_by(ret), bool(ret.next_actions)
        if case.terms is None or self._is_before(claim, ret.update_time, case):
            reason = _NOT_POSTED if case.terms is None else self._too_early()
            return Decided(known, self._answered(claim, deadline, reason, must=must_answer), claim, standing)
        waiting = self._unposted(case, standing)
        if waiting:
            return Decided(known, Decision(waiting=waiting), claim, standing, used_books=True)
        books = case.books or Books(None, documents=case.recorded.documents, made=case.recorded.made)
        decision = stage(
            claim, standing, books, self._prices(case), case.terms, deadline, must_answer=must_answer
        )
        return Decided(known, decision, claim, standing, used_books=case.books is not None)

    def _answered(self, claim: Claim, deadline: datetime | None, reason: str, *, must: bool) -> Decision:
        """Where there are no documents: whether the seller must answer."""
        if not must:
            return Decision(nothing=reason)
        now = self._runtime.clock.now()
        asked = answer_due(claim, deadline, self._runtime.mapping.refunds, now)
        if isinstance(asked, Problem):
            return Decision(problems=(asked,), nothing=reason)
        return Decision(nothing=reason, look_again_at=asked)

    # Cancellations

    def _of_cancellation(self, case: Case, known: KnownClaim, told: Cancellation) -> Decided:
        standing = standing_of_cancellation(
            told,
            received=_is_received(case, told.cancel_id),
            credited=_is_credited(case, told.cancel_id),
        )
        used_books = case.books is not None
        if standing is None or case.terms is None:
            reason = f"the cancellation is {told.status}" if standing is None else _NOT_POSTED
            return Decided(known, Decision(nothing=reason), None, standing)
        why_not = self._why_not_cancelled(case, told, standing)
        if why_not is not None:
            return Decided(known, why_not, None, standing, used_books=used_books)
        assert case.books is not None and case.books.order is not None and case.order is not None
        left = units_that_left(_units_of(told, case.books.order), case.books.order)
        whole = case.order.status == _CANCELLED
        claim = claim_of_cancellation(told, self._shop, left, whole=whole)
        if not left and not case.recorded.own(claim.id):
            return Decided(
                known, Decision(nothing="nothing of it had left"), claim, standing, used_books=True
            )
        if self._is_before(claim, told.update_time, case):
            return Decided(known, Decision(nothing=self._too_early()), claim, standing, used_books=True)
        decision = stage(claim, standing, case.books, self._prices(case), case.terms)
        return Decided(known, decision, claim, standing, used_books=True)

    def _why_not_cancelled(self, case: Case, told: Cancellation, standing: Standing) -> Decision | None:
        """Why a cancellation is nothing to be credited, or not yet."""
        if not case.recorded.own(told.cancel_id):
            if standing.custody == "requested" or standing.money == "withdrawn":
                return Decision(nothing=f"the cancellation is {told.status}")
            if case.recorded.is_closed_in_time:
                return Decision(nothing="the order was closed before anything of it left")
        if waiting := self._unposted(case, standing):
            return Decision(waiting=waiting)
        if case.books is None or case.books.order is None:
            return Decision(nothing="the order has no Sales Order")
        if case.order is None:
            return Decision(waiting="what TikTok says of the order is not known")
        return None

    # Within

    def _recorded(self, order_id: str, claim_ids: Sequence[str]) -> Recorded:
        with self._runtime.ledger.read() as tx:
            return Recorded.within(tx, self._shop.code, order_id, claim_ids)

    def _needs_books(self, known: KnownClaim, version: Version, recorded: Recorded) -> bool:
        """Whether NetSuite can have a say in it."""
        if isinstance(version, Problem):
            return False
        if recorded.own(known.claim_id):
            return True
        is_closed = isinstance(version, Cancellation) and recorded.is_closed_in_time
        return _is_telling(version) and not is_closed

    def _prices(self, case: Case) -> Mapping[str, LinePrice]:
        return prices_of(case.order) if case.order else {}

    def _unposted(self, case: Case, standing: Standing) -> str:
        """Why a refund has nothing to be taken from yet."""
        if case.recorded.is_to_be_posted and standing.money == "refunded":
            return "the Sales Order of its order is not posted yet"
        return ""

    def _is_before(self, claim: Claim, updated: datetime | None, case: Case) -> bool:
        """Whether it is older than the refunds that are posted, and nothing was made of it."""
        at = claim.completed_at or updated
        if at is None or self._begun_on is None or case.recorded.own(claim.id):
            return False
        return at.astimezone(self._shop.zone).date() < self._begun_on

    def _too_early(self) -> str:
        return f"refunds are posted from {self._begun_on} on"


def _is_telling(version: Version) -> bool:
    """Whether a version by itself may ask for documents."""
    if isinstance(version, Problem):
        return False
    standing = (
        standing_of(version, received=False, credited=False)
        if isinstance(version, Return)
        else standing_of_cancellation(version, received=False, credited=False)
    )
    if standing is None or standing.money == "withdrawn":
        return False
    is_quiet = standing.custody in ("requested", "refused", "kept_by_buyer")
    return standing.money == "refunded" or not is_quiet


def _units_of(told: Cancellation, order: SalesOrder) -> tuple[str, ...]:
    """The units that a cancellation takes away: all of the order where it names none."""
    named = [line.line_id for line in told.lines]
    return tuple(dict.fromkeys(named or [unit for line in order.lines for unit in line.unit_ids]))


def _is_received(case: Case, claim_id: str) -> bool:
    return case.books is not None and claim_id in case.books.received_at


def _is_credited(case: Case, claim_id: str) -> bool:
    """Whether NetSuite has its credit; one that was only planned can still be withdrawn."""
    return any(
        isinstance(one, Credit) and one.external_id in case.recorded.made
        for one in case.recorded.own(claim_id)
    )
