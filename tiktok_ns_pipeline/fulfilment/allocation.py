"""Which units of a TikTok order an Item Fulfillment ships, and in which parcel each of them is.

NetSuite counts quantities per line, TikTok names units. A line of the Sales Order stands for units,
one or several pieces each (a pack), and a unit may stand on several lines (the parts of a bundle, or
two lines whose rates are a cent apart). Lines that share units form a *bundle of lines*, within which
units are alike; a unit has left once every part of it has.

Counting is cumulative over fulfilments in the order of their ids: each unit is shipped by the
fulfilment that completes it. Which unit it is, is free among those alike, so what is known decides
first: what TikTok was told already, then what TikTok shows under the fulfilment's own number.

Invariants: a unit is shipped at most once; no more units than the quantities amount to, but for those
that TikTok was told of already; what does not add up is named, never rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.fulfilment.documents import Fulfilment, OrderLine

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as TikTok shows it."""

    id: str
    is_cancelled: bool = False
    tracking: str | None = None
    """Under which it is shipped, or its shipment arranged; None while it is not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A quantity that amounts to no whole number of units."""

    fulfilment_id: str
    cause: str
    message: str
    may_be_completed: bool
    """Whether a further fulfilment can still make it whole."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Units by fulfilment id, in the order of the Sales Order's lines."""

    units: Mapping[str, tuple[str, ...]]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ParcelShare:
    """The units of a parcel. `tracking` is None while no number is known."""

    number: int
    tracking: str | None
    unit_ids: tuple[str, ...]


def allocate(
    order_lines: Sequence[OrderLine],
    fulfilments: Sequence[Fulfilment],
    units: Mapping[str, Unit],
    told: Mapping[str, Sequence[str]],
) -> Allocation:
    """Give each fulfilment its units.

    `fulfilments` stand as shipped; `units` are all of the order; `told` are the units that TikTok was
    told of, by fulfilment id.
    """
    by_id = sorted(fulfilments, key=lambda each: (len(each.id), each.id))
    shipped: dict[str, list[str]] = {each.id: [] for each in by_id}
    differences: list[Difference] = []
    position = {unit: at for at, unit in enumerate(_in_line_order(order_lines))}
    for bundle in _bundles(order_lines):
        found, wrong = _allocate_bundle(bundle, by_id, units, told)
        differences += wrong
        for fulfilment_id, unit_ids in found.items():
            shipped[fulfilment_id] += unit_ids
    return Allocation(
        {key: tuple(sorted(ids, key=position.__getitem__)) for key, ids in shipped.items()},
        tuple(differences),
    )


def quantities_of(
    order_lines: Sequence[OrderLine], unit_ids: Iterable[str], still_open: Mapping[int, Decimal]
) -> dict[int, Decimal]:
    """The other way round: what these units are on the lines of their Sales Order.

    `still_open` is what may still be fulfilled by line number; lines of one item in a bundle fill up in
    order. Raises ValueError where the lines have no whole pieces for the units, or not enough is open.
    """
    wanted = set(unit_ids)
    if unknown := wanted - set(_in_line_order(order_lines)):
        raise ValueError(f"no line of the Sales Order stands for units {', '.join(sorted(unknown))}")
    found: dict[int, Decimal] = {}
    for bundle in _bundles(order_lines):
        ids = _in_line_order(bundle)
        count = len(wanted & set(ids))
        for item in dict.fromkeys(line.item_id for line in bundle):
            lines = sorted((line for line in bundle if line.item_id == item), key=lambda line: line.number)
            needed = sum((line.quantity for line in lines), _ZERO) * count / len(ids)
            if needed != needed.to_integral_value():
                raise ValueError(f"{count} of {len(ids)} units are no whole pieces of item {item}")
            for line in lines:
                taken = min(needed, still_open.get(line.number, _ZERO))
                if taken > 0:
                    found[line.number] = taken
                    needed -= taken
            if needed > 0:
                raise ValueError(f"{needed.normalize():f} of item {item} are not open to be fulfilled")
    return found


