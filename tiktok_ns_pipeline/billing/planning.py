"""Intend: what was decided about fulfilments becomes intents and exceptions, in one transaction with
how far the shop was looked at.

Shares of one order follow each other: the later bill takes what the earlier one left. So a bill is
planned only when no other bill of its order is under way, and only if no process has planned any bill
of the shop since the Sales Order was read (`plan_number`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tiktok_ns_pipeline.billing.considering import BILLED_AND_NOT_SHIPPED, basis_of
from tiktok_ns_pipeline.billing.document import CHANNEL, SUBJECT, Bill, Fulfilment
from tiktok_ns_pipeline.billing.staging import BILL_DIFFERS, STAGING_KINDS, Problem
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.engine.plan_counts import MoneyPlanCounts
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime


@dataclass(slots=True)
class PlanReport(MoneyPlanCounts):
    """How many fulfilments became what, and what they come to."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one fulfilment; without bill and problem there is nothing to bill."""

    fulfilment: Fulfilment
    bill: Bill | None = None
    problem: Problem | None = None
    skipped: str = ""
    withdrawn: str = ""


@dataclass(frozen=True, slots=True)
class ShopMark:
    """How far a shop was looked at, as the ledger keeps it."""

    policy: str = ""
    begun_on: date | None = None
    """First day of shipment that is billed."""
    landed_at: datetime | None = None
    """What landed up to then was considered."""
    waiting: Mapping[str, date] = field(default_factory=dict[str, date])
    """Fulfilments that could not be decided yet, and under which day the lake has them."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> ShopMark:
        """As it is stored; a blank one where nothing is."""
        if not stored:
            return cls()
        return cls(
            policy=stored["policy"],
            begun_on=date.fromisoformat(stored["begun_on"]) if stored["begun_on"] else None,
            landed_at=datetime.fromisoformat(stored["landed_at"]) if stored["landed_at"] else None,
            waiting={key: date.fromisoformat(day) for key, day in stored["waiting"].items()},
        )

    def stored(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "policy": self.policy,
            "begun_on": self.begun_on.isoformat() if self.begun_on else None,
            "landed_at": self.landed_at.isoformat() if self.landed_at else None,
            "waiting": {key: day.isoformat() for key, day in sorted(self.waiting.items())},
        }


def mark_name(shop_code: str) -> str:
    """The cursor that keeps a shop's mark."""
    return f"billing:{shop_code}:mark"


def plan_number(tx: Transaction, shop_code: str) -> int:
    """Grows with every transaction that plans a bill of the shop."""
    return int(tx.cursors.get(_plan_number_name(shop_code)) or 0)


def _plan_number_name(shop_code: str) -> str:
    return f"billing:{shop_code}:plan-number"


