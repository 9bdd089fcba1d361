"""Who does what when: the warehouse's own life, beside and unknown to the pipeline.

Each order of the channel that the seller fulfils goes through people's hands after a while: an Item
Fulfillment is picked (A), packed (B) and shipped (C), with a ship method and tracking numbers. Habits
say how often they do what warehouses do besides. Every choice is drawn from the seed and the order, so a
run can be repeated whatever else happens beside it.

Nothing happens by itself between two looks: `catch_up` does all that is due by now, and costs next to
nothing when that is nothing. It learns of orders from the books' changes, never by going through them.
A step counts from when the one before was due, so a long absence is made up for.

Words: a *wave* is what leaves of an order together (`jobs`).

Invariant: a line is picked only while its order waits for goods and the line is not closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.sandbox.books import BookError, Books, Record
from tiktok_ns_pipeline.sandbox.warehouse.agenda import Agenda
from tiktok_ns_pipeline.sandbox.warehouse.carriers import CARRIERS
from tiktok_ns_pipeline.sandbox.warehouse.choices import Choices
from tiktok_ns_pipeline.sandbox.warehouse.goods import (
    WAITING,
    asked_for,
    first_part,
    fulfilment_lines,
    give_ids,
    open_lines,
    parcels,
    pickable,
)
from tiktok_ns_pipeline.sandbox.warehouse.habits import WarehouseHabits
from tiktok_ns_pipeline.sandbox.warehouse.jobs import Job, JobStore, Step, Taken, Wave
from tiktok_ns_pipeline.sandbox.warehouse.truth import FirstSteps, Shipped, first_steps_of, shipped_of

# How long the live warehouse sleeps at most before it looks again.
_LOOK_AGAIN_S = 1.0
# What could not be done is tried again after half an hour, then after twice as long each time.
_AGAIN_S, _MOST_AGAIN_S = 1_800.0, 86_400.0
_MOST_ATTEMPTS = 8
_OVER = {"C", "H"}
_REPLACE_PARCELS = frozenset({"package"})


class Warehouse:
    """The warehouses of one account. Safe to use from several threads.

    `clock` is the world's, `speed` shortens every delay. Without `works` nothing is done by itself, but
    people can still be told to. `label_needed` says of a channel order id whether its parcels need a
    label that the channel sells; `buy_label` buys one for line ids and gives its tracking number, None
    while that is impossible.
    """

    def __init__(
        self,
        books: Books,
        clock: Clock,
        seed: int = 0,
        habits: WarehouseHabits | None = None,
        *,
        directory: Path | None = None,
        speed: float = 1.0,
        works: bool = True,
        label_needed: Callable[[str], bool] | None = None,
        buy_label: Callable[[str, Sequence[str]], str | None] | None = None,
    ) -> None:
        self.works = works
        self._books = books
        self._clock = clock
        self._speed = speed
        self._choices = Choices(books, seed, habits or WarehouseHabits(), speed)
        self._label_needed = label_needed
        self._buy_label = buy_label
        self._lock = threading.RLock()
        self._store = JobStore(directory)
        self._jobs: dict[str, Job] = {}
        self._by_order: dict[str, Job] = {}
        self._agenda = Agenda()
        for job in self._store.load():
            self._take_on(job)
            self._agenda.add(job)
        self._changes = books.watch()

    # Time

    def catch_up(self, now: datetime | None = None) -> int:
        """Do all that is due by now (or by an earlier instant); tells how many steps that were."""
        until = (now or self._clock.now()).timestamp()
        done = 0
        with self._lock:
            while (due := self.next_due()) is not None and due <= until:
                self._perform(*self._agenda.take())
                done += 1
        return done

    def next_due(self) -> float | None:
        """When there is next something to do, as a Unix time of the clock; None if nothing is planned."""
        with self._lock:
            for path, identifier in self._books.changes_of(self._changes):
                if path == "salesorder":
                    self._look_at(identifier)
            return self._agenda.next_due()

    async def run(self) -> None:
        """Live: look again and again until cancelled."""
        while True:
            self.catch_up()
            due = self.next_due()
            wait = _LOOK_AGAIN_S if due is None else due - self._now()
            await asyncio.sleep(min(max(wait, 0.02), _LOOK_AGAIN_S))

    def close(self) -> None:
        """Stop keeping; what was kept stays."""
        self._store.close()

    # What is known

    def shipped(self) -> list[Shipped]:
        """Every fulfilment that ever left."""
        with self._lock:
            return [
                shipped_of(self._books, job, wave, wave.shipped_at)
                for job in self._jobs.values()
                for wave in job.waves
                if wave.shipped_at is not None
            ]

    def first_steps(self, order_id: str) -> FirstSteps:
        """When an order (the channel's id) was first picked and first left."""
        with self._lock:
            job = self._by_order.get(order_id)
            return first_steps_of(job) if job else FirstSteps()

    # What people are told to do

    def fulfil(
        self,
        order_id: str,
        lines: dict[int, Decimal] | None = None,
        *,
        tracking: Sequence[str] | None = None,
        carrier: str | None = None,
        status: str = "C",
    ) -> list[str]:
        """Bring an order to `status` (A picked, B packed, C shipped) now; gives its fulfilments' ids.

        `lines` are quantities by line number; without them all that is under way and all that is open
        goes. `tracking` are the numbers of the parcels (invented when None), `carrier` the ship method's
        name, `""` for none. Raises LookupError when the books have no such order, ValueError when
        nothing of it is open or no carrier is called so, BookError when the books refuse.
        """
        with self._lock:
            if carrier and carrier.lower() not in CARRIERS:
                known = ", ".join(one.name for one in CARRIERS.values())
                raise ValueError(f"no ship method is called {carrier!r}; there are {known}")
            job = self._job_of(order_id)
            order = self._books.record("salesOrder", job.sales_order)
            waves = [wave for wave in job.standing if not self._is_shipped(wave)] if lines is None else []
            chosen = asked_for(job, order, lines)
            if chosen:
                waves.append(self._make(job, order, chosen))
            if not waves:
                raise ValueError(f"order {order_id} has nothing open to ship")
            for wave in waves:
                self._bring_to(job, wave, status, tracking, carrier)
            self._store.save(job)
            return [wave.fulfilment for wave in waves]

    def delete(self, fulfilment_id: str, *, again: bool = False) -> None:
        """Delete a fulfilment; unless `again`, nothing more of its order is picked by itself.

        Raises LookupError for a fulfilment that is not the warehouse's, BookError if the books refuse.
        """
        with self._lock:
            job, wave = self._wave_of(fulfilment_id)
            self._books.delete("itemFulfillment", fulfilment_id)
            self._drop(job, wave)
            job.left_alone, job.pick_due = not again, None
            if again:
                self._agenda.pick(job, self._now() + self._choices.wait(job, "until_again", wave.number))
            self._store.save(job)

    def unship(self, fulfilment_id: str, status: str = "B", *, again: bool = False) -> None:
        """Take a shipment back to packed (B) or picked (A); with `again` it leaves once more later."""
        with self._lock:
            job, wave = self._wave_of(fulfilment_id)
            self._patch(wave, {"shipStatus": {"id": status}})
            wave.step = "done"
            if again:
                self._next(job, wave, "ship again", self._now(), "until_again")
            self._store.save(job)

    def correct_tracking(self, fulfilment_id: str, tracking: Sequence[str]) -> None:
        """Replace a fulfilment's tracking numbers."""
        with self._lock:
            job, wave = self._wave_of(fulfilment_id)
            wave.tracking = list(tracking)
            self._patch(wave, parcels(wave.tracking))
            self._store.save(job)

    # Planning

    def _look_at(self, sales_order: str) -> None:
        """A Sales Order is new or has changed: see whether somebody shall go for goods."""
        order = self._books.find("salesOrder", sales_order)
        if order is None:
            return
        job = self._jobs.get(sales_order)
        if job is None:
            order_id = order.get("custbody_tts_order_id")
            if not order_id or order.get("custbody_tts_fulfillment") == "channel":
                return
            job = Job(sales_order, order_id)
            self._take_on(job)
        for wave in job.standing:
            if self._record(wave) is None:
                # Somebody deleted it; what it held is open again.
                self._drop(job, wave)
                self._store.save(job)
        if not self.works or job.left_alone or job.pick_due is not None:
            return
        if order.get("status") in WAITING and open_lines(order):
            self._agenda.pick(job, self._now() + self._choices.wait(job, "until_picked", job.waves_made))
            self._store.save(job)

    def _take_on(self, job: Job) -> None:
        self._jobs[job.sales_order] = self._by_order[job.order_id] = job

    def _next(self, job: Job, wave: Wave, step: Step, at: float, delay: str) -> None:
        wave.attempts = 0
        self._agenda.do(job, wave, step, at + self._choices.wait(job, delay, wave.number, step))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    # Work: each step knows when it was due (`at`), from which the next one counts

    def _perform(self, at: float, job: Job, wave: Wave | None) -> None:
        if wave is None:
            self._pick(job, at)
        else:
            try:
                self._advance(job, wave, at)
            except BookError:
                self._try_later(job, wave)
        self._store.save(job)

    def _pick(self, job: Job, at: float) -> None:
        job.pick_due = None
        order = self._books.find("salesOrder", job.sales_order)
        if order is None or order.get("status") not in WAITING:
            return
        groups = pickable(self._books, job, order)
        if not groups:
            return  # out of stock: the order changes when goods arrive
        partly = job.waves_made == 0 and self._choices.happens(job, "partial")
        whole = [one for group in groups for one in group]
        try:
            wave = self._make(
                job, order, first_part(groups, self._choices.chance(job, "part")) if partly else whole
            )
        except BookError:
            self._agenda.pick(job, self._now() + _AGAIN_S / self._speed)
            return
        putting_back = wave.number == 1 and self._choices.happens(job, "unpicked")
        self._next(job, wave, "unpick" if putting_back else "pack", at, "until_packed")
        if partly:
            self._agenda.pick(job, at + self._choices.wait(job, "until_rest"))

    def _make(self, job: Job, order: Record, chosen: list[Taken]) -> Wave:
        """Pick these units: a fulfilment in state A. Raises BookError."""
        number = job.waves_made + 1
        external_id = f"wms-{job.sales_order}-{number}"
        made = self._made_before(job, external_id)
        if made is None:
            body = {
                "externalId": external_id,
                "shipStatus": {"id": "A"},
                "item": {"items": fulfilment_lines(order, chosen)},
            }
            made = self._books.transform("salesOrder", job.sales_order, "itemFulfillment", body).record
        else:
            own = [line for line in made.lines() if line.get("kitMemberOf") is None]
            chosen = [Taken(line["orderLine"], line["item"], line["quantity"]) for line in own]
            give_ids(job, order, chosen)
        now = self._now()
        wave = Wave(number, made.id, chosen, "done", now)
        wave.carrier = self._choices.carrier(job, order, wave)
        job.waves_made = number
        job.waves.append(wave)
        job.picked_at = now if job.picked_at is None else job.picked_at
        self._store.save(job)
        return wave

    def _made_before(self, job: Job, external_id: str) -> Record | None:
        """The fulfilment of that external id, if the warehouse was stopped just after making it."""
        made = self._books.made_from(job.sales_order, "itemFulfillment")
        return next((one for one in made if one.get("externalId") == external_id), None)

    def _advance(self, job: Job, wave: Wave, at: float) -> None:
        """Do the next step of a wave. Raises BookError."""
        order = self._books.find("salesOrder", job.sales_order)
        if wave.step not in {"track", "correct"} and (order is None or order.get("status") in _OVER):
            wave.step = "done"
            return
        match wave.step:
            case "unpick":
                self._put_back(job, wave)
                self._agenda.pick(job, at + self._choices.wait(job, "until_again", wave.number))
            case "pack":
                self._pack(job, wave, at)
            case "ship":
                self._ship(job, wave, at)
            case "ship again":
                self._send_off(wave, {})
                wave.step = "done"
            case "track":
                self._patch(wave, parcels(wave.tracking))
                self._after_tracking(job, wave, at)
            case "correct":
                wave.tracking = self._numbers_for(job, wave, "corrected")
                self._patch(wave, parcels(wave.tracking))
                self._after_correcting(job, wave, at)
            case "reopen":
                self._patch(wave, {"shipStatus": {"id": "B"}})
                self._next(job, wave, "ship again", at, "until_again")
            case "done":
                pass

    def _pack(self, job: Job, wave: Wave, at: float) -> None:
        changes: dict[str, Any] = {"shipStatus": {"id": "B"}}
        if self._needs_label(job) and not wave.has_label and not self._has_bought_label(job, wave):
            self._try_later(job, wave)
            return
        if wave.has_label:
            changes |= parcels(wave.tracking)
        self._patch(wave, changes)
        self._next(job, wave, "ship", at, "until_shipped")

    def _ship(self, job: Job, wave: Wave, at: float) -> None:
        wave.tracking = wave.tracking or self._numbers_for(job, wave, "first")
        late = not wave.has_label and self._choices.happens(job, "late_tracking", wave.number)
        self._send_off(wave, parcels([] if late else wave.tracking))
        if late:
            self._next(job, wave, "track", at, "until_tracking")
        else:
            self._after_tracking(job, wave, at)

    def _after_tracking(self, job: Job, wave: Wave, at: float) -> None:
        if not wave.has_label and self._choices.happens(job, "corrected_tracking", wave.number):
            self._next(job, wave, "correct", at, "until_corrected")
        else:
            self._after_correcting(job, wave, at)

    def _after_correcting(self, job: Job, wave: Wave, at: float) -> None:
        wave.step = "done"
        if self._choices.happens(job, "reopened", wave.number):
            self._next(job, wave, "reopen", at, "until_again")

    def _bring_to(
        self, job: Job, wave: Wave, status: str, tracking: Sequence[str] | None, carrier: str | None
    ) -> None:
        """What a person wants done with a wave at once."""
        wave.step = "done"
        if carrier is not None:
            wave.carrier = CARRIERS[carrier.lower()].name if carrier else None
        if tracking is not None:
            wave.tracking = list(tracking)
        elif not wave.tracking and status != "A":
            labelled = self._needs_label(job) and self._has_bought_label(job, wave)
            wave.tracking = wave.tracking if labelled else self._numbers_for(job, wave, "first")
        if status == "C":
            self._send_off(wave, parcels(wave.tracking))
        elif status == "B":
            self._patch(wave, {"shipStatus": {"id": "B"}, **parcels(wave.tracking)})

    def _send_off(self, wave: Wave, changes: dict[str, Any]) -> None:
        method = CARRIERS[wave.carrier.lower()].ship_method if wave.carrier else None
        shipped = {
            "shipStatus": {"id": "C"},
            "tranDate": self._books.today(),
            "shipMethod": None if method is None else {"id": method},
        }
        self._patch(wave, shipped | changes)
        wave.shipped_at = self._now() if wave.shipped_at is None else wave.shipped_at

    def _try_later(self, job: Job, wave: Wave) -> None:
        """The books or the channel refused. Goods that cannot leave are put back in the end."""
        wave.attempts += 1
        if wave.attempts < _MOST_ATTEMPTS:
            wait = min(_AGAIN_S * 2 ** (wave.attempts - 1), _MOST_AGAIN_S) / self._speed
            self._agenda.do(job, wave, wave.step, self._now() + wait)
        elif wave.shipped_at is None:
            self._put_back(job, wave)
            self._agenda.pick(job, self._now() + _MOST_AGAIN_S / self._speed)
        else:
            wave.step = "done"

    def _put_back(self, job: Job, wave: Wave) -> None:
        self._books.delete("itemFulfillment", wave.fulfilment)
        self._drop(job, wave)

    def _drop(self, job: Job, wave: Wave) -> None:
        """A fulfilment is gone. What left once is remembered all the same."""
        wave.gone, wave.step = True, "done"
        if wave.shipped_at is None:
            job.waves.remove(wave)

    def _patch(self, wave: Wave, changes: dict[str, Any]) -> None:
        self._books.patch("itemFulfillment", wave.fulfilment, changes, _REPLACE_PARCELS)

    # Labels, tracking numbers

    def _needs_label(self, job: Job) -> bool:
        return self._label_needed is not None and self._label_needed(job.order_id)

    def _has_bought_label(self, job: Job, wave: Wave) -> bool:
        """Buy the channel's label for the units of a wave, if that is possible now."""
        ids = dict.fromkeys(one for part in wave.taken for one in part.line_ids)
        label = self._buy_label(job.order_id, list(ids)) if self._buy_label else None
        if label is None:
            return False
        wave.tracking, wave.has_label = [label], True
        self._store.save(job)
        return True

    def _numbers_for(self, job: Job, wave: Wave, purpose: str) -> list[str]:
        order = self._books.record("salesOrder", job.sales_order)
        return self._choices.tracking(job, order, wave, purpose)

    # Looking up

    def _job_of(self, order_id: str) -> Job:
        self.next_due()
        job = self._by_order.get(order_id)
        if job is None:
            raise LookupError(f"the books have no Sales Order that the warehouse ships for order {order_id}")
        return job

    def _record(self, wave: Wave) -> Record | None:
        return self._books.find("itemFulfillment", wave.fulfilment)

    def _is_shipped(self, wave: Wave) -> bool:
        record = self._record(wave)
        return record is not None and record.get("shipStatus") == "C"

    def _wave_of(self, fulfilment_id: str) -> tuple[Job, Wave]:
        record = self._books.record("itemFulfillment", fulfilment_id)
        job = self._jobs.get(record.get("createdFrom"))
        for wave in job.standing if job else ():
            if job is not None and wave.fulfilment == record.id:
                return job, wave
        raise LookupError(f"fulfilment {fulfilment_id} was not made by the warehouse")
