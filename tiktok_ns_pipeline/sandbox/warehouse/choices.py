"""What is left to chance in the warehouse, drawn from the seed, the order and the purpose.

Each choice has a generator of its own, so that one more choice, or another order in between, changes
nothing else.
"""

from __future__ import annotations

from random import Random

from tiktok_ns_pipeline.sandbox.books import Books, Record
from tiktok_ns_pipeline.sandbox.warehouse.carriers import CARRIERS, UNHEARD_OF, usual_carrier
from tiktok_ns_pipeline.sandbox.warehouse.goods import country_of
from tiktok_ns_pipeline.sandbox.warehouse.habits import WarehouseHabits
from tiktok_ns_pipeline.sandbox.warehouse.jobs import Job, Wave


class Choices:
    """Draws by the habits; `speed` shortens every delay."""

    def __init__(self, books: Books, seed: int, habits: WarehouseHabits, speed: float) -> None:
        self._books = books
        self._seed = seed
        self._habits = habits
        self._speed = speed

    def chance(self, job: Job, *what: object) -> Random:
        """The generator of one choice about an order."""
        return Random(f"warehouse {self._seed} {job.order_id} {what}")

    def happens(self, job: Job, habit: str, *which: object) -> bool:
        """Whether people follow a habit this time."""
        return self.chance(job, habit, *which).random() < getattr(self._habits, habit)

    def wait(self, job: Job, delay: str, *which: object) -> float:
        """Seconds that a delay takes this time."""
        least, most = getattr(self._habits, delay)
        return self.chance(job, delay, *which).uniform(least, most) / self._speed

    def carrier(self, job: Job, order: Record, wave: Wave) -> str | None:
        """Ship method that people note on a wave; None where they forget."""
        if self.happens(job, "no_carrier", wave.number):
            return None
        if self.happens(job, "unmapped_carrier", wave.number):
            return UNHEARD_OF.name
        return self._usual_carrier(job, order, wave)

    def tracking(self, job: Job, order: Record, wave: Wave, purpose: str) -> list[str]:
        """Tracking numbers of a wave's parcels, in the form of who carries them."""
        name = wave.carrier or self._usual_carrier(job, order, wave)
        several = self.happens(job, "several_parcels", wave.number)
        count = self.chance(job, "parcels", wave.number).randint(2, 3) if several else 1
        chance = self.chance(job, "tracking", wave.number, purpose)
        return [CARRIERS[name.lower()].number(chance) for _ in range(count)]

    def _usual_carrier(self, job: Job, order: Record, wave: Wave) -> str:
        locations = {line["line"]: line.get("location") for line in order.lines()}
        country = country_of(self._books, locations[wave.taken[0].line])
        return usual_carrier(country, self.chance(job, "carrier", wave.number)).name