def orders_under_way(tx: Transaction, shop_code: str) -> dict[str, set[str]]:
    """Keys of bills by order that were planned and have not ended; parked ones wait for a person, and
    nothing waits for them."""
    found: dict[str, set[str]] = {}
    for intent in tx.intents.open_facts(kind=BILL, shop=shop_code):
        if intent.state != IntentState.PARKED:
            key = intent.fact.business_key
            found.setdefault(key.partition(".")[0], set()).add(key)
    return found


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of storing: what is to be decided again, since another process was faster, and the plan
    number as this process left it."""

    undone: list[Decided]
    number: int


class BillPlanner:
    """Stores what was decided about fulfilments of one shop."""

    def __init__(self, runtime: Runtime, shop: Shop, report: PlanReport) -> None:
        self._runtime = runtime
        self._shop = shop
        self._report = report

    def store(
        self,
        tx: Transaction,
        decided: Sequence[Decided],
        known: Mapping[FactKey, Intent],
        number: int,
        *,
        replay: bool = False,
    ) -> Stored:
        """Plan, withdraw, open and clear.

        `known` are the newest intents as they were when it was decided, `number` the plan number.
        """
        tx.intents.take_turns(CHANNEL, self._shop.code)
        now = tx.intents.newest([each.fulfilment.fact for each in decided])
        overtaken = plan_number(tx, self._shop.code) != number
        kept: list[Decided] = []
        undone: list[Decided] = []
        for each in decided:
            moved = _state_of(now, each) != _state_of(known, each)
            (undone if moved or (each.bill is not None and overtaken) else kept).append(each)
        has_planned = self._plan(tx, [each for each in kept if each.bill is not None], now, replay=replay)
        withdrawn = [
            each.fulfilment.fact
            for each in kept
            if each.bill is None and each.fulfilment.fact in now and now[each.fulfilment.fact].state in OPEN
        ]
        self._report.withdrawn += tx.intents.withdraw(
            withdrawn, "the shipment may not be billed as it is now"
        )
        self._keep_exceptions(tx, kept, replay=replay)
        self._report.skipped += sum(bool(each.skipped) for each in kept)
        return Stored(undone, number + has_planned)

    def withdraw_all(self, tx: Transaction, reason: str) -> None:
        """Billing was switched off: what was not sent is not sent any more."""
        open_facts = [intent.fact for intent in tx.intents.open_facts(kind=BILL, shop=self._shop.code)]
        self._report.withdrawn += tx.intents.withdraw(open_facts, reason)
        kinds = (*STAGING_KINDS, *ENGINE_KINDS)
        for told in tx.exceptions.list(kinds=kinds, shop=self._shop.code):
            if told.subject.startswith(SUBJECT):
                tx.exceptions.clear(
                    channel=told.channel,
                    shop=told.shop,
                    subject=told.subject,
                    reason=reason,
                    kinds=kinds,
                    # What was billed already is there, whatever is billed from now on.
                    keep=[BILLED_AND_NOT_SHIPPED],
                )

    def _plan(
        self, tx: Transaction, staged: Sequence[Decided], known: Mapping[FactKey, Intent], *, replay: bool
    ) -> bool:
        if not staged:
            return False
        planned = tx.intents.plan(
            [self._intent(each.fulfilment, each.bill) for each in staged if each.bill],
            replay=replay,
            known=known,
        )
        amounts = {each.fulfilment.fact: each.bill for each in staged}
        self._report.count(planned)
        for one in planned:
            bill = amounts[one.fact]
            if bill is not None and one.verdict == "new":
                self._report.add(bill.currency, bill.expected_total)
        has_planned = any(one.verdict != "unchanged" for one in planned)
        if has_planned:
            name = _plan_number_name(self._shop.code)
            tx.cursors.set(name, plan_number(tx, self._shop.code) + 1)
        return has_planned

    def _intent(self, fulfilment: Fulfilment, bill: Bill) -> NewIntent:
        return NewIntent(
            flow="billing",
            fact=fulfilment.fact,
            payload={"bill": bill.model_dump(), "basis": basis_of(fulfilment, self._shop)},
            payload_hash=bill.fingerprint(),
            lane="documents",
            observed_at=fulfilment.modified_at,
        )

    def _keep_exceptions(self, tx: Transaction, decided: Sequence[Decided], *, replay: bool) -> None:
        """Open what is wrong now, and clear what is no longer found wrong.

        What a person has resolved, such as a bill made by hand, stays so until it is asked for again.
        """
        subjects = [each.fulfilment.subject for each in decided]
        troubled = tx.exceptions.unresolved_among(CHANNEL, self._shop.code, subjects)
        for each in decided:
            problem, subject = each.problem, each.fulfilment.subject
            if problem is not None and (replay or not self._is_resolved(tx, subject, problem)):
                self._report.parked += 1
                self._report.found(problem.kind)
                tx.exceptions.open(
                    self._runtime.reporter.exception(
                        problem.kind,
                        channel=CHANNEL,
                        shop=self._shop.code,
                        subject=subject,
                        cause=problem.cause,
                        message=problem.message,
                    )
                )
            if subject in troubled:
                for kinds, keep in _clearable(each):
                    tx.exceptions.clear(
                        channel=CHANNEL,
                        shop=self._shop.code,
                        subject=subject,
                        reason="staging no longer finds this",
                        kinds=kinds,
                        keep=keep,
                    )

    def _is_resolved(self, tx: Transaction, subject: str, problem: Problem) -> bool:
        return tx.exceptions.is_resolved_by_person(
            problem.kind, shop=self._shop.code, subject=subject, cause=problem.cause
        )


def _clearable(decided: Decided) -> list[tuple[tuple[str, ...], list[tuple[str, str]]]]:
    """Which kinds this proves gone, and what of them still holds.

    A shipment that is not to be billed has no trouble at all with its bill. Of bills that differ only
    changed shipments are staging's: the totals are the read-back's.
    """
    if decided.skipped or decided.withdrawn:
        return [((), [])]
    keep = [(decided.problem.kind, decided.problem.cause)] if decided.problem else []
    return [
        (STAGING_KINDS, keep),
        ((BILL_DIFFERS,), [*keep, (BILL_DIFFERS, "total"), (BILL_DIFFERS, "deleted")]),
    ]


def _state_of(known: Mapping[FactKey, Intent], decided: Decided) -> tuple[int, IntentState] | None:
    intent = known.get(decided.fulfilment.fact)
    return (intent.revision, intent.state) if intent else None
