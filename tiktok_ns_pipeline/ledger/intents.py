"""Intents: one durable row per business fact that should become true on the other side.

    planned -> sending -> applied
                 |-> ambiguous -> (look up) -> applied | planned
                 |-> waiting (retry at)     -> sending
                 |-> parked (exception)     -> planned on replay
    any      -> superseded (a newer revision, or the fact is gone)

Invariants: one row per (channel, shop, kind, business key, revision); `sending` is committed before
the first byte leaves, so after a crash every such row whose lease ran out is ambiguous; a revision
is not sent while an older one of the same fact is under way, and never after a newer one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.gate import LANES, Lane
from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_skip


class IntentState(StrEnum):
    """Where an intent stands."""

    PLANNED = "planned"
    SENDING = "sending"
    AMBIGUOUS = "ambiguous"
    WAITING = "waiting"
    PARKED = "parked"
    APPLIED = "applied"
    SUPERSEDED = "superseded"


S = IntentState

TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    S.PLANNED: frozenset({S.SENDING, S.SUPERSEDED}),
    S.SENDING: frozenset({S.APPLIED, S.AMBIGUOUS, S.WAITING, S.PARKED, S.SUPERSEDED}),
    S.AMBIGUOUS: frozenset({S.APPLIED, S.AMBIGUOUS, S.PLANNED, S.PARKED, S.SUPERSEDED}),
    S.WAITING: frozenset({S.SENDING, S.SUPERSEDED}),
    S.PARKED: frozenset({S.PLANNED, S.SUPERSEDED}),
    S.APPLIED: frozenset(),
    S.SUPERSEDED: frozenset(),
}
"""DESIGN 5. An applied intent stays applied: a change of the fact is a new revision."""

FORGOTTEN_AT_ONCE = 2_000
"""So many rows are deleted in one transaction, for which others wait."""

UNSENT = (S.PLANNED, S.WAITING, S.PARKED)
UNDER_WAY = (S.SENDING, S.AMBIGUOUS)
OPEN = (*UNSENT, *UNDER_WAY)


@dataclass(frozen=True, slots=True)
class FactKey:
    """Identity of a business fact, whatever its revision."""

    channel: str
    shop: str
    kind: str
    business_key: str


@dataclass(frozen=True, slots=True)
class NewIntent:
    """A fact that should become true.

    `depends_on` names a link (kind/key) that must exist first; `observed_at` is the channel's own time
    of the version that the fact was made from.
    """

    flow: str
    fact: FactKey
    payload: Mapping[str, Any] = field(repr=False)
    payload_hash: str
    lane: Lane
    depends_on: str | None = None
    deadline: datetime | None = None
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A stored intent. The payload may hold a buyer's address, so `repr` leaves it out."""

    id: int
    flow: str
    fact: FactKey
    revision: int
    payload: Mapping[str, Any] = field(repr=False)
    payload_hash: str
    lane: Lane
    state: IntentState
    attempts: int
    not_before: datetime
    deadline: datetime | None
    depends_on: str | None
    last_error: str | None
    observed_at: datetime | None
    created_at: datetime
    updated_at: datetime


