"""What buyers send back arrives: people book it as the Item Receipt of its Return Authorization.

A parcel comes a while after its buyer sent it, or after TikTok cancelled it on its way. People find the
Return Authorization by its external id, whose last part is TikTok's return or cancel id; one that is not
there yet is looked for again for some days. A parcel that nobody took goes back, and some get lost.

Nothing happens by itself between two looks, as in `warehouse`.

Invariant: a parcel is received once at most, and only if it was sent.
"""

from __future__ import annotations

import heapq
import random
import threading
from datetime import datetime

from tiktok_ns_pipeline.sandbox.books import BookError, Books, Record
from tiktok_ns_pipeline.sandbox.returns import Return, ReturnStatus
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.sandbox.world_events import WorldEvent

_DAY = 86_400.0
_ON_ITS_WAY = (0.2 * _DAY, 2 * _DAY)
_LOOKED_FOR_AGAIN_S, _MOST_LOOKS = 0.5 * _DAY, 40
_RECEIVABLE = {"B", "D", "E"}


class Receiving:
    """The people who take in what comes back. Safe to use from several threads.

    `lost` is the share of parcels that never arrive; `speed` makes all of it happen so much faster.
    """

    def __init__(
        self, world: World, books: Books, seed: int = 0, *, speed: float = 1.0, lost: float = 0.0
    ) -> None:
        self.received: dict[str, datetime] = {}
        """Return or cancel id -> when its goods were booked."""
        self._world = world
        self._books = books
        self._seed = seed
        self._speed = speed
        self._lost = lost
        self._lock = threading.RLock()
        self._agenda: list[tuple[float, str, int]] = []
        self._seen: set[str] = set()
        self._changes = books.watch()
        world.listeners.append(self._told)

    def is_lost(self, parcel: str) -> bool:
        """Whether the parcel of that return or cancel id never arrives."""
        return random.Random(f"lost {self._seed} {parcel}").random() < self._lost

    def next_due(self) -> float | None:
        """When something is to be taken in next, as a Unix time of the world's clock; None if nothing is."""
        with self._lock:
            return self._agenda[0][0] if self._agenda else None

    def catch_up(self) -> int:
        """Take in what has arrived by now; tells how many parcels that were."""
        now, done = self._world.now().timestamp(), 0
        with self._lock:
            for path, identifier in self._books.changes_of(self._changes):
                if path == "returnauthorization":
                    self._look_at(identifier, now)
            while self._agenda and self._agenda[0][0] <= now:
                _, parcel, looks = heapq.heappop(self._agenda)
                done += self._take_in(parcel, looks, now)
        return done

    # Within

    def _told(self, event: WorldEvent) -> None:
        """A buyer sent something back."""
        if event.kind == "return" and event.data["return_status"] == ReturnStatus.shipped.value:
            self._expect(event.data["return_id"], event.at)

    def _look_at(self, identifier: str, now: float) -> None:
        """A Return Authorization is new: where TikTok cancelled, the parcel was on its way already."""
        record = self._books.find("transaction", identifier)
        parcel = "" if record is None else _parcel_of(record)
        if parcel and self._world.returns.store.found(parcel) is None:
            self._expect(parcel, now)

    def _expect(self, parcel: str, sent_at: float) -> None:
        with self._lock:
            if parcel in self._seen:
                return
            self._seen.add(parcel)
            if not self.is_lost(parcel):
                way = random.Random(f"way {self._seed} {parcel}").uniform(*_ON_ITS_WAY) / self._speed
                heapq.heappush(self._agenda, (sent_at + way, parcel, 0))

    def _take_in(self, parcel: str, looks: int, now: float) -> bool:
        sent = self._world.returns.store.found(parcel)
        if sent is not None and _goes_back(sent):
            return False
        authorization = self._authorization(parcel)
        if authorization is not None and authorization.get("status") in _RECEIVABLE:
            try:
                self._books.transform("returnAuthorization", authorization.id, "itemReceipt", {})
            except BookError:
                authorization = None
            else:
                self.received[parcel] = self._world.now()
                return True
        if authorization is None and looks < _MOST_LOOKS:
            due = now + _LOOKED_FOR_AGAIN_S / self._speed
            heapq.heappush(self._agenda, (due, parcel, looks + 1))
        return False

    def _authorization(self, parcel: str) -> Record | None:
        kind = self._books.kind("returnAuthorization")
        return next((one for one in self._books.listed(kind, None) if _parcel_of(one) == parcel), None)


def _parcel_of(authorization: Record) -> str:
    return str(authorization.get("externalId") or "").rpartition("-")[2]


def _goes_back(sent: Return) -> bool:
    """Whether the seller did not take the parcel."""
    return sent.status is ReturnStatus.not_received and not sent.arbitration
