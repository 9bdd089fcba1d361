"""The verdict on each unit: what left against what TikTok shows (T 3.5, 4.1; N 2.12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Fulfilment,
    Row,
    SalesOrder,
    TikTokOrder,
    Unit,
    Verdict,
    is_younger,
    tracking_key,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.units import Departure, Laid, goods_of

_KNOWN_STATES = ("A", "B", "C")
_TOLD_BY_US = (Verdict.NOT_TOLD, Verdict.WAITS_FOR_TRACKING, Verdict.TRACKING_DIFFERS)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something may be on its way before it is missing, and when TikTok was read."""

    now: datetime
    grace: timedelta
    tracking: timedelta
    """How long a shipped parcel may lack its tracking number."""


def shipment_rows(
    order: TikTokOrder,
    sales: Sequence[SalesOrder],
    fulfilments: Sequence[Fulfilment],
    laid: Laid,
    patience: Patience,
) -> Iterator[Row]:
    """One row for each unit of the order, and for what left beside them."""
    if order.unreadable:
        names = tuple(one.name for one in fulfilments)
        yield Row(
            "shipment",
            Verdict.CANNOT_BE_CHECKED,
            order.order_id,
            order.order_id,
            order.status,
            documents=names,
            note=order.unreadable,
        )
        return
    nameless = nameless_fulfilments(sales, fulfilments)
    for unit in order.units:
        departure = laid.by_unit.get(unit.line_id)
        if departure is not None:
            yield _departed(order, unit, departure, patience)
        elif nameless and unit.is_shipped:
            note = f"{_names(nameless)} left, but its Sales Order does not name the units that it sells"
            yield _row(order, unit, Verdict.CANNOT_BE_CHECKED, note)
        else:
            yield _not_departed(order, unit, sales, patience)
    yield from _surplus(order.order_id, laid.surplus)
    known = {sale.netsuite_id: sale for sale in sales}
    for fulfilment in fulfilments:
        yield from _beside_units(order.order_id, fulfilment, known, nameless)


def orphan_row(fulfilment: Fulfilment) -> Row:
    """An Item Fulfillment of the shop whose order TikTok does not know."""
    return Row(
        "shipment",
        Verdict.UNKNOWN_AT_TIKTOK if fulfilment.has_left else Verdict.NOT_EXPECTED,
        fulfilment.order_id,
        fulfilment.netsuite_id,
        netsuite_status=fulfilment.status,
        netsuite_tracking=fulfilment.tracking,
        documents=(fulfilment.name,),
        note="TikTok knows no such order of this shop",
    )


def nameless_fulfilments(sales: Sequence[SalesOrder], fulfilments: Sequence[Fulfilment]) -> list[Fulfilment]:
    """Shipped ones of Sales Orders that name no unit at all, so that nothing can be told of them."""
    silent = {sale.netsuite_id for sale in sales if not sale.goods}
    return [one for one in fulfilments if one.has_left and one.sales_order_id in silent]


def _departed(order: TikTokOrder, unit: Unit, departure: Departure, patience: Patience) -> Row:
    """The verdict on a unit that left, says NetSuite."""
    fulfilment = departure.fulfilment
    verdict, note, expects_return = _verdict_on_departed(order, unit, departure, patience)
    if order.is_before_go_live and verdict in _TOLD_BY_US:
        verdict, note = Verdict.NOT_EXPECTED, "the order was placed before the shop's first day"
    return Row(
        "shipment",
        verdict,
        order.order_id,
        unit.line_id,
        tiktok_status=unit.status,
        tiktok_tracking=unit.tracking,
        netsuite_status=fulfilment.status,
        netsuite_tracking=departure.tracking,
        documents=(fulfilment.name,),
        shipped_at_tiktok=unit.is_shipped,
        shipped_in_netsuite=1,
        expects_return=expects_return,
        note=note,
    )


def _verdict_on_departed(
    order: TikTokOrder, unit: Unit, departure: Departure, patience: Patience
) -> tuple[Verdict, str, bool]:
    """Verdict and note, and whether the goods are expected back."""
    if unit.state == "unknown":
        return Verdict.CANNOT_BE_CHECKED, f"TikTok's status {unit.status} of the unit is not known", False
    if unit.state == "cancelled":
        note = (
            "cancelled on its way: a return is to be expected"
            if unit.told
            else "it left although TikTok cancelled it: call it back"
        )
        return Verdict.SHIPPED_BUT_CANCELLED, note, unit.told
    verdict, note = (_told if unit.is_shipped else _untold)(order, unit, departure, patience)
    return verdict, note, False


def _told(order: TikTokOrder, unit: Unit, departure: Departure, patience: Patience) -> tuple[Verdict, str]:
    note = _number_differs(order, unit, departure)
    if not note:
        return Verdict.MATCHED, ""
    is_young = is_younger(departure.fulfilment.unchanged_for, patience.grace)
    return Verdict.WAITING_WITHIN_GRACE if is_young else Verdict.TRACKING_DIFFERS, note


