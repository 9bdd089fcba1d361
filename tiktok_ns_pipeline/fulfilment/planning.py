"""Intend: what staging decided about shipments becomes intents and exceptions, in one transaction.

A parcel that should be told becomes a revision of its fact. One that should not (any more) is withdrawn
if it was not told yet; TikTok takes no shipment back, so of one that was told a person hears.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.engine.plan_counts import PlanCounts
from tiktok_ns_pipeline.fulfilment.applying import SHIPMENT_KINDS
from tiktok_ns_pipeline.fulfilment.documents import (
    CHANNEL,
    Fulfilment,
    Problem,
    ShipmentDocument,
    StagedShipments,
    fulfilment_subject,
    shipment_key,
)
from tiktok_ns_pipeline.fulfilment.staging import STAGING_KINDS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.runtime import Runtime

VANISHED = "fulfilment_vanished"

_TOLD = frozenset({IntentState.APPLIED, IntentState.SENDING, IntentState.AMBIGUOUS})
_UNSENT = frozenset({IntentState.PLANNED, IntentState.WAITING, IntentState.PARKED})

Told = Mapping[str, Mapping[int, ShipmentDocument]]
"""Parcels that TikTok knows of, or may, by fulfilment id and number."""


@dataclass(slots=True)
class PlanReport(PlanCounts):
    """How many parcels and orders became what."""

    orders: dict[str, int] = field(default_factory=dict[str, int])
    """Orders by outcome of staging."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One order: what it was staged from and to."""

    fulfilments: Sequence[Fulfilment]
    staged: StagedShipments


def shipment_fact(shop: str, key: str) -> FactKey:
    """The fact that TikTok knows of a parcel."""
    return FactKey(CHANNEL, shop, SHIPMENT, key)


def facts_of(shop: str, order_id: str, fulfilments: Iterable[Fulfilment]) -> list[FactKey]:
    """Every fact that an order's fulfilments can have: a parcel holds a unit at least."""
    return [
        shipment_fact(shop, shipment_key(order_id, each.id, number))
        for each in fulfilments
        for number in range(1, 1 + len({unit for line in each.order_lines for unit in line.unit_ids}))
    ]


def told_among(
    tx: Transaction, facts: Iterable[FactKey]
) -> dict[str, dict[str, dict[int, ShipmentDocument]]]:
    """Parcels that TikTok was told of, by order id, fulfilment id and number."""
    told: dict[str, dict[str, dict[int, ShipmentDocument]]] = {}
    for intent in tx.intents.newest(facts).values():
        if (document := _told_document(tx, intent)) is not None:
            of_order = told.setdefault(document.order_id, {})
            of_order.setdefault(document.fulfilment_id, {})[document.number] = document
    return told


def _told_document(tx: Transaction, newest: Intent) -> ShipmentDocument | None:
    """What TikTok was told last; the newest revision may be a correction that waits."""
    revisions = [newest] if newest.revision == 1 or newest.state in _TOLD else tx.intents.history(newest.fact)
    told = [each for each in revisions if each.state in _TOLD]
    return ShipmentDocument.model_validate(told[-1].payload) if told else None


