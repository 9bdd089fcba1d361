"""The join of what TikTok shows with what NetSuite can still promise.

Invariant: every slot has exactly one verdict. A slot is said to show too much only where it exceeds
what it may show if it were alone, and to show too little only where nothing else accounts for the
rest: siblings that show it, or buyers who took as much just now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from tiktok_ns_pipeline.reconciliation.stock.model import (
    Blind,
    Cover,
    Level,
    Reading,
    Slot,
    Stock,
    Verdict,
    Wanted,
)

HIGHEST_LEVEL = 99_999
"""The most that TikTok takes for a level (T 5.3)."""

_NAMED = 3
"""Reasons in one note."""

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)

_UNCOMPARED = {
    "not_pushed": Verdict.NOT_PUSHED,
    "unmapped": Verdict.UNMAPPED,
    "fbt": Verdict.FBT,
    "unclear": Verdict.CANNOT_BE_CHECKED,
}


def judge_levels(reading: Reading, *, grace: timedelta) -> tuple[Level, ...]:
    """The verdict on every slot, by one reading. `grace` is how far back a sale counts as just made.

    Raises ValueError when one slot is given twice.
    """
    keys = [slot.key for slot in reading.slots]
    if len(set(keys)) < len(keys):
        raise ValueError(f"{len(keys) - len(set(keys))} slots are given more than once")
    ground = _Ground.of(reading, reading.tiktok_read_at - grace)
    return tuple(_judged(slot, ground) for slot in reading.slots)


def judge_covers(reading: Reading) -> tuple[Cover, ...]:
    """What open orders want of each item and pool, against what NetSuite holds."""
    wanted: defaultdict[Stock, list[Wanted]] = defaultdict(list)
    for want in reading.wanted:
        wanted[want.stock].append(want)
    return tuple(_cover(stock, wants, reading.available) for stock, wants in sorted(wanted.items()))


def promisable(stock: Stock, reading: Reading) -> Decimal | None:
    """What NetSuite has available of an item in a pool, less all claims; None where NetSuite does not know
    the item in any of its Locations. Negative where more is claimed than there is."""
    available = _available(stock, reading.available)
    if available is None:
        return None
    return available - sum(
        (want.quantity for want in reading.wanted if want.is_claim and want.stock == stock), _ZERO
    )


def standing(first: Sequence[Level], again: Iterable[Level]) -> tuple[Level, ...]:
    """The first verdicts with those of a later look laid over: a difference counts as far as it stands in
    both. `again` may cover some of the slots only."""
    later = {level.slot.key: level for level in again}
    return tuple(
        _stood(level, later[level.slot.key]) if level.slot.key in later else level for level in first
    )


def covers_standing(first: Iterable[Cover], again: Iterable[Cover]) -> tuple[Cover, ...]:
    """Of two looks at the same items, that in which less is oversold; what only one of them saw is none."""
    later = {cover.stock: cover for cover in again}
    return tuple(
        min(cover, later[cover.stock], key=lambda each: each.oversold)
        for cover in first
        if cover.stock in later
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all slots are judged on."""

    promisable: Mapping[Stock, Decimal | None]
    shares: Mapping[Stock, Decimal]
    """Percent of an item in a pool that all its shops may show together, as the mapping has it."""
    idle: Mapping[Stock, Decimal]
    """What no slot shows of it, beyond what buffers, rounding and shares leave over."""
    siblings: Mapping[Stock, int]
    just_sold: Mapping[Stock, Decimal]
    blind: tuple[Blind, ...]

    @classmethod
    def of(cls, reading: Reading, since: datetime) -> _Ground:
        compared = [slot for slot in reading.slots if slot.standing == "published" and slot.shown is not None]
        claimed: defaultdict[Stock, Decimal] = defaultdict(Decimal)
        sold: defaultdict[Stock, Decimal] = defaultdict(Decimal)
        for want in reading.wanted:
            if want.is_claim:
                claimed[want.stock] += want.quantity
            if want.placed_at is not None and want.placed_at >= since:
                sold[want.stock] += want.quantity
        drawing: defaultdict[Stock, list[Slot]] = defaultdict(list)
        for slot in compared:
            for stock in slot.stocks:
                drawing[stock].append(slot)
        left: dict[Stock, Decimal | None] = {}
        for stock in drawing:
            available = _available(stock, reading.available)
            left[stock] = None if available is None else available - claimed[stock]
        shares = {
            stock: sum({slot.shop: slot.share for slot in slots}.values(), _ZERO)
            for stock, slots in drawing.items()
        }
        return cls(
            promisable=left,
            shares=shares,
            idle={
                stock: _idle(stock, slots, left[stock] or _ZERO, shares[stock])
                for stock, slots in drawing.items()
            },
            siblings={stock: len(slots) for stock, slots in drawing.items()},
            just_sold=sold,
            blind=reading.blind,
        )


