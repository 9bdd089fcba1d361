"""What a proof of shipments, closures and bills means for those who watch it: four questions.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that
could not be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.checking import CheckState, table_of
from tiktok_ns_pipeline.reconciliation.fulfilments.model import FulfilmentProof, Row, Verdict
from tiktok_ns_pipeline.reconciliation.orders import shown

TABLE = "fulfilment_reconciliation"

_HEADINGS = ("order", "unit or document", "verdict", "TikTok", "NetSuite", "to bill", "billed", "note")


@dataclass(frozen=True, slots=True)
class FulfilmentOutcome:
    """The answer to one question. `offenders` are the rows that make it fail."""

    name: str
    state: CheckState
    description: str
    offenders: tuple[Row, ...] = ()

    @property
    def names(self) -> list[str]:
        """The offenders as `order/unit or document`."""
        return [_name(row) for row in self.offenders]

    @property
    def table(self) -> str:
        """The offenders as a markdown table, worst first; empty when there are none."""
        return table_of(_HEADINGS, [_cells(row) for row in self.offenders], TABLE)


def no_unsynced_fulfilments(proof: FulfilmentProof) -> FulfilmentOutcome:
    """What left, says NetSuite, is shipped at TikTok under the same number."""
    return _answer(
        "no_unsynced_fulfilments",
        proof,
        looked_at=[row for row in proof.rows if row.aspect == "shipment" and row.documents],
        nothing="nothing left the warehouse",
        good="shipments in NetSuite are at TikTok, wait within the grace or come back",
        bad="shipments in NetSuite are not rightly at TikTok",
    )


def no_shipment_without_fulfilment(proof: FulfilmentProof) -> FulfilmentOutcome:
    """What TikTok shows as gone has its Item Fulfillment."""
    without = [row for row in proof.rows if row.aspect == "shipment" and not row.documents]
    looked_at = [
        row
        for row in proof.rows
        if row.aspect == "shipment" and (row.shipped_at_tiktok or (not row.documents and row.is_wrong))
    ]
    return _answer(
        "no_shipment_without_fulfilment",
        proof,
        looked_at=looked_at,
        offenders_among=without,
        nothing="TikTok shows nothing as shipped",
        good="units that TikTok shows as shipped have their Item Fulfillment, or wait within the grace",
        bad="units that TikTok shows as shipped are not shown to have left",
    )


def cancelled_orders_closed(proof: FulfilmentProof) -> FulfilmentOutcome:
    """Orders that TikTok cancelled are closed in NetSuite, and no others are."""
    return _answer(
        "cancelled_orders_closed",
        proof,
        looked_at=[row for row in proof.rows if row.aspect == "closure"],
        nothing="no cancelled order and no Sales Order",
        good="orders are closed where TikTok cancelled them, and only there",
        bad="orders are closed or open where they should not be",
    )


def shipped_orders_billed(proof: FulfilmentProof) -> FulfilmentOutcome:
    """What left is billed once and to the cent, where the shop bills."""
    return _answer(
        "shipped_orders_billed",
        proof,
        looked_at=[row for row in proof.rows if row.aspect == "bill"],
        nothing="nothing that left is to be billed",
        good="orders of which something left are billed, or wait within the grace",
        bad="orders of which something left are not billed once and to the cent",
    )


CHECKS: tuple[Callable[[FulfilmentProof], FulfilmentOutcome], ...] = (
    no_unsynced_fulfilments,
    no_shipment_without_fulfilment,
    cancelled_orders_closed,
    shipped_orders_billed,
)
"""All questions."""


def _answer(
    name: str,
    proof: FulfilmentProof,
    *,
    looked_at: Sequence[Row],
    nothing: str,
    good: str,
    bad: str,
    offenders_among: Sequence[Row] | None = None,
) -> FulfilmentOutcome:
    if proof.not_run:
        return FulfilmentOutcome(name, "not_run", proof.statement)
    if not looked_at:
        return FulfilmentOutcome(name, "not_run", f"nothing to look at: {nothing}")
    wrong = [row for row in (looked_at if offenders_among is None else offenders_among) if row.is_wrong]
    if not wrong:
        return FulfilmentOutcome(name, "passed", f"{len(looked_at)} {good}")
    offenders = tuple(sorted(wrong, key=gravity, reverse=True))
    return FulfilmentOutcome(name, "failed", f"{len(offenders)} of {len(looked_at)} {bad}", offenders)


def gravity(row: Row) -> tuple[Decimal, bool, str, str]:
    """How bad a row is: by the money in question, then what is known to be wrong before what could not
    be checked; the names make it stable."""
    at_stake = row.difference if row.difference is not None else Decimal(0)
    return abs(at_stake), row.verdict is not Verdict.CANNOT_BE_CHECKED, row.order_id, row.subject


def worst(proof: FulfilmentProof, count: int) -> str:
    """The worst rows of all aspects as a markdown table; empty when none is wrong."""
    rows = sorted(proof.wrong, key=gravity, reverse=True)
    return table_of(_HEADINGS, [_cells(row) for row in rows], TABLE, count)


def _name(row: Row) -> str:
    return row.order_id if row.subject == row.order_id else f"{row.order_id}/{row.subject}"


def _cells(row: Row) -> tuple[str, ...]:
    at_tiktok = " ".join(filter(None, (row.tiktok_status, row.tiktok_tracking)))
    numbers = ", ".join(row.netsuite_tracking)
    in_netsuite = " ".join(filter(None, (", ".join(row.documents), row.netsuite_status, numbers)))
    return (
        row.order_id,
        "" if row.subject == row.order_id else row.subject,
        row.verdict.replace("_", " "),
        at_tiktok,
        in_netsuite or "none",
        shown(row.expected) if row.expected is not None else "",
        shown(row.billed) if row.billed is not None else "",
        row.note,
    )
