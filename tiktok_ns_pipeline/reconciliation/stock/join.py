"""The join of what TikTok shows with what NetSuite can still promise.

Invariant: every slot has exactly one verdict. A slot is said to show too much where it exceeds what it
might show if it were alone, and to show too little only where nothing else accounts for the rest:
siblings that show it, or as much being on its way, to judge by what was taken just now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

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

_SCARCE = 8
"""Stock is short while it is less than so many times what may be on its way."""

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


def standing(first: Sequence[Level], again: Iterable[Level]) -> tuple[Level, ...]:
    """The first verdicts with those of a later look laid over: a difference counts as far as it stands in
    both. `again` may cover some of the slots only."""
    later = {level.slot.key: level for level in again}
    return tuple(
        _stood(level, later[level.slot.key]) if level.slot.key in later else level for level in first
    )


def covers_standing(first: Iterable[Cover], again: Iterable[Cover]) -> tuple[Cover, ...]:
    """The first look at what orders want with a later one at what was oversold: that counts in which less
    is, and what the later one does not see is wanted no more."""
    later = {cover.stock: cover for cover in again}
    return tuple(
        min(cover, later.get(cover.stock, cover), key=lambda each: each.oversold)
        for cover in first
        if cover.stock in later or not cover.is_oversold
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all slots are judged on."""

    promisable: Mapping[Stock, Decimal | None]
    shares: Mapping[Stock, Decimal]
    """Percent of an item in a pool that all its shops may show together, as the mapping has it."""
    divided: frozenset[Stock]
    """What is short, by what was taken of it just now, and what its slots show in full and no more."""
    kept_back: Mapping[Stock, Decimal]
    """How much of it may be kept back for what is on its way."""
    blind: tuple[Blind, ...]

    @classmethod
    def of(cls, reading: Reading, since: datetime) -> _Ground:
        drawing: defaultdict[Stock, list[Slot]] = defaultdict(list)
        for slot in reading.slots:
            if slot.standing in ("published", "not_pushed"):
                for stock in slot.stocks:
                    drawing[stock].append(slot)
        claims = _claims(reading)
        left = {
            stock: None if available is None else available - claims.get(stock, _ZERO)
            for stock in drawing
            for available in (_available(stock, reading.available),)
        }
        shares = {
            stock: sum(
                {slot.shop: slot.share for slot in slots if slot.standing == "published"}.values(), _ZERO
            )
            for stock, slots in drawing.items()
        }
        kept_back = _kept_back(reading, since)
        divided = frozenset(
            stock
            for stock, slots in drawing.items()
            if len(slots) > 1
            and _is_divided(stock, slots, left[stock] or _ZERO, shares[stock], kept_back.get(stock, _ZERO))
        )
        return cls(left, shares, divided, kept_back, reading.blind)


def _claims(reading: Reading) -> dict[Stock, Decimal]:
    claims: defaultdict[Stock, Decimal] = defaultdict(Decimal)
    for want in reading.wanted:
        if want.is_claim:
            claims[want.stock] += want.quantity
    return claims


def _kept_back(reading: Reading, since: datetime) -> dict[Stock, Decimal]:
    """What chance may make of what was taken since then: exceeded about once in a thousand times, were as
    much to be taken again."""
    taken = dict(reading.taken)
    for want in reading.wanted:
        if want.placed_at is not None and want.placed_at >= since:
            taken[want.stock] = taken.get(want.stock, _ZERO) + want.quantity
    return {stock: number + 4 * number.sqrt() + 2 for stock, number in taken.items() if number > 0}


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
    least, most, scarcest = _may_show(slot, ground)
    if least <= slot.shown <= most:
        return Level(slot, Verdict.AGREES, slot.shown)
    may_show = most if slot.shown > most else least
    difference = slot.shown - may_show
    verdict, note = _different(slot, difference, scarcest, ground)
    counts = verdict in (Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS)
    return Level(slot, verdict, may_show, difference if counts else 0, note)


def _different(slot: Slot, difference: int, scarcest: Stock, ground: _Ground) -> tuple[Verdict, str]:
    """The verdict on a slot that does not show what it may, and what a person should know of it."""
    if slot.is_moving:
        return Verdict.WAITING, "it moved while it was read"
    unseen = [each.what for each in ground.blind if each.stocks is None or each.stocks & set(slot.stocks)]
    if unseen:
        return Verdict.CANNOT_BE_CHECKED, "; ".join(unseen[:_NAMED])
    if difference > 0:
        return Verdict.SHOWS_MORE_THAN_EXISTS, ""
    if not ground.divided.isdisjoint(slot.stocks):
        return Verdict.DIVIDED, "listings of the same goods show the rest"
    if -difference * slot.draws[scarcest[0]] <= ground.kept_back.get(scarcest, _ZERO):
        return Verdict.HELD_BACK, "no more than may be on its way, by what was taken just now"
    return Verdict.SHOWS_LESS, ""


def _may_show(slot: Slot, ground: _Ground) -> tuple[int, int, Stock]:
    """The least and the most that a slot may show by itself, and the stock that limits it.

    They differ where whole units are divided between shops and one of them gets the odd one.
    """
    ceilings = {stock: _units(slot, stock, ground) for stock in slot.stocks}
    scarcest = min(ceilings, key=lambda stock: (ceilings[stock], stock))
    limit = HIGHEST_LEVEL if slot.cap is None else slot.cap
    least, most = (
        max(0, min(min(each[end] for each in ceilings.values()) - slot.buffer, limit)) for end in (0, 1)
    )
    return least, most, scarcest


def _units(slot: Slot, stock: Stock, ground: _Ground) -> tuple[int, int]:
    """For how many TikTok units the shop's part of a stock is enough, rounded down and rounded up."""
    left = max(_ZERO, ground.promisable[stock] or _ZERO).to_integral_value(ROUND_FLOOR)
    # Shares that come to more than everything are scaled down.
    part = left * slot.share / max(_HUNDRED, ground.shares[stock])
    least, most = (part.to_integral_value(rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING))
    return int(least // slot.draws[stock[0]]), int(most // slot.draws[stock[0]])


def _is_divided(
    stock: Stock, slots: Sequence[Slot], left: Decimal, shares: Decimal, kept_back: Decimal
) -> bool:
    """Whether slots together show all of a scarce stock and no more: nothing is idle beyond what rounding
    and buffers may take from each, shares from all, and what may be kept back."""
    item_id, _ = stock
    shown = sum(((slot.shown or 0) * slot.draws[item_id] for slot in slots), _ZERO)
    slack = sum(((1 + slot.buffer) * slot.draws[item_id] for slot in slots), _ZERO) + kept_back
    idle = left * min(_HUNDRED, shares) / _HUNDRED - shown
    return left <= kept_back * _SCARCE and shown <= left and idle < slack


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
