"""Store: what was decided about a claim lands, is planned, and says when the claim is looked at again.

All of it in one transaction, and only if the order is as it was when it was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.engine.plan_counts import MoneyPlanCounts
from tiktok_ns_pipeline.lake.tables import STAGED_REFUNDS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.claims import Outcome
from tiktok_ns_pipeline.ledger.intents import UNDER_WAY, FactKey
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.refunds.claims import subject_of
from tiktok_ns_pipeline.refunds.deciding import Case, Decided, Recorded
from tiktok_ns_pipeline.refunds.document import CHANNEL
from tiktok_ns_pipeline.refunds.planning import store
from tiktok_ns_pipeline.refunds.reading import KINDS
from tiktok_ns_pipeline.runtime import Runtime

_SOONEST, _LATEST = timedelta(minutes=1), timedelta(hours=1)
"""How soon a claim that waits is looked at again by itself, and how late."""


@dataclass(slots=True)
class PlanReport(MoneyPlanCounts):
    """How many documents became what, how many claims wait or are parked, and what credits come to."""

    decided: int = 0
    """Claims."""


class ClaimStore:
    """Stores decisions in one run."""

    def __init__(self, runtime: Runtime, run_id: str, report: PlanReport) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._report = report

    def keep(self, shop: Shop, case: Case, decided: Decided, *, replay: bool) -> bool:
        """Keep a decision; False where the order moved on since it was looked at."""
        row = _staged_row(shop, decided)
        digest = exact_json.fingerprint(row)
        if digest != decided.known.digest:
            self._land(shop, row)
        self._runtime.probe("staged")
        with self._runtime.ledger.begin() as tx:
            tx.intents.take_turns(CHANNEL, shop.code)
            now = Recorded.within(tx, shop.code, case.order_id, list(case.versions))
            if not now.is_as(case.recorded):
                return False
            self._plan(tx, shop, decided, replay=replay)
            tx.claims.decided(
                decided.known,
                _outcome(decided),
                row["reason"] or "",
                digest,
                self._look_at(tx, shop, decided),
            )
        self._runtime.probe("planned")
        return True

    def _land(self, shop: Shop, row: dict[str, Any]) -> None:
        stamp = {
            "staged_at": self._runtime.clock.now(),
            "mapping_fingerprint": self._runtime.mapping.fingerprint(),
        }
        self._runtime.lake.land_many(STAGED_REFUNDS, [row | stamp], shop=shop.code, run_id=self._run_id)

    def _plan(self, tx: Transaction, shop: Shop, decided: Decided, *, replay: bool) -> None:
        decision, report = decided.decision, self._report
        stored = store(self._runtime, tx, shop.code, decided.known.claim_id, decision, replay=replay)
        report.count(stored.planned)
        report.withdrawn += stored.withdrawn
        report.decided += 1
        report.waiting += _outcome(decided) == "waiting"
        report.parked += _outcome(decided) == "parked"
        for problem in decision.problems:
            report.found(problem.kind)
        credit = decided.credit
        if credit is not None and any(
            one.verdict == "new" and one.fact.kind == credit.kind for one in stored.planned
        ):
            report.add(credit.currency, credit.expected_total)

    def _look_at(self, tx: Transaction, shop: Shop, decided: Decided) -> datetime | None:
        """When a claim is to be looked at though nothing is told of it."""
        now, known = self._runtime.clock.now(), decided.known
        times = [decided.decision.look_again_at]
        facts = [FactKey(CHANNEL, shop.code, kind, known.claim_id) for kind in KINDS]
        if any(one.state in UNDER_WAY for one in tx.intents.newest(facts).values()):
            # What becomes of it may not be what is wanted any more.
            times.append(now + _SOONEST)
        if decided.used_books and decided.decision.waiting:
            times.append(now + min(max((now - known.told_at) / 4, _SOONEST), _LATEST))
        if decided.used_books and decided.decision.problems:
            # Somebody may mend it in NetSuite; what a person resolved stays resolved.
            subject = subject_of(known.claim_id)
            if tx.exceptions.unresolved_among(CHANNEL, shop.code, [subject]):
                times.append(now + _LATEST)
        return min((at for at in times if at is not None), default=None)


def _outcome(decided: Decided) -> Outcome:
    if decided.decision.problems:
        return "parked"
    if decided.decision.waiting:
        return "waiting"
    return "staged" if decided.documents else "nothing"


def _staged_row(shop: Shop, decided: Decided) -> dict[str, Any]:
    known, decision, claim, standing = decided.known, decided.decision, decided.claim, decided.standing
    problems = " ".join(problem.message for problem in decision.problems)
    credit = decided.credit
    return {
        "channel": CHANNEL,
        "day": known.day,
        "claim_id": known.claim_id,
        "order_id": known.order_id or None,
        "is_cancellation": known.source == "cancellation",
        "update_time": decided.update_time,
        "custody": standing.custody if standing else None,
        "money": standing.money if standing else None,
        "outcome": _outcome(decided),
        "reason": problems or decision.waiting or decision.nothing or None,
        "to_buyer": claim.to_buyer if claim else None,
        "expected_total": credit.expected_total if credit else None,
        "currency": shop.currency,
        "tran_date": credit.tran_date if credit else None,
        "documents": exact_json.dumps([one.model_dump() for one in decided.documents])
        if decided.documents
        else None,
        "look_again_at": decision.look_again_at,
    }
