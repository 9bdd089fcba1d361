"""What happens to packages: they are opened, shipped, collected and delivered (T 4.1 to 4.3).

Packages lead and orders follow: whoever arranges, collects or delivers one, the state of each of its
orders is derived anew (`OrderLife.settle`). Only what an order enters by itself (a plan, a person moving
it by hand) works the other way round (`follow`). How packages are divided and joined is in `splitting`.

Everything here runs inside a change of the world; a `Refusal` undoes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox.catalogue import Shop, shop_of
from tiktok_ns_pipeline.sandbox.facts import LineFacts, OrderFacts, Shipped, Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS, TIKTOK_CARRIER, Market, Provider
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.packages import Package, PackageState
from tiktok_ns_pipeline.sandbox.refusals import refused
from tiktok_ns_pipeline.sandbox.tracking import TrackingDesk

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

_DAY = 86_400
_HOUR = 3_600

UPDATES_FOR_S = 72 * _HOUR
"""So long after its shipment a tracking number may be corrected (T 4.2)."""
MOST_UPDATES = 3
"""How often; the real limit is not told."""

# Events of a package rather than of an order.
PARCEL = "parcel"


@dataclass(frozen=True, slots=True)
class Handover:
    """How a package is to leave: to TikTok's carrier, or with the seller's own number."""

    method: str = ""
    slot: tuple[int, int] | None = None
    own: tuple[str, str] | None = None
    """(tracking number, provider id)."""


class Parcels:
    """The packages of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store.packages
        self.tracking = TrackingDesk(world)

    # What sellers do

    def found(self, shop: Shop, package_id: str) -> Package:
        """A package of the shop; raises Refusal when it has none such."""
        package = self._store.package(package_id)
        if package is None:
            raise refused(21011001)
        if package.shop != shop.key:
            raise refused(21011028)
        return package

    def order_found(self, shop: Shop, order_id: str) -> Order:
        """An order of the shop; raises Refusal when it has none such."""
        order = self._world.store.order(order_id)
        if order is None or order.facts.shop != shop.key:
            raise refused(21008111)
        return order

    def ship(self, shop: Shop, package_id: str, handover: Handover) -> None:
        """Arrange the shipment of one package (T 4.1)."""
        with self._world.changing():
            package = self.found(shop, package_id)
            orders = [self.order_found(shop, order_id) for order_id in package.lines]
            for order in orders:
                check_shippable(order.facts)
            if not package.is_live:
                raise refused(21011001)
            if package.state is PackageState.completed:
                raise refused(21011027)
            if not package.is_open:
                raise refused(21011020)
            if package.by_seller:
                self._ship_own(package, handover, [order.facts for order in orders])
            else:
                self._hand_over(package, handover)
            self._arranged(package, orders)

    def mark_shipped(
        self, shop: Shop, order_id: str, tracking: str, provider_id: str, line_ids: Sequence[str]
    ) -> Package:
        """The seller shipped these units (none named: all that are open) and gives the package (T 4.2)."""
        with self._world.changing():
            order = self.order_found(shop, order_id)
            facts = order.facts
            if facts.by_tiktok_warehouse:
                raise refused(21008025)
            if not MARKETS[shop.region].marks_as_shipped:
                raise refused(21008106)
            if not facts.by_seller:
                raise refused(21011003)
            check_shippable(facts)
            packages = self._live(facts)
            lines = _lines_to_ship(facts, packages, line_ids)
            provider = self.tracking.accepted(shop, tracking, provider_id, [facts])
            package = self._package_of(facts, packages, lines)
            _give(package, tracking, provider)
            self._arranged(package, [order])
            return package

    def buy_label(self, order_id: str, line_ids: Sequence[str] | None = None) -> str:
        """The staff buys a label in Seller Center for these units; gives the tracking number (T 4.1)."""
        with self._world.changing():
            order = self._world.found(order_id)
            facts = order.facts
            if facts.shipped_through != "label":
                raise ValueError(f"order {order_id} takes no label: it goes by {facts.shipped_through}")
            check_shippable(facts)
            packages = self._live(facts)
            lines = _lines_to_ship(facts, packages, line_ids or ())
            package = self._package_of(facts, packages, lines)
            _give(package, _own_tracking(package), TIKTOK_CARRIER)
            self._arranged(package, [order])
            return package.tracking

    def update_tracking(self, shop: Shop, package: Package, tracking: str, provider_id: str) -> None:
        """Correct what was told of a package (T 4.2)."""
        with self._world.changing():
            orders = [self.order_found(shop, order_id) for order_id in package.lines]
            if not package.by_seller:
                raise refused(21011004)
            self._check_update(package, orders)
            provider = self.tracking.accepted(
                shop, tracking, provider_id, [order.facts for order in orders], beside=package
            )
            if (tracking, provider.id) == (package.tracking, package.provider_id):
                return
            if package.tracking_updates >= MOST_UPDATES:
                raise refused(21011052)
            package.tracking_updates += 1
            _give(package, tracking, provider)
            self._arranged(package, orders, again=True)

    def _check_update(self, package: Package, orders: Sequence[Order]) -> None:
        if not package.is_live or any(order.facts.status is Status.cancelled for order in orders):
            raise refused(21011041)
        if any(order.facts.open_request for order in orders):
            raise refused(21011007)
        if package.arranged_at is None:
            raise refused(21011043)
        if package.state is PackageState.completed:
            raise refused(21011030)
        if self._world.epoch() > package.arranged_at + UPDATES_FOR_S:
            raise refused(21011050)

    def slots(self, package: Package) -> list[tuple[int, int]]:
        """When TikTok's carrier can come for a package: mornings and afternoons of the next days."""
        today = self._world.epoch() // _DAY * _DAY
        return [
            (today + day * _DAY + begins * _HOUR, today + day * _DAY + (begins + 4) * _HOUR)
            for day in (1, 2, 3)
            for begins in (2, 7)
        ]

    # What follows

    def follow(self, number: int, facts: OrderFacts, at: int) -> list[Package]:
        """Let the packages be as the world's n-th order has them in its state; gives its packages."""
        if facts.released_at is None:
            return []
        match facts.status:
            case Status.unpaid | Status.on_hold:
                self._undo(facts, at)
                self.let_go(facts, at)
            case Status.cancelled:
                self.let_go(facts, at)
            case Status.awaiting_shipment:
                self._undo(facts, at)
                if _market(facts).packages_at_once:
                    self.open_rest(facts, at)
            case Status.partially_shipping:
                pass
            case status:
                for package in self._arrange_rest(facts, at):
                    self._plan(package, number, facts, Status.awaiting_collection, at)
                self._move_all(facts, _REACHED[status], at)
        return self._store.of_order(facts.order_id)

    def open_rest(self, facts: OrderFacts, at: int, tag: str = "DEFAULT") -> Package | None:
        """Put the units that are in no live package into a new one."""
        held = {line for package in self._live(facts) for line in package.line_ids}
        rest = [line.id for line in facts.open_lines if line.id not in held]
        return self.open(facts, rest, at, tag) if rest else None

    def open(self, facts: OrderFacts, line_ids: Sequence[str], at: int, tag: str = "DEFAULT") -> Package:
        """A new package for these units of one order."""
        package = Package(
            id=self._store.new_id(facts.order_id),
            shop=facts.shop,
            lines={facts.order_id: list(line_ids)},
            created_at=at,
            updated_at=at,
            paid_at=facts.released_at or facts.placed_at,
            tag=tag,
            by_seller=facts.by_seller,
        )
        self._store.add(package)
        return package

    def take_out(self, package: Package, facts: OrderFacts, line_ids: set[str], at: int) -> None:
        """Take units of an order out of a package; empty, it is cancelled and keeps its last units."""
        rest = [line for line in package.lines[facts.order_id] if line not in line_ids]
        package.updated_at = at
        if rest:
            package.lines[facts.order_id] = rest
        elif len(package.lines) > 1:
            del package.lines[facts.order_id]
        else:
            package.state = PackageState.cancelled
        self._store.save(package)

    def release(self, facts: OrderFacts, line: LineFacts, at: int) -> None:
        """A unit was cancelled: no open package holds it any more."""
        for package in self._live(facts):
            if package.is_open and line.id in package.line_ids:
                self.take_out(package, facts, {line.id}, at)

    def let_go(self, facts: OrderFacts, at: int) -> None:
        """No live package holds units of the order any more."""
        for package in self._live(facts):
            self.take_out(package, facts, set(package.lines[facts.order_id]), at)

    def happen(self, what: str, at: int) -> None:
        """An event of a package: it is collected, delivered, or fails to be."""
        _, package_id, step = what.split(":")
        package = self._store.package(package_id)
        if package is None or not package.is_arranged or not package.lines:
            return
        expected = PackageState.processing if step == "collect" else PackageState.fulfilling
        if package.state is not expected:
            return
        orders = [self._world.found(order_id) for order_id in package.lines]
        if step == "fail_delivery" and len(self._live(orders[0].facts)) == 1:
            for order in orders:
                self._world.life.fail_delivery(order, at)
            return
        reached = PackageState.fulfilling if step == "collect" else PackageState.completed
        self._reach(package, reached, at)
        for order in orders:
            self._world.life.settle(order, at)
        if reached is PackageState.fulfilling:
            self._plan(package, orders[0].number, orders[0].facts, Status.in_transit, at)

    # Within

    def _live(self, facts: OrderFacts) -> list[Package]:
        return [package for package in self._store.of_order(facts.order_id) if package.is_live]

    def _ship_own(self, package: Package, handover: Handover, orders: Sequence[OrderFacts]) -> None:
        if handover.own is None or handover.method:
            raise refused(21001001)
        provider = self.tracking.accepted(shop_of(package.shop), *handover.own, orders)
        _give(package, handover.own[0], provider)

    def _hand_over(self, package: Package, handover: Handover) -> None:
        if handover.own is not None:
            raise refused(21001001)
        if handover.method == "PICKUP":
            if handover.slot is None:
                raise refused(21011054)
            if handover.slot not in self.slots(package):
                raise refused(21011053)
            package.pickup_slot = handover.slot
        package.handover_method = handover.method or "DROP_OFF"
        _give(package, _own_tracking(package), TIKTOK_CARRIER)

    def _package_of(self, facts: OrderFacts, live: Sequence[Package], lines: Sequence[str]) -> Package:
        """The open package of exactly these units, made from others if need be."""
        wanted = set(lines)
        at = self._world.epoch()
        for package in live:
            if package.is_open and set(package.line_ids) == wanted:
                return package
        for package in live:
            if package.is_open and wanted & set(package.line_ids):
                self.take_out(package, facts, wanted, at)
        whole = wanted == {line.id for line in facts.active_lines}
        return self.open(facts, lines, at, "DEFAULT" if whole else "SPLIT")

    def _arranged(self, package: Package, orders: Sequence[Order], *, again: bool = False) -> None:
        at = self._world.epoch()
        package.updated_at = at
        if not again:
            package.state, package.arranged_at = PackageState.processing, at
        self._store.save(package)
        for order in orders:
            _tell_lines(order.facts, package, at)
            self._world.life.settle(order, at)
        if not again:
            self._plan(package, orders[0].number, orders[0].facts, Status.awaiting_collection, at)

    def _plan(self, package: Package, number: int, facts: OrderFacts, status: Status, at: int) -> None:
        """Let the next step come by the plan; where all goes by itself, the order's own steps do."""
        if self._world.mix.shipped_by == "itself":
            return
        for delay, what in facts.plan.get(status, ())[:1]:
            event = Event(at + delay / self._world.later_speed, number, "", f"{PARCEL}:{package.id}:{what}")
            self._world.store.schedule(event)

    def _arrange_rest(self, facts: OrderFacts, at: int) -> list[Package]:
        """Arrange every open unit with TikTok's carrier; gives the packages that were."""
        self.open_rest(facts, at)
        arranged: list[Package] = []
        for package in [one for one in self._live(facts) if one.is_open]:
            own = self._apart(package, facts, at)
            _give(own, _own_tracking(own), TIKTOK_CARRIER)
            own.state, own.arranged_at, own.updated_at = PackageState.processing, at, at
            self._store.save(own)
            _tell_lines(facts, own, at)
            arranged.append(own)
        return arranged

    def _apart(self, package: Package, facts: OrderFacts, at: int) -> Package:
        """A package of this order alone: the others of a combined one wait for their own time."""
        if len(package.lines) == 1:
            return package
        line_ids = package.lines[facts.order_id]
        self.take_out(package, facts, set(line_ids), at)
        return self.open(facts, line_ids, at)

    def _move_all(self, facts: OrderFacts, state: PackageState, at: int) -> None:
        for package in self._live(facts):
            if package.state is not state:
                self._reach(package, state, at)

    def _reach(self, package: Package, state: PackageState, at: int) -> None:
        package.state, package.updated_at = state, at
        if state is not PackageState.processing:
            package.collected_at = package.collected_at or at
        if state is PackageState.completed:
            package.delivered_at = at
        self._store.save(package)

    def _undo(self, facts: OrderFacts, at: int) -> None:
        """A person moved the order back: what was arranged is not."""
        if len(facts.open_lines) == len(facts.active_lines):
            return
        for package in self._live(facts):
            if package.is_arranged:
                self.take_out(package, facts, set(package.lines[facts.order_id]), at)
        for line in facts.lines:
            line.shipped = None


