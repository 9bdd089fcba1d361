"""Which fulfilments are to be looked at: what landed in the lake, and what still waits to be decided.

The shipments flow lands Item Fulfillments; this one follows its landings by their instant, an overlap
behind its mark, since a landing becomes visible a moment after its instant. The mark moves only with
the transaction that plans what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tiktok_ns_pipeline.billing.document import CHANNEL, Fulfilment, MalformedFulfilment
from tiktok_ns_pipeline.billing.staging import UNBILLABLE, Problem
from tiktok_ns_pipeline.lake import Following, Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS as FULFILMENTS
from tiktok_ns_pipeline.mapping import Shop

OVERLAP = timedelta(minutes=10)
"""How far behind its mark a look begins: longer than any landing takes, and than clocks differ."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_COLUMNS = tuple(name for name in FULFILMENTS.column_names if name not in ("payload", "tracking"))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A fulfilment of which it cannot be said what was shipped."""

    fulfilment_id: str
    order_id: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Observed:
    """What a look found, and the instant of the newest landing when it began."""

    fulfilments: tuple[Fulfilment, ...]
    unreadable: tuple[Unreadable, ...]
    landed_at: datetime | None


class FulfilmentWatch:
    """Looks at the fulfilments of one shop, again and again within a run."""

    def __init__(self, lake: Lake, shop: Shop) -> None:
        self._lake = lake
        self._shop = shop
        self._following: Following | None = None
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._told: set[tuple[str, str]] = set()

    def look(self, landed_at: datetime | None, waiting: Mapping[str, date]) -> Observed:
        """What landed since an instant and was not decided in this run, and what waits."""
        since = landed_at - OVERLAP if landed_at else _BEGINNING
        newest = self._lake.last_landing(FULFILMENTS, shop=self._shop.code)
        following = self._followed(since)
        landed = following.landed_after(since)
        news = {row["fulfilment_id"]: row["day"] for row in landed if not self._is_known(row)}
        filed: dict[str, date] = {**waiting, **news}
        rows = following.of(filed, days=set(filed.values()))
        return self._observed([row for row in rows if not self._is_known(row)], newest)

    def _followed(self, since: datetime) -> Following:
        """Follows from the first look's mark on; once everything was looked at, from the mark after it."""
        known = self._following
        if known is None or since < known.since or known.since == _BEGINNING != since:
            known = Following(
                self._lake,
                FULFILMENTS,
                shop=self._shop.code,
                by="fulfilment_id",
                columns=_COLUMNS,
                since=since,
            )
        self._following = known
        return known

    def named(self, ids: Iterable[str]) -> Observed:
        """Fulfilments by their ids, wherever they are filed."""
        wanted = sorted(set(ids))
        if not wanted:
            return Observed((), (), None)
        return self._observed(self._rows(wanted), None)

    def decided(self, fulfilments: Iterable[Fulfilment]) -> None:
        """These need not be looked at again until they change."""
        for each in fulfilments:
            self._seen[each.id] = _version(each)

    def forget(self, fulfilment_id: str) -> None:
        """Look at it again."""
        self._seen.pop(fulfilment_id, None)

    def _is_known(self, row: Mapping[str, Any]) -> bool:
        seen = self._seen.get(row["fulfilment_id"])
        if seen is None:
            return False
        try:
            return _version(Fulfilment.of(row)) == seen
        except MalformedFulfilment:
            return False

    def _rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), 500):
            chunk = list(ids[start : start + 500])
            where = f"fulfilment_id IN ({', '.join('?' for _ in chunk)})"
            rows += self._lake.current(FULFILMENTS, where, chunk, shop=self._shop.code, columns=_COLUMNS)
        return rows

    def _observed(self, rows: Iterable[Mapping[str, Any]], newest: datetime | None) -> Observed:
        fulfilments: list[Fulfilment] = []
        unreadable: list[Unreadable] = []
        for row in rows:
            if row["channel"] != CHANNEL:
                continue
            try:
                fulfilments.append(Fulfilment.of(row))
            except MalformedFulfilment as error:
                told = (str(row["fulfilment_id"]), str(row["lines"]))
                if told in self._told:
                    continue
                self._told.add(told)
                problem = Problem(UNBILLABLE, "malformed", str(error))
                unreadable.append(Unreadable(str(row["fulfilment_id"]), str(row["order_id"]), problem))
        fulfilments.sort(key=lambda each: (each.shipped_on, len(each.id), each.id))
        return Observed(tuple(fulfilments), tuple(unreadable), newest)


def _version(fulfilment: Fulfilment) -> tuple[Any, ...]:
    """What of a fulfilment decides about its bill; a saved tracking number does not."""
    return (
        fulfilment.stands_as_shipped,
        fulfilment.is_gone,
        fulfilment.shipped_on,
        fulfilment.sales_order_id,
        tuple(sorted(fulfilment.lines.items())),
    )
