"""What a proof of shipments, closures and bills means for those who watch it: four questions.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that
could not be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.answering import Listing, Question
from tiktok_ns_pipeline.reconciliation.fulfilments.model import Row, Verdict
from tiktok_ns_pipeline.reconciliation.results import shown


def _is_wrong(row: Row) -> bool:
    return row.is_wrong


def _left_without(row: Row) -> bool:
    """Whether it is wrong that no Item Fulfillment stands for it."""
    return row.is_wrong and not row.documents


def _gravity(row: Row) -> tuple[Decimal, bool, str, str]:
    """How bad a row is: by the money in question, then what is known to be wrong before what could not
    be checked; the names make it stable."""
    at_stake = row.difference if row.difference is not None else Decimal(0)
    return abs(at_stake), row.verdict is not Verdict.CANNOT_BE_CHECKED, row.order_id, row.subject


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


LISTING: Listing[Row] = Listing(
    "fulfilment_reconciliation",
    ("order", "unit or document", "verdict", "TikTok", "NetSuite", "to bill", "billed", "note"),
    cells=_cells,
    name=_name,
    worst_first=lambda rows: sorted(rows, key=_gravity, reverse=True),
)

CHECKS: tuple[Question[Row], ...] = (
    Question(
        "no_unsynced_fulfilments",
        LISTING,
        among=lambda row: row.aspect == "shipment" and row.documents,
        offends=_is_wrong,
        nothing="nothing left the warehouse",
        good="shipments in NetSuite are at TikTok, wait within the grace or come back",
        bad="shipments in NetSuite are not rightly at TikTok",
    ),
    Question(
        "no_shipment_without_fulfilment",
        LISTING,
        among=lambda row: row.aspect == "shipment" and (row.shipped_at_tiktok or _left_without(row)),
        offends=_left_without,
        nothing="TikTok shows nothing as shipped",
        good="units that TikTok shows as shipped have their Item Fulfillment, or wait within the grace",
        bad="units that TikTok shows as shipped are not shown to have left",
    ),
    Question(
        "cancelled_orders_closed",
        LISTING,
        among=lambda row: row.aspect == "closure",
        offends=_is_wrong,
        nothing="no cancelled order and no Sales Order",
        good="orders are closed where TikTok cancelled them, and only there",
        bad="orders are closed or open where they should not be",
    ),
    Question(
        "shipped_orders_billed",
        LISTING,
        among=lambda row: row.aspect == "bill",
        offends=_is_wrong,
        nothing="nothing that left is to be billed",
        good="orders of which something left are billed, or wait within the grace",
        bad="orders of which something left are not billed once and to the cent",
    ),
)
"""All questions."""
