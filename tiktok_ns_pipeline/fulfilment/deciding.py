"""Decide: what is to be done at TikTok so that it knows of a parcel. Pure (T 4.1, 4.2, 4.4).

Every step begins with the order as TikTok shows it now. What it shows already is never told twice, and
what must not be told (yet) is said in words. The table of ways is data: who ships, and in which market.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tiktok_ns_pipeline.fulfilment.documents import ShipmentDocument
from tiktok_ns_pipeline.fulfilment.staging import is_cancelled, shown_tracking
from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT
from tiktok_ns_pipeline.tiktok.models import LineItem, Order

Way = Literal["none", "mark", "own_package", "label", "schedule"]
"""none: TikTok's warehouse ships. mark: the seller's carrier, told by order. own_package: told by
package. label: TikTok's carrier, by a label that the warehouse buys. schedule: TikTok's carrier, by a
handover that is arranged for a package."""

MARKED_MARKETS = frozenset({"US", "GB", "JP", "DE", "ES", "FR", "IE", "IT"})
"""Where sellers tell their own shipments by order; elsewhere by package (T 4.1)."""
LABEL_MARKETS = frozenset({"US", "GB", "JP"})
"""Where TikTok's shipping begins with a bought label; elsewhere it is scheduled (T 4.1)."""

_ARRANGED = frozenset({"PROCESSING", "FULFILLING", "COMPLETED"})
_UNREADY = {"UNPAID": "the order is not paid", "ON_HOLD": "the buyer may still cancel freely (T 3.2)"}


@dataclass(frozen=True, slots=True)
class Known:
    """TikTok knows of the parcel already."""

    package_id: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now."""

    reason: str
    cause: Literal["hold", "request", "label"]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Never so: a person has to look."""

    kind: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Restage:
    """The order is not any more as it was staged from."""

    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell these units by order."""

    unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShipPackages:
    """Ship these whole packages."""

    package_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Divide first: the parcel holds some units of a package only. `groups` are units by our names."""

    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Correct:
    """Replace the tracking that TikTok shows."""

    package_ids: tuple[str, ...]
    is_split: bool
    """Whether the order is in several packages, or one with other orders: then packages are corrected."""


Step = Known | Hold | Refuse | Restage | Mark | ShipPackages | Split | Correct

OURS, REST = "1", "2"
"""Names of the groups of a split."""


def way_of(order: Order, region: str) -> Way | None:
    """How this order is shipped in its market; None for a shipping type that nobody documented."""
    if FULFILMENT.get(order.fulfillment_type or "") == "channel":
        return "none"
    if order.shipping_type == "SELLER":
        return "mark" if region in MARKED_MARKETS else "own_package"
    if order.shipping_type == "TIKTOK":
        return "label" if region in LABEL_MARKETS else "schedule"
    return None


def decide(
    document: ShipmentDocument,
    order: Order,
    region: str,
    siblings: Sequence[str] = (),
    *,
    is_correction: bool = False,
) -> Step:
    """The next step for a parcel. `siblings` are tracking numbers of the order's other parcels;
    `is_correction` says that NetSuite changed it after it was planned first."""
    way = way_of(order, region)
    if way is None:
        return Refuse(
            "shipment_refused",
            "shipping_type",
            f"Order {order.id} has shipping type {order.shipping_type!r}, which this pipeline does not know.",
        )
    if way == "none":
        return Known(None, "TikTok's own warehouse ships the order")
    wanted = set(document.unit_ids)
    lines = [line for line in order.line_items if line.id in wanted]
    if len(lines) < len(wanted):
        return Restage("TikTok no longer shows all of its units")
    return _decide(way, document, order, lines, siblings, is_correction=is_correction)


def is_combined(order: Order) -> bool:
    """Whether its units are in a package together with those of other orders."""
    return order.split_or_combine_tag == "COMBINED"


def package_of(lines: Sequence[LineItem]) -> str | None:
    """The package that all these units are in, the first one where they are in several."""
    return next((line.package_id for line in lines if line.package_id), None)