Verdict = Literal["new", "revised", "unchanged", "replayed"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What planning did with one desired document."""

    fact: FactKey
    revision: int
    verdict: Verdict


def is_fact(table: sa.Table, fact: FactKey) -> sa.ColumnElement[bool]:
    """The condition that a row of intents or links is about that fact."""
    return sa.and_(
        table.c.channel == fact.channel,
        table.c.shop == fact.shop,
        table.c.kind == fact.kind,
        table.c.business_key == fact.business_key,
    )


def link_reference(fact: FactKey) -> str:
    """How an intent names the link that it depends on."""
    return f"{fact.channel}/{fact.shop}/{fact.kind}/{fact.business_key}"


class Intents:
    """The intents, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def newest(self, facts: Iterable[FactKey]) -> dict[FactKey, Intent]:
        """The newest revision of each fact that has one."""
        found: dict[FactKey, Intent] = {}
        groups: dict[tuple[str, str, str], list[str]] = {}
        for fact in facts:
            groups.setdefault((fact.channel, fact.shop, fact.kind), []).append(fact.business_key)
        table = schema.intents
        for (channel, shop, kind), keys in groups.items():
            for chunk in _chunks(keys, 500):
                statement = (
                    sa.select(table)
                    .where(table.c.channel == channel, table.c.shop == shop, table.c.kind == kind)
                    .where(table.c.business_key.in_(chunk))
                    .order_by(table.c.revision)
                )
                for row in self._connection.execute(statement).mappings():
                    intent = _intent(row)
                    found[intent.fact] = intent
        return found

    def newest_of(self, channel: str, shop: str, kind: str, prefix: str) -> dict[FactKey, Intent]:
        """The newest revision of each fact whose business key begins so, such as all of one order."""
        table = schema.intents
        key = table.c.business_key
        if self._connection.dialect.name == "postgresql":
            begins_so = [key.startswith(prefix, autoescape=True)]
        else:
            # SQLite's LIKE tells no cases apart, and therefore takes no index.
            beyond = _first_beyond(prefix)
            begins_so = [key >= prefix, key < beyond] if beyond else [key >= prefix]
        statement = (
            sa.select(table)
            .where(table.c.channel == channel, table.c.shop == shop, table.c.kind == kind, *begins_so)
            .order_by(table.c.revision)
        )
        return {
            intent.fact: intent for intent in map(_intent, self._connection.execute(statement).mappings())
        }

    def take_turns(self, channel: str, shop: str) -> None:
        """Let one transaction at a time plan for a shop: what it finds newest stays newest until it ends.

        SQLite has one writer anyway.
        """
        if self._connection.dialect.name == "postgresql":
            key = sa.func.hashtextextended(f"plan {channel}/{shop}", 0)
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def plan(
        self,
        desired: Sequence[NewIntent],
        *,
        replay: bool = False,
        known: Mapping[FactKey, Intent] | None = None,
    ) -> list[Planned]:
        """Store what is not stored yet: the difference between desired and known facts.

        An equal newest revision is left alone (a parked one is taken up again when `replay`); a
        different one becomes a new revision, superseding the older where it was not sent. `known`
        spares asking for the newest revisions when this transaction has them already.
        """
        newest = self.newest(intent.fact for intent in desired) if known is None else known
        planned: list[Planned] = []
        rows: list[dict[str, Any]] = []
        for intent in desired:
            last = newest.get(intent.fact)
            if last is not None and last.payload_hash == intent.payload_hash and last.state != S.SUPERSEDED:
                taken_up = replay and last.state == S.PARKED and self._take_up_again([last.id]) == 1
                planned.append(Planned(intent.fact, last.revision, "replayed" if taken_up else "unchanged"))
                continue
            if last is not None:
                self._supersede_unsent(intent.fact)
            revision = last.revision + 1 if last else 1
            rows.append(self._row(intent, revision))
            planned.append(Planned(intent.fact, revision, "revised" if last else "new"))
        if rows:
            # Two planners may plan the same revision at once: the first one stands.
            self._connection.execute(_INSERT, rows)
        return planned

    def withdraw(self, facts: Sequence[FactKey], reason: str) -> int:
        """The facts are gone: supersede what was not sent. Returns how many rows that were."""
        return sum(self._supersede_unsent(fact, reason) for fact in facts)

    def call_off(self, facts: Sequence[FactKey], reason: str) -> int:
        """The facts are gone for good: as `withdraw`, and what is under way is not sent once more either.

        A revision that is never sent overtakes it: an attempt that turns out to have come to nothing
        ends there, one that succeeded stays applied. Returns how many rows were withdrawn.
        """
        withdrawn = self.withdraw(facts, reason)
        rows = [
            self._row_after(last, reason)
            for last in self.newest(facts).values()
            # Another process may put back at this moment what was under way when it was withdrawn.
            if last.state in OPEN
        ]
        if rows:
            self._connection.execute(_INSERT, rows)
        return withdrawn

    def take_up_again(self, facts: Sequence[FactKey]) -> int:
        """Plan parked intents again (a replay). Returns how many there were."""
        ids = [intent.id for intent in self.newest(facts).values() if intent.state == S.PARKED]
        return self._take_up_again(ids)

    def claim(
        self,
        *,
        holder: str,
        kinds: Sequence[str],
        limit: int,
        lease_until: datetime,
        lanes: Sequence[Lane] = LANES,
        shops: Sequence[str] = (),
    ) -> list[Intent]:
        """Take due intents, most urgent lane first.

        What was planned or waiting comes back as `sending`; what comes back as `ambiguous` was
        under way when its holder vanished or could not tell, and must be looked up first. A revision
        that a newer one overtook before it could be sent is not sent any more.
        """
        statement = _claim_statement(self._connection.dialect.name, any_shop=not shops)
        values = {"at": self._now, "of_kinds": list(kinds), "by": holder, "until": lease_until}
        if shops:
            values["of_shops"] = list(shops)
        claimed: list[Intent] = []
        for lane, due in self._next_due_by_lane(kinds).items():
            if lane not in lanes or due is None or due > self._now or len(claimed) >= limit:
                continue
            most = limit - len(claimed)
            rows = self._connection.execute(statement, {**values, "in_lane": lane, "most": most})
            taken = sorted(map(_intent, rows.mappings()), key=lambda intent: (intent.not_before, intent.id))
            claimed += [intent for intent in taken if intent.state != S.SUPERSEDED]
        return claimed

    def extend_leases(self, holder: str, lease_until: datetime) -> None:
        """The holder is alive: its claims stay its own."""
        table = schema.intents
        self._connection.execute(
            sa.update(table)
            .where(
                table.c.holder == holder, table.c.state.in_([*UNDER_WAY]), table.c.lease_until.is_not(None)
            )
            .values(lease_until=lease_until)
        )

    def move(
        self,
        intent: Intent,
        to: IntentState,
        *,
        not_before: datetime | None = None,
        error: str | None = None,
        counts_as_attempt: bool = True,
    ) -> bool:
        """Move one claimed intent; False when it is no longer where we left it.

        Raises ValueError for a transition that the life of an intent does not have.
        """
        if to not in TRANSITIONS[intent.state]:
            raise ValueError(f"an intent does not go from {intent.state} to {to}")
        table = schema.intents
        values: dict[str, Any] = {
            "state": to.value,
            "holder": None,
            "lease_until": None,
            "updated_at": self._now,
            "last_error": error,
        }
        if not_before is not None:
            values["not_before"] = not_before
        if counts_as_attempt:
            values["attempts"] = table.c.attempts + 1
        done = self._connection.execute(
            sa.update(table)
            .where(table.c.id == intent.id, table.c.state == intent.state.value)
            .values(values)
        )
        return done.rowcount == 1

    def is_overtaken(self, intent: Intent) -> bool:
        """Whether a newer revision of its fact was planned."""
        return any(newest.revision > intent.revision for newest in self.newest([intent.fact]).values())

    def mark_applied(self, intents: Sequence[Intent]) -> None:
        """Move many claimed intents to applied at once."""
        table = schema.intents
        for chunk in _chunks([intent.id for intent in intents], 500):
            self._connection.execute(
                sa.update(table)
                .where(table.c.id.in_(chunk), table.c.state.in_([*UNDER_WAY]))
                .values(
                    state=S.APPLIED.value,
                    holder=None,
                    lease_until=None,
                    updated_at=self._now,
                    last_error=None,
                    attempts=table.c.attempts + 1,
                )
            )

    def release(self, holder: str) -> None:
        """Give up all claims at an orderly end; what was sent already stays to be looked up."""
        table = schema.intents
        self._connection.execute(
            sa.update(table)
            .where(table.c.holder == holder, table.c.state.in_([*UNDER_WAY]))
            .values(state=S.AMBIGUOUS.value, holder=None, lease_until=None, updated_at=self._now)
        )

    def counts(self, *, flow: str | None = None, shop: str | None = None) -> dict[IntentState, int]:
        """How many intents stand where."""
        table = schema.intents
        statement = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        if flow:
            statement = statement.where(table.c.flow == flow)
        if shop:
            statement = statement.where(table.c.shop == shop)
        return {IntentState(state): count for state, count in self._connection.execute(statement)}

    def next_due(self, kinds: Sequence[str]) -> datetime | None:
        """The earliest instant at which something of these kinds can be claimed; None when nothing ever."""
        return min((at for at in self._next_due_by_lane(kinds).values() if at is not None), default=None)

    def _next_due_by_lane(self, kinds: Sequence[str]) -> dict[Lane, datetime | None]:
        """The same for each lane; what a dead process leaves behind may be of any."""
        row = self._connection.execute(_NEXT_DUE, {"of_kinds": list(kinds)}).mappings().one()
        given_up: datetime | None = row["given_up"]
        return {lane: min((at for at in (row[lane], given_up) if at), default=None) for lane in LANES}

    def is_work_due(self, kinds: Sequence[str]) -> bool:
        """Whether anything of these kinds could be sent or looked up now."""
        due = self.next_due(kinds)
        return due is not None and due <= self._now

    def open_facts(
        self, *, kind: str, shop: str | None = None, older_than: datetime | None = None
    ) -> list[Intent]:
        """Intents of a kind that are not at an end, oldest first."""
        table = schema.intents
        statement = (
            sa.select(table).where(table.c.kind == kind, table.c.state.in_([*OPEN])).order_by(table.c.id)
        )
        if shop:
            statement = statement.where(table.c.shop == shop)
        if older_than is not None:
            statement = statement.where(table.c.created_at <= older_than)
        return [_intent(row) for row in self._connection.execute(statement).mappings()]

    def oldest_open(self, kind: str) -> datetime | None:
        """When the oldest fact of a kind that is not at an end was planned; None when all are."""
        table = schema.intents
        statement = sa.select(table.c.created_at).where(table.c.kind == kind, table.c.state.in_([*OPEN]))
        return self._connection.execute(statement.order_by(table.c.created_at).limit(1)).scalar()

    def history(self, fact: FactKey) -> list[Intent]:
        """All revisions of a fact, oldest first."""
        table = schema.intents
        statement = (
            sa.select(table)
            .where(
                is_fact(table, fact),
            )
            .order_by(table.c.revision)
        )
        return [_intent(row) for row in self._connection.execute(statement).mappings()]

    def forget_before(self, instant: datetime, kind: str) -> int:
        """Delete some revisions of a kind that ended before then, at most `FORGOTTEN_AT_ONCE`; how many.

        The newest of each fact stays, and so does what is not at an end: a fact keeps its revision number
        and is planned again only when it changes.
        """
        table, newer = schema.intents, schema.intents.alias("newer")
        is_overtaken = sa.exists().where(
            newer.c.channel == table.c.channel,
            newer.c.shop == table.c.shop,
            newer.c.kind == table.c.kind,
            newer.c.business_key == table.c.business_key,
            newer.c.revision > table.c.revision,
        )
        old = (
            sa.select(table.c.id)
            .where(
                table.c.kind == kind,
                table.c.state.in_([S.APPLIED.value, S.SUPERSEDED.value]),
                table.c.updated_at < instant,
                is_overtaken,
            )
            .limit(FORGOTTEN_AT_ONCE)
        )
        return self._connection.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount

    def _take_up_again(self, ids: Sequence[int]) -> int:
        table = schema.intents
        taken = 0
        for chunk in _chunks(list(ids), 500):
            taken += self._connection.execute(
                sa.update(table)
                .where(table.c.id.in_(chunk), table.c.state == S.PARKED.value)
                # One attempt was made: its success now proves gone what it was parked for.
                .values(state=S.PLANNED.value, not_before=self._now, updated_at=self._now, attempts=1)
            ).rowcount
        return taken

    def _supersede_unsent(self, fact: FactKey, reason: str = "a newer revision") -> int:
        table = schema.intents
        return self._connection.execute(
            sa.update(table)
            .where(
                is_fact(table, fact),
                table.c.state.in_([*UNSENT]),
            )
            .values(state=S.SUPERSEDED.value, updated_at=self._now, last_error=reason)
        ).rowcount

    def _row(self, intent: NewIntent, revision: int) -> dict[str, Any]:
        return {
            "flow": intent.flow,
            "channel": intent.fact.channel,
            "shop": intent.fact.shop,
            "kind": intent.fact.kind,
            "business_key": intent.fact.business_key,
            "revision": revision,
            "payload": exact_json.dumps(intent.payload),
            "payload_hash": intent.payload_hash,
            "lane": intent.lane,
            "state": S.PLANNED.value,
            "attempts": 0,
            "not_before": self._now,
            "deadline": intent.deadline,
            "depends_on": intent.depends_on,
            "observed_at": intent.observed_at,
            "created_at": self._now,
            "updated_at": self._now,
        }

    def _row_after(self, last: Intent, reason: str) -> dict[str, Any]:
        """The row of a revision that says that nothing comes after `last`."""
        intent = NewIntent(
            last.flow, last.fact, last.payload, CALLED_OFF, last.lane, observed_at=last.observed_at
        )
        row = self._row(intent, last.revision + 1)
        return {**row, "state": S.SUPERSEDED.value, "last_error": reason}


CALLED_OFF = "called off"
"""Stands where other revisions carry the hash of what was to be sent."""

_INSERT = insert_or_skip(schema.intents)


def _ready(table: Any) -> list[sa.ColumnElement[bool]]:
    """What must be so for an intent to be claimed, whatever the time is."""
    older = table.alias("older")
    an_older_one_is_under_way = sa.exists().where(
        older.c.channel == table.c.channel,
        older.c.shop == table.c.shop,
        older.c.kind == table.c.kind,
        older.c.business_key == table.c.business_key,
        older.c.revision < table.c.revision,
        older.c.state.in_([*UNDER_WAY]),
    )
    # Not EXISTS: inside an OR, PostgreSQL would read all links to answer it.
    link = sa.select(schema.links.c.id).where(schema.links.c.reference == table.c.depends_on).limit(1)
    its_link_is_there = sa.or_(table.c.depends_on.is_(None), link.scalar_subquery().is_not(None))
    return [~an_older_one_is_under_way, its_link_is_there]


@lru_cache
def _claim_statement(dialect: str, *, any_shop: bool) -> ReturningUpdate[Any]:
    """Claims in one lane. Built once: building it costs more than running it."""
    table = schema.intents
    now = sa.bindparam("at", type_=schema.UtcInstant())
    given_up = sa.or_(table.c.lease_until.is_(None), table.c.lease_until <= now)
    chosen = (
        sa.select(table.c.id)
        .where(
            table.c.lane == sa.bindparam("in_lane"),
            schema.IS_OPEN,
            table.c.not_before <= now,
            sa.or_(table.c.state.in_([S.PLANNED, S.WAITING]), given_up),
            table.c.kind.in_(sa.bindparam("of_kinds", expanding=True)),
            *_ready(table),
        )
        .order_by(table.c.not_before, table.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer()))
    )
    if not any_shop:
        chosen = chosen.where(table.c.shop.in_(sa.bindparam("of_shops", expanding=True)))
    if dialect == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True, of=table)
    newer = table.alias("newer")
    overtaken = sa.exists().where(
        newer.c.channel == table.c.channel,
        newer.c.shop == table.c.shop,
        newer.c.kind == table.c.kind,
        newer.c.business_key == table.c.business_key,
        newer.c.revision > table.c.revision,
    )
    unsent = table.c.state.in_([S.PLANNED, S.WAITING])
    taken = sa.case(
        (sa.and_(unsent, overtaken), S.SUPERSEDED.value), (unsent, S.SENDING.value), else_=S.AMBIGUOUS.value
    )
    return (
        sa.update(table)
        .where(table.c.id.in_(chosen.scalar_subquery()))
        .values(
            state=taken,
            holder=sa.bindparam("by"),
            lease_until=sa.bindparam("until", type_=schema.UtcInstant()),
            updated_at=now,
        )
        .returning(table)
    )


