"""How packages are divided before they are shipped, and joined with others of the same buyer (T 4.4)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox.catalogue import Shop, shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS, MOST_ORDERS_PER_NUMBER
from tiktok_ns_pipeline.sandbox.order_store import Order
from tiktok_ns_pipeline.sandbox.packages import Package, PackageState
from tiktok_ns_pipeline.sandbox.parcels import check_shippable
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.world_events import package_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World


class Splitting:
    """Divides and joins the open packages of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._parcels = world.parcels
        self._store = world.store.packages

    # Dividing

    def why_not(self, order: Order) -> str:
        """Why an order cannot be split, or nothing."""
        facts = order.facts
        try:
            check_shippable(facts)
        except Refusal as refusal:
            return refusal.message
        if any(len(package.lines) > 1 for package in self._live(facts)):
            return "The order is combined with another."
        if len(_parts(order)) < 2:
            return "There is nothing to divide."
        return ""

    def split(self, shop: Shop, order_id: str, groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Divide the open units of an order; what is in no group is a package of its own.

        Gives the package id of each group, by the group's id.
        """
        with self._world.changing():
            at = self._world.epoch()
            order = self._parcels.order_found(shop, order_id)
            if self.why_not(order):
                raise refused(21011035)
            facts = order.facts
            _check_groups(order, groups, whole_skus=not MARKETS[shop.region].splits_units)
            for package in self._live(facts):
                if package.is_open:
                    self._parcels.take_out(package, facts, set(package.lines[order_id]), at)
            made = {name: self._parcels.open(facts, lines, at, "SPLIT").id for name, lines in groups.items()}
            self._parcels.open_rest(facts, at, "SPLIT")
            packages = [one for one in self._live(facts) if one.is_open]
            if len(packages) < 2:
                raise refused(21011005)
            self._world.life.settle(order, at)
            self._tell(packages, "SPLIT", "ROLE_SELLER", at)
            return made

    # Joining

    def combinable(self, shop: Shop) -> list[list[Package]]:
        """Open packages that may be joined: one buyer, one address, one way of shipping."""
        if MARKETS[shop.region].shares_numbers:
            return []
        groups: defaultdict[tuple[object, ...], list[Package]] = defaultdict(list)
        for user_id, package in self._store.open_of_repeated_buyers(shop.key):
            orders = [self._world.found(order_id).facts for order_id in package.lines]
            if package.tag != "SPLIT" and all(map(_may_be_combined, orders)):
                place = json.dumps(orders[0].address, sort_keys=True)
                group = groups[user_id, place, package.by_seller]
                if package.id not in {one.id for one in group}:
                    group.append(package)
        return [group for group in groups.values() if len(group) > 1]

    def combine(self, shop: Shop, group_id: str, order_ids: Sequence[str]) -> Package:
        """Join the open packages of these orders, which `combinable` offered under that id."""
        with self._world.changing():
            offered = next((group for group in self.combinable(shop) if group[0].id == group_id), None)
            if offered is None:
                raise refused(21011031)
            chosen = [package for package in offered if package.lines.keys() & set(order_ids)]
            wanted = set(order_ids)
            held = {order_id for package in chosen for order_id in package.lines}
            if held != wanted or len(chosen) < 2 or len(held) > MOST_ORDERS_PER_NUMBER:
                raise refused(21011031)
            return self._join(chosen, "ROLE_SELLER")

    def combine_by_platform(self, order: Order) -> None:
        """TikTok itself joins an order's package with the others of its buyer, if there are any."""
        shop = shop_of(order.facts.shop)
        for group in self.combinable(shop):
            if any(order.facts.order_id in package.lines for package in group):
                self._join(group[:MOST_ORDERS_PER_NUMBER], "ROLE_SYSTEM")

    def uncombine(self, shop: Shop, package_id: str, order_ids: Sequence[str]) -> list[Package]:
        """Take orders out of a combined package, each into one of its own; gives all the packages."""
        with self._world.changing():
            package = self._parcels.found(shop, package_id)
            if not set(order_ids) <= package.lines.keys():
                raise refused(21011029)
            if not package.is_open or len(package.lines) < 2 or not order_ids:
                raise refused(21011005)
            at = self._world.epoch()
            rest = [order_id for order_id in package.lines if order_id not in set(order_ids)]
            made = self._part(package, [[one] for one in order_ids] + ([rest] if rest else []), at)
            self._tell(made, "CANCEL_COMBINE", "ROLE_SELLER", at)
            return made

    def part_for_address(self, facts: OrderFacts, at: int) -> None:
        """An order whose recipient moved leaves the package that it shared (T 4.4)."""
        for package in self._live(facts):
            if package.is_open and len(package.lines) > 1:
                others = [order_id for order_id in package.lines if order_id != facts.order_id]
                made = self._part(package, [[facts.order_id], others], at)
                self._tell(made, "ADDRESS_UPDATE_SPLIT", "ROLE_USER", at)

    # Within

    def _live(self, facts: OrderFacts) -> list[Package]:
        return [package for package in self._store.of_order(facts.order_id) if package.is_live]

    def _join(self, packages: Sequence[Package], role: str) -> Package:
        at = self._world.epoch()
        lines = {order_id: list(ids) for package in packages for order_id, ids in package.lines.items()}
        joined = self._made(packages[0], lines, at)
        self._close(packages, at)
        for order_id in lines:
            self._world.life.settle(self._world.found(order_id), at)
        self._tell([joined], "COMBINE", role, at)
        return joined

    def _part(self, package: Package, parts: Iterable[Sequence[str]], at: int) -> list[Package]:
        made = [
            self._made(package, {order_id: package.lines[order_id] for order_id in part}, at)
            for part in parts
        ]
        self._close([package], at)
        for order_id in package.lines:
            self._world.life.settle(self._world.found(order_id), at)
        return made

    def _made(self, like: Package, lines: dict[str, list[str]], at: int) -> Package:
        package = Package(
            id=self._store.new_id(next(iter(lines))),
            shop=like.shop,
            lines=lines,
            created_at=at,
            updated_at=at,
            paid_at=like.paid_at,
            tag="COMBINE" if len(lines) > 1 else "DEFAULT",
            by_seller=like.by_seller,
        )
        self._store.add(package)
        return package

    def _close(self, packages: Iterable[Package], at: int) -> None:
        for package in packages:
            package.state, package.updated_at = PackageState.cancelled, at
            self._store.save(package)

    def _tell(self, packages: Sequence[Package], sc_type: str, role: str, at: int) -> None:
        listed = [(package.id, list(package.lines)) for package in packages]
        self._world.tell(package_event(packages[0].shop, listed, sc_type, role, at))


def attributes_of(splitting: Splitting, order: Order) -> Document:
    """Whether an order can be split, as the API tells it (T 4.2). Nothing in the sandbox must be."""
    reason = splitting.why_not(order)
    shown: Document = {"order_id": order.facts.order_id, "can_split": not reason, "must_split": False}
    return shown | ({"reason": reason} if reason else {})


def _may_be_combined(facts: OrderFacts) -> bool:
    return (
        facts.status is Status.awaiting_shipment and not facts.open_request and not facts.by_tiktok_warehouse
    )


def _sku_of_line(order: Order) -> dict[str, str]:
    return {line["id"]: line["sku_id"] for line in order.document["line_items"]}


def _parts(order: Order) -> list[str]:
    """What could be in different packages: units, or SKUs where these stay whole."""
    open_lines = [line.id for line in order.facts.open_lines]
    if MARKETS[shop_of(order.facts.shop).region].splits_units:
        return open_lines
    sku = _sku_of_line(order)
    return list({sku[line] for line in open_lines})


def _check_groups(order: Order, groups: Mapping[str, Sequence[str]], *, whole_skus: bool) -> None:
    named = [line for lines in groups.values() for line in lines]
    open_lines = {line.id for line in order.facts.open_lines}
    if not named or not all(groups.values()) or len(named) != len(set(named)) or not set(named) <= open_lines:
        raise refused(21011005)
    if whole_skus:
        sku = _sku_of_line(order)
        place = {line: name for name, lines in groups.items() for line in lines}
        if len({(sku[line], place.get(line)) for line in open_lines}) > len(
            {sku[line] for line in open_lines}
        ):
            raise refused(21011035)