def check_shippable(facts: OrderFacts) -> None:
    """Raises Refusal for an order of which nothing may be shipped now (T 4.1)."""
    if facts.by_tiktok_warehouse:
        raise refused(21008025)
    if facts.status in _UNSHIPPABLE:
        raise refused(_UNSHIPPABLE[facts.status])
    if facts.open_request:
        raise refused(21011007)


# State -> code with which shipping is refused.
_UNSHIPPABLE: dict[Status, int] = {
    Status.unpaid: 21042057,
    Status.on_hold: 21011044,
    Status.cancelled: 21011041,
}
_REACHED: dict[Status, PackageState] = {
    Status.awaiting_collection: PackageState.processing,
    Status.in_transit: PackageState.fulfilling,
    Status.delivered: PackageState.completed,
    Status.completed: PackageState.completed,
}


def _market(facts: OrderFacts) -> Market:
    return MARKETS[shop_of(facts.shop).region]


def _lines_to_ship(facts: OrderFacts, live: Sequence[Package], line_ids: Sequence[str]) -> list[str]:
    """The units that a call names, or all that are open."""
    if not facts.open_lines:
        raise refused(21011020)
    if not line_ids:
        if sum(package.is_open for package in live) > 1:
            raise refused(21011048)
        return [line.id for line in facts.open_lines]
    named = {line.id: line for line in facts.lines if line.id in set(line_ids)}
    if len(named) != len(set(line_ids)):
        raise refused(21011029)
    if any(line.cancelled for line in named.values()):
        raise refused(21011041)
    if any(line.shipped is not None for line in named.values()):
        raise refused(21011020)
    return list(named)


def _own_tracking(package: Package) -> str:
    """The number that TikTok's carrier gives a package."""
    return f"SBX{package.id[-9:]}"


def _give(package: Package, tracking: str, provider: Provider) -> None:
    package.tracking, package.provider_id, package.provider_name = tracking, provider.id, provider.name


def _tell_lines(facts: OrderFacts, package: Package, at: int) -> None:
    held = set(package.lines[facts.order_id])
    for line in facts.lines:
        if line.id in held:
            told_at = at if line.shipped is None else line.shipped.told_at
            line.shipped = Shipped(package.id, package.tracking, package.provider_id, told_at)