def spread(
    unit_ids: Sequence[str],
    numbers: Sequence[str],
    units: Mapping[str, Unit],
    told: Mapping[int, tuple[str, Sequence[str]]],
) -> tuple[list[ParcelShare], tuple[str, ...]]:
    """Divide a fulfilment's units over its tracking numbers; gives the numbers that hold none as well.

    NetSuite does not say what is in which parcel: units go evenly in line order, but where TikTok shows
    a unit under one of the numbers it is there. `told` are the parcels that TikTok knows of, by number:
    they keep their units, and their tracking unless it is gone.
    """
    shares: dict[int, ParcelShare] = {}
    unused = [number for number in numbers if number not in {tracking for tracking, _ in told.values()}]
    for number, (tracking, ids) in sorted(told.items()):
        is_corrected = bool(numbers) and tracking not in numbers and bool(unused)
        shares[number] = ParcelShare(number, unused.pop(0) if is_corrected else tracking, tuple(ids))
    rest = [unit for unit in unit_ids if not any(unit in share.unit_ids for share in shares.values())]
    if not rest:
        return list(shares.values()), tuple(unused)
    free = (number for number in range(1, len(shares) + len(rest) + 1) if number not in shares)
    if not numbers:
        number = next(free)
        shares[number] = ParcelShare(number, None, tuple(rest))
        return [shares[key] for key in sorted(shares)], ()
    groups = _even_groups(rest, unused or [numbers[-1]], units)
    for tracking, group in groups.items():
        if group:
            number = next(free)
            shares[number] = ParcelShare(number, tracking, tuple(group))
    spare = tuple(tracking for tracking, group in groups.items() if not group)
    return [shares[key] for key in sorted(shares)], spare


def _even_groups(
    unit_ids: Sequence[str], numbers: Sequence[str], units: Mapping[str, Unit]
) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {number: [] for number in numbers}
    rest: list[str] = []
    for unit_id in unit_ids:
        shown = units[unit_id].tracking if unit_id in units else None
        groups.get(shown or "", rest).append(unit_id)
    # A number under which TikTok shows units is a parcel of exactly those.
    empty = [group for group in groups.values() if not group] or [groups[numbers[-1]]]
    size, larger = divmod(len(rest), len(empty))
    at = 0
    for index, group in enumerate(empty):
        count = size + (index < larger)
        group.extend(rest[at : at + count])
        at += count
    return groups


def _in_line_order(lines: Iterable[OrderLine]) -> list[str]:
    ordered = sorted(lines, key=lambda line: line.number)
    return list(dict.fromkeys(unit for line in ordered for unit in line.unit_ids))


def _bundles(lines: Sequence[OrderLine]) -> list[list[OrderLine]]:
    """Lines that share units, directly or through others."""
    bundles: list[tuple[set[str], list[OrderLine]]] = []
    for line in lines:
        if not line.unit_ids:
            continue
        ids, members = set(line.unit_ids), [line]
        apart: list[tuple[set[str], list[OrderLine]]] = []
        for bundle in bundles:
            if bundle[0] & ids:
                ids |= bundle[0]
                members = [*bundle[1], *members]
            else:
                apart.append(bundle)
        bundles = [*apart, (ids, members)]
    return [members for _ids, members in bundles]


