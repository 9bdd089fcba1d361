"""Exceptions: business objects that somebody owns, not log lines.

One row per (kind, channel, shop, subject, cause): the same trouble again reopens its row instead of
adding another. It closes when its cause is proved gone or when a person resolves it with a reason,
never by age. Every change is an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_skip

ExceptionState = Literal["open", "acknowledged", "resolved"]
UNRESOLVED: tuple[ExceptionState, ...] = ("open", "acknowledged")


@dataclass(frozen=True, slots=True)
class NewException:
    """Something that a person has to decide or mend. Texts carry no buyer's data."""

    kind: str
    channel: str
    shop: str
    subject: str
    """Such as `order 5770…` or `system netsuite`."""
    cause: str
    """Stable slug of what is wrong, such as `sku:RED-M`: equal causes can be replayed as a group."""
    message: str
    what_to_do: str
    owner: str
    severity: Literal["info", "warning", "error", "critical"]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenException:
    """A stored exception."""

    id: int
    kind: str
    channel: str
    shop: str
    subject: str
    cause: str
    message: str
    what_to_do: str
    owner: str
    severity: str
    state: ExceptionState
    opened_at: datetime
    due_at: datetime | None
    last_seen_at: datetime
    replay_requested_at: datetime | None
    resolved_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True)
class ExceptionEvent:
    """One step in an exception's life."""

    at: datetime
    event: str
    actor: str
    note: str


_ANY_REPLAY = sa.select(sa.exists().where(schema.exceptions.c.replay_requested_at.is_not(None)))


