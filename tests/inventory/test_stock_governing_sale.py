"""A flash sale over listings of one item: what is known is seconds old, and a number that is written
undoes the sales of the moment before.

The rules are turned as the pipeline turns them, against buyers who take whatever is shown.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.conftest import SetClock
from tests.inventory.stock_listings import levels_of, listing, shelf, supply
from tiktok_ns_pipeline.inventory.governing import Mode, most_likely_sold, outlook, rate_of
from tiktok_ns_pipeline.inventory.levels import writes
from tiktok_ns_pipeline.tiktok.slot import Slot

EVERY_S = 5
"""How often the numbers are turned."""
THERE = 240


@dataclass
class Sale:
    """One flash sale: the rate of buyers of each listing rises, and falls again."""

    seed: int
    governed: bool
    write_s: int
    """From reading TikTok's numbers to writing them."""
    shown: dict[Slot, int] = field(default_factory=dict[Slot, int])
    sold: list[tuple[datetime, Slot]] = field(default_factory=list[tuple[datetime, Slot]])
    wanted: int = 0

    def run(self) -> Sale:
        chance = random.Random(self.seed)
        start = SetClock().now()
        slots = [listing(f"S{number}", box=1).slot for number in range(4)]
        peak = {slot: chance.uniform(0.2, 3.0) for slot in slots}
        self.shown = dict.fromkeys(slots, THERE)
        mode: Mode = "open"
        due: list[tuple[int, dict[Slot, int]]] = []
        for second in range(400):
            now = start + timedelta(seconds=second)
            rise = min(1.0, second / 60) if second < 200 else 0.05
            self._buy(chance, {slot: rate * rise for slot, rate in peak.items()}, now)
            for _, numbers in [each for each in due if each[0] == second]:
                self.shown |= numbers
            if second % EVERY_S == 0:
                mode, numbers = self._decide(now, mode)
                due.append((second + self.write_s, numbers))
        return self

    def _buy(self, chance: random.Random, rates: dict[Slot, float], now: datetime) -> None:
        for slot, rate in rates.items():
            buyers = int(rate) + (chance.random() < rate % 1)
            self.wanted += buyers
            taken = min(buyers, self.shown[slot])
            self.shown[slot] -= taken
            self.sold += [(now, slot)] * taken

    def _decide(self, now: datetime, mode: Mode) -> tuple[Mode, dict[Slot, int]]:
        free = THERE - len(self.sold)
        if not self.governed:
            return mode, {slot: max(0, free) for slot in self.shown}
        rates = {
            slot: rate_of([(at, Decimal(1)) for at, of in self.sold if of == slot], now)
            for slot in self.shown
        }
        expected = outlook(
            Decimal(free), sale_rate=sum(rates.values()), latency_s=EVERY_S + self.write_s, before=mode
        )
        listings = [listing(slot.sku_id, box=1, shown=number) for slot, number in self.shown.items()]
        levels = levels_of(
            listings,
            {shelf("box"): supply(THERE, uncommitted=len(self.sold))},
            {shelf("box"): expected},
            rates=rates,
            reserves={slot: most_likely_sold(rate, self.write_s) for slot, rate in rates.items()},
        )
        return expected.mode, writes(listings, levels)

    @property
    def oversold(self) -> int:
        return max(0, len(self.sold) - THERE)


@pytest.mark.parametrize("write_s", [2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_a_flash_sale_sells_what_there_is_and_no_more(seed: int, write_s: int) -> None:
    naive = Sale(seed, governed=False, write_s=write_s).run()
    ours = Sale(seed, governed=True, write_s=write_s).run()
    assert naive.oversold > 0
    assert ours.oversold == 0
    assert len(ours.sold) == min(THERE, ours.wanted)