def _judged(slot: Slot, ground: _Ground) -> Level:
    if slot.standing != "published":
        return Level(slot, _UNCOMPARED[slot.standing], note=slot.reason)
    unknown = sorted(
        item_id for item_id, pool in slot.stocks if ground.promisable.get((item_id, pool)) is None
    )
    if slot.shown is None or unknown:
        note = "TikTok states no number"
        if slot.shown is not None:
            note = f"NetSuite tells no stock of item {', '.join(unknown)} at {', '.join(slot.pool)}"
        return Level(slot, Verdict.CANNOT_BE_CHECKED, note=note)
    may_show, scarcest = _may_show(slot, ground)
    difference = slot.shown - may_show
    if difference == 0:
        return Level(slot, Verdict.AGREES, may_show)
    verdict, note = _different(slot, difference, scarcest, ground)
    counts = verdict in (Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS)
    return Level(slot, verdict, may_show, difference if counts else 0, note)


def _different(slot: Slot, difference: int, scarcest: Stock, ground: _Ground) -> tuple[Verdict, str]:
    """The verdict on a slot that does not show what it may, and what a person should know of it."""
    if slot.is_moving:
        return Verdict.WAITING, "it moved while it was read"
    unseen = [each.what for each in ground.blind if not each.stocks or each.stocks & set(slot.stocks)]
    if unseen:
        return Verdict.CANNOT_BE_CHECKED, "; ".join(unseen[:_NAMED])
    if difference > 0:
        return Verdict.SHOWS_MORE_THAN_EXISTS, ""
    if any(ground.siblings[stock] > 1 and ground.idle[stock] < 0 for stock in slot.stocks):
        return Verdict.DIVIDED, "listings of the same goods show the rest"
    if -difference * slot.draws[scarcest[0]] <= ground.just_sold.get(scarcest, _ZERO):
        return Verdict.HELD_BACK, "no more than was sold of it just now"
    return Verdict.SHOWS_LESS, ""


def _may_show(slot: Slot, ground: _Ground) -> tuple[int, Stock]:
    """What a slot may show by itself, and the stock that limits it."""
    ceilings = {stock: _units(slot, stock, ground) for stock in slot.stocks}
    scarcest = min(ceilings, key=lambda stock: (ceilings[stock], stock))
    most = HIGHEST_LEVEL if slot.cap is None else slot.cap
    return max(0, min(ceilings[scarcest] - slot.buffer, most)), scarcest


def _units(slot: Slot, stock: Stock, ground: _Ground) -> int:
    left = ground.promisable[stock] or _ZERO
    # Shares that come to more than everything are scaled down.
    share = slot.share / max(_HUNDRED, ground.shares[stock])
    return int((left * share / slot.draws[stock[0]]).to_integral_value(ROUND_FLOOR))


def _idle(stock: Stock, slots: Sequence[Slot], left: Decimal, shares: Decimal) -> Decimal:
    """What no slot shows, beyond what rounding and buffers may take from each and shares from all."""
    item_id, _ = stock
    shown = sum(((slot.shown or 0) * slot.draws[item_id] for slot in slots), _ZERO)
    slack = sum(((1 + slot.buffer) * slot.draws[item_id] for slot in slots), _ZERO)
    return left * min(_HUNDRED, shares) / _HUNDRED - shown - slack


def _available(stock: Stock, available: Mapping[tuple[str, str], Decimal]) -> Decimal | None:
    item_id, pool = stock
    told = [available[item_id, location] for location in pool if (item_id, location) in available]
    return sum(told, _ZERO) if told else None


def _cover(stock: Stock, wants: Sequence[Wanted], available: Mapping[tuple[str, str], Decimal]) -> Cover:
    claims = [want for want in wants if want.is_claim]
    cover = Cover(
        stock,
        _available(stock, available),
        claimed=sum((want.quantity for want in claims), _ZERO),
        backordered=sum((want.backordered for want in wants), _ZERO),
        orders=(),
    )
    short = [want for want in wants if want.backordered > 0]
    if cover.oversold > cover.backordered:
        # NetSuite has not yet said which of the claims it will serve.
        short += claims
    return replace(cover, orders=tuple(sorted({f"{want.shop}/{want.order_id}" for want in short})))


def _stood(first: Level, again: Level) -> Level:
    """The later verdict, less sure where the first look did not see the same."""
    if again.verdict not in (Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS):
        return again
    if first.verdict is not again.verdict:
        note = f"a moment before it was: {first.verdict.replace('_', ' ')}"
        return replace(again, verdict=Verdict.WAITING, difference=0, note=note)
    return min(first, again, key=lambda level: abs(level.difference))