class Exceptions:
    """The exceptions, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def open(self, new: NewException) -> int:
        """Open an exception, or reopen the one that it repeats. Returns its id."""
        table = schema.exceptions
        same = sa.and_(
            table.c.kind == new.kind,
            table.c.channel == new.channel,
            table.c.shop == new.shop,
            table.c.subject == new.subject,
            table.c.cause == new.cause,
        )
        find = sa.select(table.c.id, table.c.state, table.c.due_at).where(same)
        known = self._connection.execute(find).first()
        if known is None:
            identity = self._insert(new)
            if identity is not None:
                self._event(identity, "opened", "pipeline", new.message)
                return identity
            # Another process opened the same one at this moment.
            known = self._connection.execute(find).one()
        reopened = known.state == "resolved"
        values = {
            "message": new.message,
            "what_to_do": new.what_to_do,
            "owner": new.owner,
            "severity": new.severity,
            "last_seen_at": self._now,
            "replay_requested_at": None,
        }
        if reopened:
            values |= {"state": "open", "opened_at": self._now, "resolved_at": None, "resolution": None}
            values["due_at"] = new.due_at
        elif new.due_at is not None and (known.due_at is None or new.due_at < known.due_at):
            # A deadline that was learned later binds as well; time that passed never moves it away.
            values["due_at"] = new.due_at
        self._connection.execute(sa.update(table).where(table.c.id == known.id).values(values))
        if reopened:
            self._event(known.id, "reopened", "pipeline", new.message)
        return known.id

    def _insert(self, new: NewException) -> int | None:
        """The new row's id; None when there is one already."""
        table = schema.exceptions
        values = {
            **{name: getattr(new, name) for name in NewException.__slots__},
            "state": "open",
            "opened_at": self._now,
            "last_seen_at": self._now,
        }
        statement = insert_or_skip(table).returning(table.c.id)
        return self._connection.execute(statement, values).scalar()

    def clear(
        self,
        *,
        channel: str,
        shop: str,
        subject: str,
        reason: str,
        kinds: Sequence[str] = (),
        keep: Sequence[tuple[str, str]] = (),
    ) -> int:
        """The causes are proved gone: resolve the subject's exceptions, but for `keep` (kind, cause)."""
        table = schema.exceptions
        statement = sa.select(table.c.id, table.c.kind, table.c.cause).where(
            table.c.channel == channel,
            table.c.shop == shop,
            table.c.subject == subject,
            table.c.state.in_(UNRESOLVED),
        )
        if kinds:
            statement = statement.where(table.c.kind.in_(kinds))
        gone = [
            row.id for row in self._connection.execute(statement) if (row.kind, row.cause) not in set(keep)
        ]
        for identity in gone:
            self._resolve(identity, reason, "pipeline")
        return len(gone)

    def resolve(self, identity: int, reason: str, actor: str) -> None:
        """A person resolves it. Raises ValueError without a reason, KeyError when there is none such."""
        if not reason.strip():
            raise ValueError("an exception is resolved with a reason")
        self.get(identity)
        self._resolve(identity, reason, actor)

    def acknowledge(self, identity: int, actor: str, note: str = "") -> None:
        """Somebody has seen it and is at work on it."""
        table = schema.exceptions
        self.get(identity)
        self._connection.execute(sa.update(table).where(table.c.id == identity).values(state="acknowledged"))
        self._event(identity, "acknowledged", actor, note)

    def request_replay(self, identities: Sequence[int], actor: str) -> int:
        """Ask the next turn to try these again. Returns how many unresolved ones there were."""
        table = schema.exceptions
        asked = 0
        for identity in identities:
            done = self._connection.execute(
                sa.update(table)
                .where(table.c.id == identity, table.c.state.in_(UNRESOLVED))
                .values(replay_requested_at=self._now)
            )
            if done.rowcount:
                self._event(identity, "replay asked", actor, "")
                asked += 1
        return asked

    def asked_for_replay(self, kinds: Sequence[str]) -> list[OpenException]:
        """Unresolved exceptions of these kinds that somebody asked to try again."""
        if not self._connection.execute(_ANY_REPLAY).scalar():
            return []
        return self.list(kinds=kinds, replay_requested=True)

    def replayed(self, identities: Sequence[int]) -> None:
        """What was asked for was done; whether it helped shows by itself."""
        table = schema.exceptions
        for identity in identities:
            self._connection.execute(
                sa.update(table).where(table.c.id == identity).values(replay_requested_at=None)
            )
            self._event(identity, "replayed", "pipeline", "")

    def get(self, identity: int) -> OpenException:
        """One exception; KeyError when there is none such."""
        row = (
            self._connection.execute(sa.select(schema.exceptions).where(schema.exceptions.c.id == identity))
            .mappings()
            .first()
        )
        if row is None:
            raise KeyError(f"there is no exception {identity}; `tiktok-ns exceptions list` shows them")
        return _exception(row)

    def events(self, identity: int) -> list[ExceptionEvent]:
        """The life of one exception, oldest first."""
        table = schema.exception_events
        statement = sa.select(table).where(table.c.exception_id == identity).order_by(table.c.id)
        return [
            ExceptionEvent(row["at"], row["event"], row["actor"], row["note"])
            for row in self._connection.execute(statement).mappings()
        ]

    def list(
        self,
        *,
        states: Sequence[str] = UNRESOLVED,
        kinds: Sequence[str] = (),
        shop: str | None = None,
        subject: str | None = None,
        cause: str | None = None,
        owner: str | None = None,
        replay_requested: bool = False,
        limit: int | None = None,
    ) -> list[OpenException]:
        """Exceptions, the most urgent due instant first, then the oldest."""
        table = schema.exceptions
        statement = sa.select(table).order_by(table.c.due_at.is_(None), table.c.due_at, table.c.id)
        if states:
            statement = statement.where(table.c.state.in_(list(states)))
        if kinds:
            statement = statement.where(table.c.kind.in_(list(kinds)))
        for column, value in ((table.c.shop, shop), (table.c.subject, subject)):
            if value is not None:
                statement = statement.where(column == value)
        for column, value in ((table.c.cause, cause), (table.c.owner, owner)):
            if value is not None:
                statement = statement.where(column == value)
        if replay_requested:
            statement = statement.where(table.c.replay_requested_at.is_not(None))
        if limit is not None:
            statement = statement.limit(limit)
        return [_exception(row) for row in self._connection.execute(statement).mappings()]

    def is_resolved_by_person(self, kind: str, *, shop: str, subject: str, cause: str) -> bool:
        """Whether a person, and not the pipeline, has resolved this very problem."""
        resolved = self.list(states=("resolved",), kinds=(kind,), shop=shop, subject=subject, cause=cause)
        return any(self.events(one.id)[-1].actor != "pipeline" for one in resolved)

    def unresolved_among(self, channel: str, shop: str, subjects: Sequence[str]) -> set[str]:
        """Which of these subjects have anything unresolved."""
        table = schema.exceptions
        found: set[str] = set()
        for start in range(0, len(subjects), 500):
            statement = sa.select(table.c.subject).where(
                table.c.channel == channel,
                table.c.shop == shop,
                table.c.subject.in_(subjects[start : start + 500]),
                table.c.state.in_(UNRESOLVED),
            )
            found.update(self._connection.execute(statement).scalars())
        return found

    def count_unresolved(self) -> int:
        """How many are open or acknowledged."""
        table = schema.exceptions
        statement = sa.select(sa.func.count()).where(table.c.state.in_(UNRESOLVED))
        return int(self._connection.execute(statement).scalar_one())

    def _resolve(self, identity: int, reason: str, actor: str) -> None:
        table = schema.exceptions
        self._connection.execute(
            sa.update(table)
            .where(table.c.id == identity)
            .values(state="resolved", resolved_at=self._now, resolution=reason, replay_requested_at=None)
        )
        self._event(identity, "resolved", actor, reason)

    def _event(self, identity: int, event: str, actor: str, note: str) -> None:
        self._connection.execute(
            sa.insert(schema.exception_events).values(
                exception_id=identity, at=self._now, event=event, actor=actor, note=note
            )
        )


def _exception(row: Mapping[Any, Any]) -> OpenException:
    return OpenException(**{name: row[name] for name in OpenException.__slots__})