def _next_due_in(lane: Lane) -> sa.ScalarSelect[datetime]:
    """The first of a lane's intents that nobody holds: found by the index, however many there are."""
    table = schema.intents
    return (
        sa.select(table.c.not_before)
        .where(
            table.c.lane == lane,
            schema.IS_OPEN,
            table.c.lease_until.is_(None),
            table.c.kind.in_(sa.bindparam("of_kinds", expanding=True)),
            *_ready(table),
        )
        .order_by(table.c.not_before)
        .limit(1)
        .scalar_subquery()
    )


def _next_given_up() -> sa.ScalarSelect[datetime]:
    """When the first lease runs out of what is under way."""
    table = schema.intents
    return (
        sa.select(sa.func.min(table.c.lease_until, type_=schema.UtcInstant()))
        .where(table.c.state.in_([*UNDER_WAY]), table.c.kind.in_(sa.bindparam("of_kinds", expanding=True)))
        .scalar_subquery()
    )


_NEXT_DUE = sa.select(*(_next_due_in(lane).label(lane) for lane in LANES), _next_given_up().label("given_up"))


def _intent(row: Mapping[Any, Any]) -> Intent:
    return Intent(
        id=row["id"],
        flow=row["flow"],
        fact=FactKey(row["channel"], row["shop"], row["kind"], row["business_key"]),
        revision=row["revision"],
        payload=exact_json.loads(row["payload"]),
        payload_hash=row["payload_hash"],
        lane=row["lane"],
        state=IntentState(row["state"]),
        attempts=row["attempts"],
        not_before=row["not_before"],
        deadline=row["deadline"],
        depends_on=row["depends_on"],
        last_error=row["last_error"],
        observed_at=row["observed_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _first_beyond(prefix: str) -> str | None:
    """The first text, in the order of UTF-8, after all that begin so; None where all others come before."""
    kept = prefix.rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Halves of surrogate pairs are no characters of their own.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def moved(intent: Intent, to: IntentState) -> Intent:
    """The same intent in another state, as after a stored move."""
    return replace(intent, state=to)


def _chunks(values: list[Any], size: int) -> Iterable[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