class ShipmentPlanner:
    """Stores what staging decided about orders of one shop."""

    def __init__(self, runtime: Runtime, report: PlanReport) -> None:
        self._runtime = runtime
        self._report = report

    def store(self, tx: Transaction, shop: str, decided: Sequence[Decided], *, replay: bool = False) -> None:
        """Plan, withdraw, open and clear."""
        if not decided:
            return
        tx.intents.take_turns(CHANNEL, shop)
        facts = [fact for each in decided for fact in facts_of(shop, each.staged.order_id, each.fulfilments)]
        known = tx.intents.newest(facts)
        wanted = {
            shipment_fact(shop, document.key): (each.staged, document)
            for each in decided
            for document in each.staged.shipments
        }
        intents = [self._intent(fact, staged, document) for fact, (staged, document) in wanted.items()]
        self._report.count(tx.intents.plan(intents, replay=replay, known=known))
        unwanted = [intent for fact, intent in known.items() if fact not in wanted]
        self._withdraw(tx, [intent for intent in unwanted if intent.state in _UNSENT])
        for each in decided:
            self._keep_problems(tx, each)
            self._keep_vanished(tx, each, known, wanted)
            self._count(each.staged)

    @staticmethod
    def _intent(fact: FactKey, staged: StagedShipments, document: ShipmentDocument) -> NewIntent:
        return NewIntent(
            flow="shipments",
            fact=fact,
            payload=document.model_dump(),
            payload_hash=document.fingerprint(),
            lane="documents",
            deadline=staged.dispatch_by,
            observed_at=document.saved_at,
        )

    def _withdraw(self, tx: Transaction, intents: Sequence[Intent]) -> None:
        self._report.withdrawn += tx.intents.withdraw(
            [intent.fact for intent in intents], "the parcel is not to be told (any more)"
        )
        for intent in intents:
            tx.exceptions.clear(
                channel=CHANNEL,
                shop=intent.fact.shop,
                subject=f"shipment {intent.fact.business_key}",
                reason="the parcel is not to be told (any more)",
                kinds=(*ENGINE_KINDS, *SHIPMENT_KINDS),
                keep=[(VANISHED, "gone"), (VANISHED, "reopened")],
            )

    def _keep_problems(self, tx: Transaction, decided: Decided) -> None:
        """Open what is wrong now, and clear what staging no longer finds wrong."""
        staged = decided.staged
        subjects = [fulfilment_subject(staged.order_id, each.id) for each in decided.fulfilments]
        troubled = tx.exceptions.unresolved_among(CHANNEL, staged.shop, subjects)
        for problem in staged.problems:
            self._open(tx, staged, problem)
        for subject in troubled:
            tx.exceptions.clear(
                channel=CHANNEL,
                shop=staged.shop,
                subject=subject,
                reason="staging no longer finds this",
                kinds=STAGING_KINDS,
                keep=[(one.kind, one.cause) for one in staged.problems if one.subject == subject],
            )

    def _keep_vanished(
        self,
        tx: Transaction,
        decided: Decided,
        known: Mapping[FactKey, Intent],
        wanted: Mapping[FactKey, object],
    ) -> None:
        """Tell of parcels that TikTok knows and NetSuite does not have as shipped any more."""
        staged = decided.staged
        by_id = {each.id: each for each in decided.fulfilments}
        # Under another number, too: that parcel's own telling corrects what TikTok shows.
        units_told_anew = {unit for each in staged.shipments for unit in each.unit_ids}
        for fact, intent in known.items():
            document = _told_document(tx, intent)
            if document is None or document.order_id != staged.order_id:
                continue
            fulfilment = by_id[document.fulfilment_id]
            is_entered_again = set(document.unit_ids) <= units_told_anew
            if fulfilment.has_left or fact in wanted or is_entered_again:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=staged.shop,
                    subject=f"shipment {document.key}",
                    reason="NetSuite has it as shipped (again)",
                    kinds=(VANISHED,),
                )
                continue
            self._open(tx, staged, _vanished(fulfilment, document))

    def _open(self, tx: Transaction, staged: StagedShipments, problem: Problem) -> None:
        tx.exceptions.open(
            self._runtime.reporter.exception(
                problem.kind,
                channel=CHANNEL,
                shop=staged.shop,
                subject=problem.subject,
                cause=problem.cause,
                message=problem.message,
                dispatch_by=staged.dispatch_by,
            )
        )

    def _count(self, staged: StagedShipments) -> None:
        self._report.orders[staged.outcome] = self._report.orders.get(staged.outcome, 0) + 1
        for kind in {problem.kind for problem in staged.problems}:
            self._report.found(kind)


def _vanished(fulfilment: Fulfilment, document: ShipmentDocument) -> Problem:
    cause, what = ("gone", "is deleted") if fulfilment.is_gone else ("reopened", "is not shipped any more")
    return Problem.of(
        VANISHED,
        f"shipment {document.key}",
        cause,
        f"{fulfilment.name} {what} in NetSuite, but TikTok knows order {document.order_id} as shipped with "
        f"{document.tracking}.",
    )
