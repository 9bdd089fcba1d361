"""What is to be done when: a queue over the jobs.

A job says itself what is due (`pick_due`, a wave's `step` and `due`); the queue only finds the next. An
entry that its job no longer says is forgotten when it comes up, so plans are changed by changing jobs.
"""

from __future__ import annotations

import heapq
import itertools

from tiktok_ns_pipeline.sandbox.warehouse.jobs import Job, Step, Wave

# Stands for the pick, beside the numbers of waves.
_PICK = 0


class Agenda:
    """Everything planned, earliest first. Instants are Unix times."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Job, int]] = []
        self._ticks = itertools.count()

    def next_due(self) -> float | None:
        """When the next thing is due; None if nothing is planned."""
        while self._queue and not _is_planned(*self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def take(self) -> tuple[float, Job, Wave | None]:
        """The next thing, which `next_due` told of: when it was due, the job, and the wave or a pick."""
        due, _, job, number = heapq.heappop(self._queue)
        return due, job, next((wave for wave in job.waves if wave.number == number), None)

    def add(self, job: Job) -> None:
        """Put all that a job says on the agenda."""
        if job.pick_due is not None:
            self.pick(job, job.pick_due)
        for wave in job.waves:
            self.do(job, wave, wave.step, wave.due)

    def pick(self, job: Job, due: float) -> None:
        """Somebody goes for a job's goods then."""
        job.pick_due = due
        self._push(due, job, _PICK)

    def do(self, job: Job, wave: Wave, step: Step, due: float) -> None:
        """A wave's next step."""
        wave.step, wave.due = step, due
        self._push(due, job, wave.number)

    def _push(self, due: float, job: Job, number: int) -> None:
        heapq.heappush(self._queue, (due, next(self._ticks), job, number))


def _is_planned(due: float, _tick: int, job: Job, number: int) -> bool:
    if number == _PICK:
        return job.pick_due == due
    return any(wave.number == number and wave.due == due and wave.step != "done" for wave in job.waves)