def _untold(order: TikTokOrder, unit: Unit, departure: Departure, patience: Patience) -> tuple[Verdict, str]:
    age = departure.fulfilment.unchanged_for
    if is_younger(age, patience.grace):
        return Verdict.WAITING_WITHIN_GRACE, ""
    needs_number = (order.carried_by, order.packed_by) == ("seller", "seller")
    if not needs_number or departure.tracking:
        return Verdict.NOT_TOLD, f"TikTok shows it as {unit.status}"
    if is_younger(age, patience.tracking):
        return Verdict.WAITS_FOR_TRACKING, "it has no tracking number yet"
    return Verdict.NOT_TOLD, "it has no tracking number, and has none for too long"


def _number_differs(order: TikTokOrder, unit: Unit, departure: Departure) -> str:
    """What is odd about the tracking number that TikTok shows; empty for nothing.

    Where TikTok's carrier takes the parcel or TikTok packs it, the number is TikTok's own (T 4.1), and
    what NetSuite notes beside it is nobody's claim.
    """
    known = {tracking_key(number) for number in departure.tracking}
    if not known or "channel" in (order.carried_by, order.packed_by):
        return ""
    if unit.tracking and tracking_key(unit.tracking) in known:
        return ""
    return f"TikTok shows {unit.tracking or 'none'}"


def _not_departed(order: TikTokOrder, unit: Unit, sales: Sequence[SalesOrder], patience: Patience) -> Row:
    """The verdict on a unit that did not leave, says NetSuite."""
    if unit.state == "unknown":
        note = f"TikTok's status {unit.status} of the unit is not known"
        return _row(order, unit, Verdict.CANNOT_BE_CHECKED, note)
    if not _must_have_left(order, unit):
        return _row(order, unit, Verdict.NOT_SHIPPED)
    if order.not_expected:
        return _row(order, unit, Verdict.NOT_EXPECTED, order.not_expected)
    since = unit.moved_at or order.changed_at
    if since is not None and patience.now - since < patience.grace:
        return _row(order, unit, Verdict.WAITING_WITHIN_GRACE)
    note = "" if sales else "there is no Sales Order"
    if order.packed_by == "channel":
        return _row(order, unit, Verdict.FBT_NOT_IN_NETSUITE, note)
    return _row(order, unit, Verdict.SHIPPED_WITHOUT_FULFILMENT, note)


def _must_have_left(order: TikTokOrder, unit: Unit) -> bool:
    """Whether TikTok says that the goods are out of the house.

    The seller announces own parcels once they left. Of TikTok's carrier the label comes first and the
    parcel is packed after it, so there only the collection tells (T 4.1).
    """
    if "channel" in (order.carried_by, order.packed_by):
        return unit.state == "collected"
    return unit.is_shipped


def _row(order: TikTokOrder, unit: Unit, verdict: Verdict, note: str = "") -> Row:
    return Row(
        "shipment",
        verdict,
        order.order_id,
        unit.line_id,
        tiktok_status=unit.status,
        tiktok_tracking=unit.tracking,
        shipped_at_tiktok=unit.is_shipped,
        note=note,
    )


def _surplus(order_id: str, departures: Sequence[Departure]) -> Iterator[Row]:
    """What left without a unit, one row for each Item Fulfillment."""
    by_fulfilment: dict[str, list[Departure]] = {}
    for departure in departures:
        by_fulfilment.setdefault(departure.fulfilment.netsuite_id, []).append(departure)
    for netsuite_id, same in by_fulfilment.items():
        fulfilment = same[0].fulfilment
        yield Row(
            "shipment",
            Verdict.UNKNOWN_AT_TIKTOK,
            order_id,
            netsuite_id,
            netsuite_status=fulfilment.status,
            netsuite_tracking=fulfilment.tracking,
            documents=(fulfilment.name,),
            shipped_in_netsuite=len(same),
            note=f"{len(same)} more left than the order has units for",
        )


def _beside_units(
    order_id: str,
    fulfilment: Fulfilment,
    sales: Mapping[str, SalesOrder],
    nameless: Sequence[Fulfilment],
) -> Iterator[Row]:
    """What no unit can tell of an Item Fulfillment."""

    def row(verdict: Verdict, note: str) -> Row:
        return Row(
            "shipment",
            verdict,
            order_id,
            fulfilment.netsuite_id,
            netsuite_status=fulfilment.status,
            netsuite_tracking=fulfilment.tracking,
            documents=(fulfilment.name,),
            note=note,
        )

    sale = sales.get(fulfilment.sales_order_id)
    if fulfilment.status not in _KNOWN_STATES:
        yield row(Verdict.CANNOT_BE_CHECKED, f"its status {fulfilment.status} is not known")
    elif fulfilment in nameless:
        yield row(Verdict.CANNOT_BE_CHECKED, "its Sales Order does not name the units that it sells")
    elif fulfilment.has_left and sale is not None and not goods_of(fulfilment, sale):
        yield row(Verdict.NOT_EXPECTED, "it ships nothing that TikTok sold")


def _names(fulfilments: Sequence[Fulfilment]) -> str:
    return ", ".join(one.name for one in fulfilments)