def _allocate_bundle(
    lines: Sequence[OrderLine],
    fulfilments: Sequence[Fulfilment],
    units: Mapping[str, Unit],
    told: Mapping[str, Sequence[str]],
) -> tuple[dict[str, list[str]], list[Difference]]:
    ids = _in_line_order(lines)
    numbers = {line.number: line.item_id for line in lines}
    ordered: dict[str, Decimal] = {}
    for line in lines:
        ordered[line.item_id] = ordered.get(line.item_id, _ZERO) + line.quantity
    touching = [each for each in fulfilments if any(line.order_line in numbers for line in each.lines)]
    if not touching:
        return {}, []
    pieces = {item: quantity / len(ids) for item, quantity in ordered.items()}
    if any(count <= 0 or count != count.to_integral_value() for count in pieces.values()):
        return {}, [_no_whole_units(touching[0], ordered, ids)]
    # Told of a fulfilment that does not stand, a unit is free: whoever ships it now corrects that.
    pinned = {unit: each.id for each in touching for unit in told.get(each.id, ()) if unit in ids}
    shipped = dict.fromkeys(ordered, _ZERO)
    done = 0
    found: dict[str, list[str]] = {}
    differences: list[Difference] = []
    for each in touching:
        for line in each.lines:
            if line.order_line in numbers:
                shipped[numbers[line.order_line]] += line.quantity
        complete = int(min(shipped[item] // count for item, count in pieces.items()))
        taken = _chosen(min(complete, len(ids)) - done, each, ids, units, pinned, found)
        found[each.id] = taken
        done += len(taken)
        over = {item: shipped[item] - ordered[item] for item in ordered if shipped[item] > ordered[item]}
        if over:
            differences.append(_over(each, over))
        elif done > complete:
            differences.append(_more_told(each, done, complete))
    if not differences:
        left = {item: shipped[item] - done * count for item, count in pieces.items()}
        differences += _leftover(touching[-1], {item: more for item, more in left.items() if more})
    return found, differences


def _chosen(
    count: int,
    fulfilment: Fulfilment,
    ids: Sequence[str],
    units: Mapping[str, Unit],
    pinned: Mapping[str, str],
    found: Mapping[str, Sequence[str]],
) -> list[str]:
    """The units that a fulfilment ships: those told of it, then those that fit best."""
    own = [unit for unit in ids if pinned.get(unit) == fulfilment.id]
    taken = {unit for unit_ids in found.values() for unit in unit_ids}
    free = [unit for unit in ids if unit not in pinned and unit not in taken]

    def fit(unit_id: str) -> tuple[bool, int]:
        unit = units.get(unit_id, Unit(unit_id))
        if unit.tracking is None:
            return unit.is_cancelled, 1
        return unit.is_cancelled, 0 if unit.tracking in fulfilment.tracking else 2

    more = max(0, count - len(own))
    return [*own, *sorted(free, key=fit)[:more]]


def _no_whole_units(fulfilment: Fulfilment, ordered: Mapping[str, Decimal], ids: Sequence[str]) -> Difference:
    quantities = _listed(ordered)
    return Difference(
        fulfilment.id,
        "pieces",
        f"{fulfilment.name}: its Sales Order has {quantities} for {len(ids)} units of TikTok's order, which "
        "is no whole number of pieces a unit.",
        may_be_completed=False,
    )


def _over(fulfilment: Fulfilment, over: Mapping[str, Decimal]) -> Difference:
    return Difference(
        fulfilment.id,
        "too_much",
        f"{fulfilment.name} ships more than was ordered: {_listed(over)} too much.",
        may_be_completed=False,
    )


def _more_told(fulfilment: Fulfilment, told: int, complete: int) -> Difference:
    return Difference(
        fulfilment.id,
        "told_more",
        f"TikTok was told of {told} units up to {fulfilment.name}, but the quantities amount to {complete}.",
        may_be_completed=False,
    )


def _leftover(fulfilment: Fulfilment, left: Mapping[str, Decimal]) -> list[Difference]:
    if not left:
        return []
    return [
        Difference(
            fulfilment.id,
            "part_of_unit",
            f"{fulfilment.name} ships parts of a unit only: {_listed(left)} left over.",
            may_be_completed=True,
        )
    ]


def _listed(quantities: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{quantity.normalize():f} of item {item}" for item, quantity in quantities.items())
