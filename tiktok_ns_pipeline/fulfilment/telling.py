"""Telling TikTok of one parcel: from the order as it shows it, by the step that is due, to an outcome.

Each parcel takes one write, or several where a package is split first. Whatever is written was looked
at before; what TikTok refuses is raised, and `refusals` says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import Applied, NotYet, Outcome, Park
from tiktok_ns_pipeline.fulfilment.carriers import Providers, Unmapped, provider_of
from tiktok_ns_pipeline.fulfilment.deciding import (
    Correct,
    Hold,
    Known,
    Mark,
    Refuse,
    Restage,
    ShipPackages,
    Split,
    decide,
    is_combined,
    way_of,
)
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL, ShipmentDocument
from tiktok_ns_pipeline.fulfilment.staging import is_cancelled, shown_tracking
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.ledger.intents import Intent, IntentState
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokRefused
from tiktok_ns_pipeline.tiktok.fulfilment_models import Package
from tiktok_ns_pipeline.tiktok.models import Order

_A_MINUTE = timedelta(minutes=1)
_LONG_ENOUGH = timedelta(hours=1)
_COMBINED_WAIT = timedelta(hours=4)
_NEAR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Case:
    """A parcel to be told of, and its order as TikTok shows it."""

    intent: Intent
    document: ShipmentDocument
    order: Order
    shop: Shop
    access: ShopAccess


class Telling:
    """Carries out the step that is due for a parcel. Raises TikTokError, WireError."""

    def __init__(
        self,
        tiktok: TikTokClient,
        ledger: Ledger,
        clock: Clock,
        mapping: SellerMapping,
        restage: Callable[[str, str], None],
    ) -> None:
        """`restage` is told shop and order id of what is not any more as it was staged."""
        self._tiktok = tiktok
        self._calls = tiktok.fulfilment
        self._ledger = ledger
        self._clock = clock
        self._mapping = mapping
        self._restage = restage
        self._providers = Providers(tiktok)

    async def tell(self, case: Case) -> Outcome:
        """Do what is due for the parcel."""
        step = decide(
            case.document,
            case.order,
            case.shop.region,
            self._other_numbers(case),
            is_correction=self._is_correction(case),
        )
        match step:
            case Mark() | Correct() | ShipPackages() | Split():
                return await self._write(case, step)
            case _:
                return self._answer(case, step)

    def _answer(self, case: Case, step: Known | Hold | Refuse | Restage) -> Outcome:
        match step:
            case Known(package_id, note):
                return Applied(link_of(case.intent, case.document, package_id), note)
            case Hold():
                return self._held(case, step)
            case Refuse(kind, cause, message):
                return Park(kind, cause, message)
            case Restage(reason):
                self._restage(case.shop.code, case.document.order_id)
                return NotYet(f"{reason}; it is staged again", self._clock.now() + _A_MINUTE)

    async def _write(self, case: Case, step: Mark | Correct | ShipPackages | Split) -> Outcome:
        match step:
            case Mark(unit_ids):
                return await self._mark(case, unit_ids)
            case Correct():
                return await self._correct(case, step)
            case ShipPackages(package_ids):
                return await self._ship(case, package_ids)
            case Split():
                return await self._split(case, step)

    # Writing

    async def _mark(self, case: Case, unit_ids: Sequence[str]) -> Outcome:
        provider = await self._provider(case)
        if isinstance(provider, Park):
            return provider
        made = await self._calls.mark_as_shipped(
            case.access, case.order.id, case.document.tracking, provider, unit_ids, lane=case.intent.lane
        )
        package_id = made.get("package_id")
        return Applied(link_of(case.intent, case.document, str(package_id) if package_id else None))

    async def _correct(self, case: Case, step: Correct) -> Outcome:
        provider = await self._provider(case)
        if isinstance(provider, Park):
            return provider
        lane, tracking = case.intent.lane, case.document.tracking
        if step.is_split:
            for package_id in step.package_ids:
                await self._calls.update_package_shipping_info(
                    case.access, package_id, tracking, provider, lane=lane
                )
        else:
            await self._calls.update_order_shipping_info(
                case.access, case.order.id, tracking, provider, lane=lane
            )
        first = step.package_ids[0] if step.package_ids else None
        return Applied(link_of(case.intent, case.document, first), "corrected")

    async def _ship(self, case: Case, package_ids: Sequence[str]) -> Outcome:
        if is_combined(case.order):
            for package_id in package_ids:
                if awaited := await self._others_awaited(case, package_id):
                    return self._combined(case, package_id, awaited)
        if way_of(case.order, case.shop.region) == "own_package":
            provider = await self._provider(case)
            if isinstance(provider, Park):
                return provider
            own = (case.document.tracking, provider)
            for package_id in package_ids:
                await self._calls.ship_package(
                    case.access, package_id, self_shipment=own, lane=case.intent.lane
                )
        else:
            for package_id in package_ids:
                await self._hand_over(case, package_id)
        return Applied(link_of(case.intent, case.document, package_ids[0]))

    async def _hand_over(self, case: Case, package_id: str) -> None:
        """TikTok's carrier takes the package: brought to it, or fetched in the first slot there is."""
        lane = case.intent.lane
        if case.shop.handover == "pickup":
            slots = await self._calls.handover_time_slots(case.access, package_id, lane=lane)
            free = [slot for slot in slots.pickup_slots if slot.is_available]
            if slots.can_pickup and free:
                first = min(free, key=lambda slot: slot.start_time)
                await self._calls.ship_package(case.access, package_id, "PICKUP", first, lane=lane)
                return
        await self._calls.ship_package(case.access, package_id, "DROP_OFF", lane=lane)

    async def _split(self, case: Case, step: Split) -> Outcome:
        """Divide the package and ship our part; where it cannot be, ship it whole with its last part."""
        lane = case.intent.lane
        attributes = await self._calls.split_attributes(case.access, [case.order.id], lane=lane)
        reason = next((each.reason for each in attributes if each.reason), "it cannot be split")
        if not any(each.can_split for each in attributes):
            return await self._whole(case, step, reason)
        try:
            await self._calls.split_order(case.access, case.order.id, step.groups, lane=lane)
        except TikTokRefused as refused:
            return await self._whole(case, step, refused.message)
        for page in await self._tiktok.order_details(case.access, [case.order.id], lane=lane):
            for raw in page.orders:
                divided = replace(case, order=Order.parse(raw))
                again = decide(divided.document, divided.order, case.shop.region)
                if isinstance(again, ShipPackages):
                    return await self._ship(divided, again.package_ids)
        return NotYet("its package was divided", self._clock.now() + _A_MINUTE)

    async def _whole(self, case: Case, step: Split, reason: str) -> Outcome:
        held = {unit for group in step.groups.values() for unit in group}
        # Parcels that are in other packages of the order have nothing to do with this one.
        siblings = [each for each in self._siblings(case.document) if not held.isdisjoint(each.unit_ids)]
        covered = {unit for each in (case.document, *siblings) for unit in each.unit_ids}
        if held <= covered and all(_rank(case.document) > _rank(each) for each in siblings):
            packages = {line.package_id: None for line in case.order.line_items if line.id in held}
            return await self._ship(case, [package_id for package_id in packages if package_id])
        if self._is_near(case.intent.deadline):
            return Park(
                "shipment_refused",
                "cannot_be_split",
                f"{name_of(case.document)} holds only some units of TikTok's package, which cannot be split "
                f"({reason}), and the others are not shipped, or held up themselves.",
            )
        return NotYet(
            "TikTok's package cannot be split; it is shipped with its last part",
            self._clock.now() + _A_MINUTE,
        )

    async def _provider(self, case: Case) -> str | Park:
        """TikTok's id of the provider, or the exception that names those that there are."""
        option = case.order.delivery_option_id
        offered = await self._providers.of(case.access, option) if option else ()
        found = provider_of(case.document.carrier, offered, self._mapping, case.shop)
        if isinstance(found, Unmapped):
            return Park("unmapped_carrier", found.cause, f"{name_of(case.document)}: {found.message}")
        return found.id

    # Waiting

    def _held(self, case: Case, hold: Hold) -> Outcome:
        waited = self._clock.now() - case.intent.created_at
        said = f"{name_of(case.document)}: {hold.reason}."
        if hold.cause == "label" and (waited >= _LONG_ENOUGH or self._is_near(case.intent.deadline)):
            return Park("label_not_bought", "label", said)
        if hold.cause == "request" and waited >= _LONG_ENOUGH:
            return Park("shipment_refused", "request", said)
        return NotYet(hold.reason, self._clock.now() + _A_MINUTE)

    async def _others_awaited(self, case: Case, package_id: str) -> list[str]:
        """Orders of a combined package of which not all has left yet: it is shipped whole (T 4.4)."""
        raw = await self._calls.package(case.access, package_id, lane=case.intent.lane)
        package = Package.parse(raw)
        others = [each for each in package.order_ids if each != case.order.id]
        parcels = [parcel for each in others for parcel in self._parcels_of(case.shop.code, each)]
        covered = {unit for parcel in parcels for unit in parcel.unit_ids}
        missing = set(package.line_ids) - covered - {line.id for line in case.order.line_items}
        if not others or (package.line_ids and not missing):
            return []
        # The package does not say whose units they are, nor which of them were cancelled.
        done: set[str] = set()
        for page in await self._tiktok.order_details(case.access, others, lane=case.intent.lane):
            for order in map(Order.parse, page.orders):
                open_units = {one.id for one in order.line_items if not is_cancelled(order, one)}
                if not open_units & (missing or open_units - covered):
                    done.add(order.id)
        return [each for each in others if each not in done]

    def _combined(self, case: Case, package_id: str, awaited: Sequence[str]) -> Outcome:
        orders = ", ".join(awaited)
        waited = self._clock.now() - case.intent.created_at
        if waited >= _COMBINED_WAIT or self._is_near(case.intent.deadline):
            return Park(
                "combined_package_incomplete",
                "combined",
                f"{name_of(case.document)} is in package {package_id} together with orders {orders}, of "
                "which not everything is shipped.",
            )
        return NotYet(f"package {package_id} also holds orders {orders}", self._clock.now() + _A_MINUTE)

    def _other_numbers(self, case: Case) -> list[str]:
        """Numbers of the order's other parcels, where TikTok may show our units under one of them."""
        shown = any(shown_tracking(line) for line in case.order.line_items)
        if not shown or way_of(case.order, case.shop.region) != "own_package":
            return []
        return [each.tracking for each in self._siblings(case.document)]

    def _is_correction(self, case: Case) -> bool:
        """Whether ours may replace the number that TikTok shows, whenever that was told.

        The number of a combined package may have been told for another of its orders.
        """
        return (case.intent.revision > 1 and not is_combined(case.order)) or self._shows_only_ours(case)

    def _shows_only_ours(self, case: Case) -> bool:
        """Whether TikTok shows the units under numbers that we told it, perhaps late: no person did.

        A parcel that was taken back and left again is another fulfilment with another number.
        """
        wanted = set(case.document.unit_ids)
        shown = {shown_tracking(line) for line in case.order.line_items if line.id in wanted} - {None}
        if not shown:
            return False
        with self._ledger.read() as tx:
            ever = [
                *tx.intents.newest_of(
                    CHANNEL, case.document.shop, SHIPMENT, f"{case.document.order_id}."
                ).values(),
                *tx.intents.history(case.intent.fact),
            ]
        return shown <= {ShipmentDocument.model_validate(intent.payload).tracking for intent in ever}

    def _siblings(self, document: ShipmentDocument) -> list[ShipmentDocument]:
        """The other parcels of the order that are to be told, or were."""
        found = self._parcels_of(document.shop, document.order_id)
        return [each for each in found if each.key != document.key]

    def _parcels_of(self, shop: str, order_id: str) -> list[ShipmentDocument]:
        with self._ledger.read() as tx:
            found = tx.intents.newest_of(CHANNEL, shop, SHIPMENT, f"{order_id}.")
        return _standing(found.values())

    def _is_near(self, deadline: datetime | None) -> bool:
        return deadline is not None and self._clock.now() >= deadline - _NEAR


def _standing(intents: Iterable[Intent]) -> list[ShipmentDocument]:
    return [
        ShipmentDocument.model_validate(intent.payload)
        for intent in intents
        if intent.state != IntentState.SUPERSEDED
    ]


def _rank(document: ShipmentDocument) -> tuple[int, str, int]:
    """The order in which an order's parcels left."""
    return len(document.fulfilment_id), document.fulfilment_id, document.number


def name_of(document: ShipmentDocument) -> str:
    """How a message calls a parcel."""
    return (
        f"Parcel {document.tracking} of order {document.order_id} "
        f"(Item Fulfillment {document.fulfilment_number})"
    )


def link_of(intent: Intent, document: ShipmentDocument, package_id: str | None) -> Link:
    """TikTok's package stands for the parcel; where it names none, its order does."""
    return Link(
        fact=intent.fact,
        record_type="tiktok package",
        external_id=intent.fact.business_key,
        internal_id=package_id or document.order_id,
        document_number=document.tracking,
        payload_hash=intent.payload_hash,
        version=intent.revision,
    )
