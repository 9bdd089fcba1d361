"""Stage: the shipments that TikTok should know of, made from what NetSuite and TikTok say. Pure.

Input is everything about one order: all its Item Fulfillments as they stand, the order as TikTok shows
it, and what TikTok was told already. Output says which parcels to tell, what is awaited and what a
person has to mend; one sick fulfilment does not hold up the others of its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiktok_ns_pipeline.fulfilment.allocation import Allocation, Difference, Unit, allocate, spread
from tiktok_ns_pipeline.fulfilment.documents import (
    Fulfilment,
    Problem,
    ShipmentDocument,
    StagedShipments,
    fulfilment_subject,
)
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import FulfilmentRules
from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT
from tiktok_ns_pipeline.tiktok.models import LineItem, Order

STAGING_KINDS = ("malformed_fulfilment", "shipped_quantity_differs", "tracking_missing")
"""Exceptions about a fulfilment that staging opens, and whose absence from a later staging proves gone."""

_CHANNEL_SHIPS = "TikTok's own warehouse ships the order (T 4.1)"

CANCELLED = "shipped_after_cancellation"
"""Opened by staging too, but only a person knows when the parcel is back."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one order's shipments."""

    order_id: str
    fulfilments: Sequence[Fulfilment]
    order: Order | None
    """None while TikTok does not show it."""
    told: Mapping[str, Mapping[int, ShipmentDocument]]
    """Parcels that TikTok knows of, or may, by fulfilment id and number."""


def stage_shipments(evidence: Evidence, shop: Shop, rules: FulfilmentRules, now: datetime) -> StagedShipments:
    """What should be told of one order at this instant."""
    order = evidence.order
    base = StagedShipments(
        shop=shop.code, order_id=evidence.order_id, dispatch_by=order.rts_sla_time if order else None
    )
    standing = [each for each in evidence.fulfilments if each.has_left]
    if not standing:
        return _with(base, waiting=_what_is_awaited(evidence.fulfilments))
    if standing[0].is_of_channel:
        return _with(base, skipped=_CHANNEL_SHIPS)
    if order is None:
        return _with(base, problems=[_unknown_order(evidence.order_id, each) for each in standing])
    if rule := _why_none(order, shop):
        return _with(base, skipped=rule)
    return _Staging(evidence, order, rules, now, standing, base).staged()


def units_of(order: Order) -> dict[str, Unit]:
    """The units of an order as TikTok shows them."""
    return {
        line.id: Unit(line.id, is_cancelled(order, line), shown_tracking(line)) for line in order.line_items
    }


def is_cancelled(order: Order, line: LineItem) -> bool:
    """Whether a unit, or its whole order, was cancelled (T 3.5)."""
    return "CANCELLED" in (order.status, line.display_status)


def shown_tracking(line: LineItem) -> str | None:
    """The number under which TikTok shows a unit as arranged or shipped; None before that."""
    return line.tracking_number or None