def _decide(
    way: Way,
    document: ShipmentDocument,
    order: Order,
    lines: Sequence[LineItem],
    siblings: Sequence[str],
    *,
    is_correction: bool,
) -> Step:
    # All orders of a combined package travel under the number that was told for it first (T 4.4).
    shares_number = way == "own_package" and is_combined(order) and not is_correction
    elsewhere = [
        line
        for line in lines
        if _is_arranged(line) and not shares_number and not _agrees(way, document, line, siblings)
    ]
    still_open = [line for line in lines if not _is_arranged(line)]
    cancelled = [line for line in lines if is_cancelled(order, line)]
    if not still_open and not elsewhere:
        return Known(package_of(lines))
    if cancelled:
        return _when_cancelled(document, order, cancelled, lines)
    if way == "label":
        return _label(document, lines, still_open)
    if unready := _why_unready(order):
        return unready
    if elsewhere:
        return _correction(document, order, elsewhere, is_correction=is_correction)
    return Mark(tuple(_ids(still_open))) if way == "mark" else _packages(document, order, still_open)


def _why_unready(order: Order) -> Hold | None:
    if order.status in _UNREADY:
        return Hold(_UNREADY[order.status], "hold")
    if order.is_buyer_request_cancel:
        return Hold("the buyer asked to cancel, which is to be answered first", "request")
    return None


def _ids(lines: Sequence[LineItem]) -> list[str]:
    return [line.id for line in lines]


def _is_arranged(line: LineItem) -> bool:
    return shown_tracking(line) is not None or line.package_status in _ARRANGED


def _agrees(way: Way, document: ShipmentDocument, line: LineItem, siblings: Sequence[str]) -> bool:
    """Whether TikTok shows a unit as we want it."""
    if way == "schedule":
        # TikTok's carrier gives the number; what NetSuite has is only a note of it.
        return True
    shown = shown_tracking(line)
    # Where a package cannot be split, its units travel under the number of the last of its parcels.
    return shown == document.tracking or (way == "own_package" and shown in siblings)


def _when_cancelled(
    document: ShipmentDocument, order: Order, cancelled: Sequence[LineItem], lines: Sequence[LineItem]
) -> Step:
    if len(cancelled) < len(lines):
        return Restage(f"{len(cancelled)} of its units were cancelled")
    return Refuse(
        "shipped_after_cancellation",
        "cancelled",
        f"Item Fulfillment {document.fulfilment_number} shipped order {order.id} with {document.tracking}, "
        "but TikTok had cancelled it.",
    )


def _label(document: ShipmentDocument, lines: Sequence[LineItem], still_open: Sequence[LineItem]) -> Hold:
    if still_open:
        return Hold(f"TikTok shows no label for {len(still_open)} of its {len(lines)} units", "label")
    shown = ", ".join(sorted({shown_tracking(line) or "" for line in lines}))
    return Hold(
        f"TikTok's label has number {shown}, Item Fulfillment {document.fulfilment_number} has "
        f"{document.tracking}",
        "label",
    )


def _correction(
    document: ShipmentDocument, order: Order, elsewhere: Sequence[LineItem], *, is_correction: bool
) -> Step:
    """Ours replaces what TikTok shows, unless that was told later than ours was saved."""
    shown = ", ".join(sorted({shown_tracking(line) or "" for line in elsewhere}))
    told_later = any(line.rts_time is not None and line.rts_time > document.saved_at for line in elsewhere)
    if told_later and not is_correction:
        return Refuse(
            "tracking_update_refused",
            "told_later",
            f"TikTok shows order {order.id} under {shown}, told after Item Fulfillment "
            f"{document.fulfilment_number} was saved with {document.tracking}.",
        )
    packages = {line.package_id for line in elsewhere if line.package_id}
    others = [
        line
        for line in order.line_items
        if line.package_id in packages and line.id not in document.unit_ids and line.package_id
    ]
    if others:
        return Refuse(
            "tracking_update_refused",
            "shared_package",
            f"TikTok's package of {document.tracking} ({shown}) also holds {len(others)} units of another "
            f"parcel of order {order.id}, so its number cannot be corrected alone.",
        )
    all_packages = {line.package_id for line in order.line_items if line.package_id}
    return Correct(tuple(sorted(packages)), len(all_packages) > 1 or is_combined(order))


def _packages(document: ShipmentDocument, order: Order, still_open: Sequence[LineItem]) -> Step:
    """Whole packages, or a split where the parcel holds only some units of one."""
    if any(line.package_id is None for line in still_open):
        return Hold("TikTok has not made its package yet", "hold")
    ours = {line.id for line in still_open}
    packages = dict.fromkeys(line.package_id for line in still_open if line.package_id)
    beside = tuple(
        line.id
        for line in order.line_items
        if line.package_id in packages and line.id not in ours and not is_cancelled(order, line)
    )
    if beside:
        return Split({OURS: tuple(line.id for line in still_open), REST: beside})
    return ShipPackages(tuple(packages))
