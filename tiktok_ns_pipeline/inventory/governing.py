"""How much is on its way that we do not know of yet, and what is done about it.

Between a sale and the moment at which every number is right again, more is sold. While a shelf holds
much more than is likely to be sold in that time, each of its listings may show all of it. Once it
does not, the shelf is *divided*: what its listings show never exceeds in sum what there is. It
becomes divided below twice the need and open again above four times, so that it does not flutter.

Rates are exponentially weighted over a short and a long time, and the greater counts: a rush is
believed at once and forgotten slowly. Estimates are floats; what follows from them are whole units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

Mode = Literal["open", "divided"]

STREAM = 3
"""So many movements within the time looked back on are a stream."""

_SHORT_S, _LONG_S = 20.0, 300.0
_RISK = 0.001
"""How often more is sold in flight than was reckoned with."""
_NORMAL_QUANTILE = 3.1
"""Of the normal distribution, for that risk."""
_MANY = 200.0
_SHORTEST_S, _LONGEST_S, _UNMEASURED_S = 5.0, 600.0, 60.0
_MEASUREMENTS = 200
_ENTER, _LEAVE = 2, 4
_ALWAYS_POSSIBLE = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of a shelf, in NetSuite units."""

    mode: Mode = "open"
    need: int = 0
    """Likely to be sold and taken before our numbers are right again."""
    elsewhere: int = 0
    """The part of it that others take in NetSuite, where no number of TikTok's falls with it."""


def rate_of(taken: Iterable[tuple[datetime, Decimal]], now: datetime) -> float:
    """Units a second, from what was taken when; what lies in the future counts as now."""
    known = list(taken)
    return max(_weighted(known, now, half_life) for half_life in (_SHORT_S, _LONG_S))


def _weighted(taken: Iterable[tuple[datetime, Decimal]], now: datetime, half_life_s: float) -> float:
    ages = [(max(0.0, (now - at).total_seconds()), float(quantity)) for at, quantity in taken]
    weights = sum(quantity * math.exp2(-age / half_life_s) for age, quantity in ages)
    return weights * math.log(2) / half_life_s


def stream_of(taken: Sequence[tuple[datetime, Decimal]], *, is_rush: bool) -> list[tuple[datetime, Decimal]]:
    """What others take again and again. A count or a transfer of thousands happens once and says nothing
    about the next seconds, so the greatest movement counts like the next one only.

    While TikTok sells the same goods a few movements say enough, and a single one counts as a unit: others
    may take the last of them in the very seconds in which TikTok sells it.
    """
    if not taken or (len(taken) < STREAM and not is_rush):
        return []
    *others, (at, greatest) = sorted(taken, key=lambda one: one[1])
    return [*others, (at, min(greatest, others[-1][1] if others else Decimal(1)))]


def latency_of(measured_s: Sequence[float]) -> float:
    """Seconds from a sale to right numbers: of the newest measurements (last ones last) the 95th
    percentile, between 5 s and 10 min; a minute where nothing was measured."""
    recent = sorted(measured_s[-_MEASUREMENTS:])
    if not recent:
        return _UNMEASURED_S
    return min(_LONGEST_S, max(_SHORTEST_S, recent[math.ceil(0.95 * len(recent)) - 1]))


def most_likely_sold(rate: float, seconds: float) -> int:
    """Units that are exceeded in one of a thousand such spans only (Poisson)."""
    mean = rate * seconds
    if mean <= 0:
        return 0
    if mean > _MANY:
        return math.ceil(mean + _NORMAL_QUANTILE * math.sqrt(mean))
    units, chance = 0, math.exp(-mean)
    together = chance
    while 1 - together > _RISK:
        units += 1
        chance *= mean / units
        together += chance
    return units


def most_sold_unseen(
    sold: Sequence[tuple[datetime, Decimal]], known_until: datetime, now: datetime, listed_within: timedelta
) -> int:
    """TikTok units of one SKU that can have been sold by orders that we do not know.

    `sold` is what its whole shop sold lately, one SKU of which may be what all came for; orders are known
    until `known_until`, but for those that are not listed yet. Since nobody knows when a rush begins, some
    units are always possible.
    """
    seconds = (max(now, known_until) - known_until + listed_within).total_seconds()
    # After a long silence of the orders flow the rate of before counts, not that nothing was seen since.
    rate = max(rate_of(sold, now), _weighted(sold, known_until, _LONG_S))
    return _ALWAYS_POSSIBLE + most_likely_sold(rate, seconds)


def outlook(
    free: Decimal,
    *,
    sale_rate: float,
    latency_s: float,
    elsewhere_rate: float = 0.0,
    elsewhere_s: float = 0.0,
    before: Mode = "open",
) -> Outlook:
    """What is expected of a shelf of which so much is free.

    `sale_rate`: NetSuite units a second sold by all listings of it. `elsewhere_rate`: those that others
    take in NetSuite, unknown to us for `elsewhere_s` at most: the age of the reading.
    """
    elsewhere = most_likely_sold(elsewhere_rate, elsewhere_s)
    need = most_likely_sold(sale_rate, latency_s) + elsewhere
    bound = need * (_ENTER if before == "open" else _LEAVE)
    return Outlook("divided" if free < bound else "open", need, elsewhere)