class _Staging:
    """Staging of an order of which something has left."""

    def __init__(
        self,
        evidence: Evidence,
        order: Order,
        rules: FulfilmentRules,
        now: datetime,
        standing: Sequence[Fulfilment],
        base: StagedShipments,
    ) -> None:
        self._evidence = evidence
        self._order = order
        self._rules = rules
        self._now = now
        self._base = base
        self._units = units_of(order)
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._waiting: list[str] = []
        self._standing = [each for each in standing if self._is_readable(each)]

    def staged(self) -> StagedShipments:
        allocation = self._allocated()
        shipments: list[ShipmentDocument] = []
        for each in self._standing:
            unit_ids = self._still_wanted(each, allocation.units.get(each.id, ()))
            shipments += self._parcels(each, unit_ids)
        for difference in allocation.differences:
            self._tell_difference(difference)
        return _with(
            self._base,
            shipments=shipments,
            problems=self._problems,
            waiting=" ".join(self._waiting),
            notes=self._notes,
        )

    def _is_readable(self, fulfilment: Fulfilment) -> bool:
        unknown = {unit for line in fulfilment.order_lines for unit in line.unit_ids} - self._units.keys()
        if unknown:
            some = ", ".join(sorted(unknown)[:3])
            why = f"line ids that order {self._order.id} does not have at TikTok ({some})"
        elif not any(line.unit_ids for line in fulfilment.order_lines):
            why = "no line ids of TikTok's order in its lines' custom field"
        else:
            return True
        message = f"The Sales Order of {fulfilment.name} has {why}, so nobody knows what was shipped."
        self._complain("malformed_fulfilment", fulfilment.id, "line_ids", message)
        return False

    def _allocated(self) -> Allocation:
        if not self._standing:
            return Allocation({}, ())
        told = {
            key: [unit for parcel in parcels.values() for unit in parcel.unit_ids]
            for key, parcels in self._evidence.told.items()
        }
        # All are of one Sales Order; the fulfilment saved last was read with its newest lines.
        newest = max(self._standing, key=lambda each: each.modified_at)
        return allocate(newest.order_lines, self._standing, self._units, told)

    def _still_wanted(self, fulfilment: Fulfilment, unit_ids: Sequence[str]) -> list[str]:
        """Units that TikTok has not cancelled; a parcel that it knew of before is none of that."""
        parcels = self._evidence.told.get(fulfilment.id, {}).values()
        known = {unit for parcel in parcels for unit in parcel.unit_ids}
        cancelled = [unit for unit in unit_ids if self._units[unit].is_cancelled and unit not in known]
        if cancelled:
            message = (
                f"{fulfilment.name} ships {len(cancelled)} units of order {self._order.id} that are "
                "cancelled at TikTok."
            )
            self._complain(CANCELLED, fulfilment.id, "cancelled", message)
        return [unit for unit in unit_ids if unit not in cancelled]

    def _parcels(self, fulfilment: Fulfilment, unit_ids: Sequence[str]) -> list[ShipmentDocument]:
        told = self._evidence.told.get(fulfilment.id, {})
        known = {number: (parcel.tracking, parcel.unit_ids) for number, parcel in told.items()}
        shares, spare = spread(unit_ids, fulfilment.tracking, self._units, known)
        if spare:
            self._notes.append(
                f"{fulfilment.name} has more tracking numbers than units: {', '.join(spare)} tells nothing."
            )
        for share in shares:
            if share.tracking is None:
                self._await_tracking(fulfilment)
        return [
            ShipmentDocument(
                shop=self._base.shop,
                order_id=self._order.id,
                fulfilment_id=fulfilment.id,
                fulfilment_number=fulfilment.number,
                number=share.number,
                unit_ids=share.unit_ids,
                tracking=share.tracking,
                carrier=fulfilment.carrier,
                shipped_on=fulfilment.tran_date,
                saved_at=fulfilment.modified_at,
            )
            for share in shares
            if share.tracking is not None
        ]

    def _await_tracking(self, fulfilment: Fulfilment) -> None:
        if self._now < self._patience(fulfilment):
            self._waiting.append(f"{fulfilment.name} has no tracking number yet.")
            return
        message = f"{fulfilment.name} of order {self._order.id} is shipped, but has no tracking number."
        self._complain("tracking_missing", fulfilment.id, "tracking", message)

    def _tell_difference(self, difference: Difference) -> None:
        """A unit of which one part has left may be completed; for a while that is no trouble."""
        fulfilment = next(each for each in self._standing if each.id == difference.fulfilment_id)
        if difference.may_be_completed and self._now < self._patience(fulfilment):
            self._waiting.append(difference.message)
            return
        self._complain(
            "shipped_quantity_differs", difference.fulfilment_id, difference.cause, difference.message
        )

    def _patience(self, fulfilment: Fulfilment) -> datetime:
        """Until when something may be missing before a person is asked."""
        until = fulfilment.modified_at + timedelta(hours=self._rules.tracking_wait_hours)
        return min(until, self._order.rts_sla_time) if self._order.rts_sla_time else until

    def _complain(self, kind: str, fulfilment_id: str, cause: str, message: str) -> None:
        subject = fulfilment_subject(self._order.id, fulfilment_id)
        self._problems.append(Problem.of(kind, subject, cause, message))


def _with(
    base: StagedShipments,
    *,
    shipments: Sequence[ShipmentDocument] = (),
    problems: Sequence[Problem] = (),
    waiting: str = "",
    skipped: str = "",
    notes: Sequence[str] = (),
) -> StagedShipments:
    return StagedShipments(
        shop=base.shop,
        order_id=base.order_id,
        dispatch_by=base.dispatch_by,
        shipments=tuple(shipments),
        problems=tuple(problems),
        waiting=waiting,
        skipped=skipped,
        notes=tuple(notes),
    )


def _what_is_awaited(fulfilments: Sequence[Fulfilment]) -> str:
    states = {each.status for each in fulfilments if not each.is_gone}
    if "B" in states:
        return "it is packed, but not shipped yet"
    return "it is picked, but not shipped yet" if states else "no Item Fulfillment stands (any more)"


def _why_none(order: Order, shop: Shop) -> str:
    if FULFILMENT.get(order.fulfillment_type or "") == "channel":
        return _CHANNEL_SHIPS
    if shop.is_before_go_live(order.create_time):
        return f"the order was placed before {shop.orders_since} (`orders_since` of the shop)"
    return ""


def _unknown_order(order_id: str, fulfilment: Fulfilment) -> Problem:
    return Problem.of(
        "malformed_fulfilment",
        fulfilment_subject(order_id, fulfilment.id),
        "unknown_order",
        f"{fulfilment.name} is for order {order_id}, which TikTok does not show in this shop.",
    )
