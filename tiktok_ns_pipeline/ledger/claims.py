"""Claims: what buyers want or got back, and when each is to be looked at (again).

A claim is *told* whenever the channel shows a new version of it, *woken* when something else happened
that may change what is to be done, and then *decided*. What was told or woken waits in `look_at`, so no
crash and no other process loses it; a decision can set the next instant itself, for what becomes due by
time alone.

Invariant: `revision` grows with every change of a claim. Who decides remembers the revisions that he saw
of all claims of the order, and stores nothing when one of them has grown: so two processes never decide
from the same state, and what was told meanwhile is decided once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_update

Source = Literal["return", "cancellation"]
Outcome = Literal["told", "staged", "waiting", "parked", "nothing"]
"""told: not decided yet; staged: it has documents; waiting: for what must be there first; parked: a person
decides; nothing: it needs no document as it stands."""

_CHUNK = 500
_KEY = ("channel", "shop", "claim_id")
_NEWS = ("day", "look_at", "told_at")
_TELL = insert_or_update(schema.claims, key=_KEY, changing=("order_id", *_NEWS), adding=["revision"])
_TELL_NAMELESS = insert_or_update(schema.claims, key=_KEY, changing=_NEWS, adding=["revision"])


@dataclass(frozen=True, slots=True)
class ToldClaim:
    """A claim of which the channel showed a new version."""

    claim_id: str
    order_id: str
    """Empty where the version does not name it; what an earlier one named stays."""
    source: Source
    day: date
    """The day that the lake has it under."""


@dataclass(frozen=True, slots=True)
class KnownClaim:
    """A claim as the ledger has it."""

    channel: str
    shop: str
    claim_id: str
    order_id: str
    source: Source
    day: date
    revision: int
    look_at: datetime | None
    """When it is to be looked at; None for not until something is told."""
    outcome: Outcome
    reason: str
    """Why so, in business words."""
    digest: str
    """Hash of what was decided last; empty before."""
    told_at: datetime
    decided_at: datetime | None


class Claims:
    """The claims, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def tell(self, channel: str, shop: str, claims: Sequence[ToldClaim]) -> None:
        """New versions came: look at these now."""
        rows = [
            {
                "channel": channel,
                "shop": shop,
                "claim_id": one.claim_id,
                "order_id": one.order_id,
                "source": one.source,
                "day": one.day,
                "revision": 1,
                "look_at": self._now,
                "outcome": "told",
                "reason": "",
                "digest": "",
                "told_at": self._now,
                "decided_at": None,
            }
            for one in claims
        ]
        named = [row for row in rows if row["order_id"]]
        nameless = [row for row in rows if not row["order_id"]]
        for statement, told in ((_TELL, named), (_TELL_NAMELESS, nameless)):
            if told:
                self._connection.execute(statement, told)

    def wake(
        self, channel: str, shop: str, *, order_ids: Sequence[str] = (), claim_ids: Sequence[str] = ()
    ) -> int:
        """Something happened to these orders or claims: look at what is known of them now. How many."""
        table = schema.claims
        woken = 0
        for column, names in ((table.c.order_id, order_ids), (table.c.claim_id, claim_ids)):
            distinct = sorted(set(names))
            for start in range(0, len(distinct), _CHUNK):
                woken += self._wake(channel, shop, column.in_(distinct[start : start + _CHUNK]))
        return woken

    def wake_all(self, channel: str, shop: str) -> int:
        """Look at all claims of a shop now. How many."""
        return self._wake(channel, shop, sa.true())

    def decided(
        self, claim: KnownClaim, outcome: Outcome, reason: str, digest: str, look_at: datetime | None
    ) -> None:
        """What was decided, and when it is to be looked at again by itself."""
        table = schema.claims
        self._connection.execute(
            sa.update(table)
            .where(*_is(claim.channel, claim.shop), table.c.claim_id == claim.claim_id)
            .values(
                outcome=outcome,
                reason=reason,
                digest=digest,
                look_at=look_at,
                decided_at=self._now,
                revision=table.c.revision + 1,
            )
        )

    def due(self, channel: str, shop: str, limit: int) -> list[KnownClaim]:
        """What is to be looked at now, longest due first."""
        table = schema.claims
        statement = (
            sa.select(table)
            .where(*_is(channel, shop), schema.IS_TO_BE_LOOKED_AT, table.c.look_at <= self._now)
            .order_by(table.c.look_at, table.c.claim_id)
            .limit(limit)
        )
        return self._found(statement)

    def is_due(self, shops: Sequence[str] = ()) -> bool:
        """Whether anything is to be looked at now, in these shops or any."""
        table = schema.claims
        statement = sa.select(table.c.claim_id).where(schema.IS_TO_BE_LOOKED_AT, table.c.look_at <= self._now)
        if shops:
            statement = statement.where(table.c.shop.in_(shops))
        return self._connection.execute(statement.limit(1)).first() is not None

    def of_order(self, channel: str, shop: str, order_id: str) -> list[KnownClaim]:
        """All claims of an order, the first one made first: the channel's ids grow."""
        table = schema.claims
        statement = sa.select(table).where(*_is(channel, shop), table.c.order_id == order_id)
        return sorted(self._found(statement), key=lambda one: (len(one.claim_id), one.claim_id))

    def find(self, channel: str, shop: str, claim_ids: Sequence[str]) -> list[KnownClaim]:
        """These claims, as far as they are known."""
        table = schema.claims
        found: list[KnownClaim] = []
        for start in range(0, len(claim_ids), _CHUNK):
            chunk = claim_ids[start : start + _CHUNK]
            found += self._found(
                sa.select(table)
                .where(*_is(channel, shop), table.c.claim_id.in_(chunk))
                .order_by(table.c.claim_id)
            )
        return found

    def with_outcome(self, outcome: Outcome, shop: str | None = None) -> list[KnownClaim]:
        """Claims that were decided to be so, the longest so first; of one shop, or of all."""
        table = schema.claims
        statement = sa.select(table).where(table.c.outcome == outcome)
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        return self._found(statement.order_by(table.c.told_at, table.c.claim_id))

    def counts(self, shop: str | None = None) -> dict[Outcome, int]:
        """How many claims were decided to be what."""
        table = schema.claims
        statement = sa.select(table.c.outcome, sa.func.count()).group_by(table.c.outcome)
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        return dict(self._connection.execute(statement).tuples().all())

    def _wake(self, channel: str, shop: str, condition: sa.ColumnElement[bool]) -> int:
        table = schema.claims
        return self._connection.execute(
            sa.update(table)
            .where(*_is(channel, shop), condition)
            .values(look_at=self._now, revision=table.c.revision + 1)
        ).rowcount

    def _found(self, statement: sa.Select[Any]) -> list[KnownClaim]:
        return [KnownClaim(**row) for row in self._connection.execute(statement).mappings()]


def _is(channel: str, shop: str) -> tuple[sa.ColumnElement[bool], ...]:
    table = schema.claims
    return table.c.channel == channel, table.c.shop == shop
