"""Which units left: quantities of Item Fulfillments laid over the units of an order at TikTok.

NetSuite tells quantities of a Sales Order's lines, not units. Lines that share units (the parts of an
exploded kit, a price that had to be divided over two lines) are one *bundle*: of its n units as many
left as the part that is furthest behind allows. Each of them is a *departure*, with the tracking
numbers under which it may have left, and is laid over one unit of the bundle: the one that TikTok shows
under one of these numbers before any other that is shipped, that before one that is not, and a
cancelled one last.

Invariant: each departure is laid over at most one unit and each unit carries at most one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Fulfilment,
    OrderLine,
    SalesOrder,
    Unit,
    tracking_key,
)

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Departure:
    """One unit that left, says NetSuite. `fulfilment` is the one that completed it."""

    fulfilment: Fulfilment
    tracking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """Departures by the unit that they are laid over, and those for which no unit is left."""

    by_unit: Mapping[str, Departure]
    surplus: tuple[Departure, ...]


def lay_over(units: Sequence[Unit], sales: Iterable[SalesOrder], fulfilments: Iterable[Fulfilment]) -> Laid:
    """Lay all that left for one order over its units."""
    by_id = {unit.line_id: unit for unit in units}
    by_unit: dict[str, Departure] = {}
    surplus: list[Departure] = []
    left = [one for one in sorted(fulfilments, key=_age) if one.has_left]
    for sale in sales:
        own = [one for one in left if one.sales_order_id == sale.netsuite_id]
        for bundle in _bundles(sale.goods):
            ids = {unit_id for line in bundle for unit_id in line.unit_ids}
            free = [by_id[unit_id] for unit_id in sorted(ids & by_id.keys() - by_unit.keys())]
            departures = _departures(bundle, len(ids), own)
            laid, rest = _assigned(free, departures)
            by_unit |= laid
            surplus += rest
    return Laid(by_unit, tuple(surplus))


def goods_of(fulfilment: Fulfilment, sale: SalesOrder) -> list[OrderLine]:
    """The lines of units of which a fulfilment took something."""
    return [line for line in sale.goods if fulfilment.quantities.get(line.number)]


def _age(fulfilment: Fulfilment) -> tuple[int, str]:
    """Internal ids grow, so the older fulfilment comes first."""
    return len(fulfilment.netsuite_id), fulfilment.netsuite_id


def _bundles(lines: Sequence[OrderLine]) -> list[list[OrderLine]]:
    """Lines that share units, directly or through others, together."""
    bundles: list[tuple[set[str], list[OrderLine]]] = []
    for line in lines:
        ids, members = set(line.unit_ids), [line]
        apart: list[tuple[set[str], list[OrderLine]]] = []
        for other_ids, others in bundles:
            if ids & other_ids:
                ids |= other_ids
                members = others + members
            else:
                apart.append((other_ids, others))
        bundles = [*apart, (ids, members)]
    return [members for _, members in bundles]


def _departures(
    bundle: Sequence[OrderLine], count: int, fulfilments: Sequence[Fulfilment]
) -> list[Departure]:
    """The units of a bundle that left, each at the fulfilment that completed it."""
    ordered: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for line in bundle:
        ordered[line.item] += line.ordered or _ZERO
    item_of = {line.number: line.item for line in bundle}
    left: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    taking: list[Fulfilment] = []
    departures: list[Departure] = []
    for fulfilment in fulfilments:
        taken = {number: n for number, n in fulfilment.quantities.items() if number in item_of and n > 0}
        if not taken:
            continue
        taking.append(fulfilment)
        for number, quantity in taken.items():
            left[item_of[number]] += quantity
        done = min(int(_units_of(left[item], whole, count)) for item, whole in ordered.items())
        # A unit of several parts may have left in several parcels, so any of their numbers is right.
        whole_units = len(ordered) == 1 and ordered[next(iter(ordered))] == count
        sources = [fulfilment] if whole_units else taking
        tracking = tuple(dict.fromkeys(number for one in sources for number in one.tracking))
        departures += [Departure(fulfilment, tracking)] * (done - len(departures))
    return departures


def _units_of(left: Decimal, ordered: Decimal, count: int) -> Decimal:
    """How many of `count` units a quantity makes; more than ordered makes more units."""
    return left * count / ordered if ordered > 0 else left


def _assigned(
    units: Sequence[Unit], departures: Sequence[Departure]
) -> tuple[dict[str, Departure], list[Departure]]:
    """Departures by unit, as many as possible by their tracking numbers, and what is left over."""
    keys = [{tracking_key(number) for number in one.tracking} for one in departures]
    unit_at: dict[int, Unit] = {}
    for unit in units:
        _claim(unit, keys, unit_at, set())
    taken = {unit.line_id for unit in unit_at.values()}
    waiting = sorted((unit for unit in units if unit.line_id not in taken), key=_likelihood)
    free = [index for index in range(len(departures)) if index not in unit_at]
    unit_at |= dict(zip(free, waiting, strict=False))
    by_unit = {unit.line_id: departures[index] for index, unit in unit_at.items()}
    return by_unit, [departures[index] for index in free if index not in unit_at]


def _claim(unit: Unit, keys: Sequence[set[str]], unit_at: dict[int, Unit], tried: set[int]) -> bool:
    """Give a unit a departure under its tracking number; units that have one move on if they can."""
    if not unit.tracking:
        return False
    wanted = tracking_key(unit.tracking)
    for index, numbers in enumerate(keys):
        if wanted not in numbers or index in tried:
            continue
        tried.add(index)
        holder = unit_at.get(index)
        if holder is None or _claim(holder, keys, unit_at, tried):
            unit_at[index] = unit
            return True
    return False


_LIKELIHOOD = {"collected": 0, "arranged": 0, "unknown": 1, "open": 2, "cancelled": 3}


def _likelihood(unit: Unit) -> tuple[int, bool, str]:
    """Which unit a departure without a known number stands for, the likeliest first."""
    return _LIKELIHOOD[unit.state], not unit.told, unit.line_id
