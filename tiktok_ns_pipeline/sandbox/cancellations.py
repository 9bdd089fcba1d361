"""Cancellations, and where the world keeps them (T 6.3).

Every order or unit that is cancelled has one, whoever did it, and so has a buyer's request that was
withdrawn or rejected. At most one request of an order waits for an answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tiktok_ns_pipeline.sandbox.paging import Listing, among, page_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS cancellations (
    number INTEGER PRIMARY KEY,
    cancel_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    cancel_type TEXT NOT NULL,
    status TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS cancellations_by_update ON cancellations (shop, update_time, number);
CREATE INDEX IF NOT EXISTS cancellations_by_order ON cancellations (order_id);
"""

_FIRST_ID = 4_035_000_000_000_000_000
_ID_STEP = 1_013


class CancelStatus(StrEnum):
    """States of a cancellation, as answers spell them (T 6.3)."""

    pending = "CANCELLATION_REQUEST_PENDING"
    success = "CANCELLATION_REQUEST_SUCCESS"
    complete = "CANCELLATION_REQUEST_COMPLETE"
    cancelled = "CANCELLATION_REQUEST_CANCELLED"


@dataclass(slots=True)
class Cancellation:
    """One cancellation. Times are Unix seconds of the world's clock."""

    id: str
    shop: str
    """Key of the shop."""
    order_id: str
    user_id: str
    type: str
    """BUYER_CANCEL for a buyer's own, else CANCEL."""
    role: str
    """BUYER, SELLER or SYSTEM."""
    status: CancelStatus
    reason: str
    line_ids: list[str]
    whole: bool
    """Whether it takes the whole order."""
    created_at: int
    updated_at: int
    deadline: int | None = None
    """Until when the seller may answer; then it is approved."""
    paid: bool = True
    answer: str = ""
    """How the request ended: approve, reject or withdraw."""
    keys: list[str] = field(default_factory=list[str])
    """Idempotency keys of the answers."""


_KEPT = ("role", "reason", "line_ids", "whole", "deadline", "paid", "answer", "keys")
_SELECT = (
    "SELECT cancel_id, shop, order_id, user_id, cancel_type, status, create_time, update_time, body"
    " FROM cancellations"
)


@dataclass(frozen=True, slots=True)
class CancellationFilter:
    """Which cancellations a list asks for; `_lt` is exclusive, an empty tuple asks for all."""

    shop: str
    sort_field: str = "create_time"
    ascending: bool = True
    cancel_ids: tuple[str, ...] = ()
    order_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    create_time_ge: int | None = None
    create_time_lt: int | None = None
    update_time_ge: int | None = None
    update_time_lt: int | None = None


@dataclass(slots=True)
class CancellationStore:
    """The cancellations in the world's database. Every change belongs in the world's transaction."""

    database: sqlite3.Connection

    def new_id(self, order_id: str) -> str:
        """The id for the next cancellation of an order; it follows from the order's."""
        row = self.database.execute(
            "SELECT count(*) FROM cancellations WHERE order_id = ?", (order_id,)
        ).fetchone()
        number = _FIRST_ID + int(order_id) % 1_000_000_000_000 + row[0] * _ID_STEP
        while self.cancellation(str(number)) is not None:
            number += 1
        return str(number)

    def add(self, one: Cancellation) -> None:
        """Keep a new cancellation."""
        self.database.execute(
            "INSERT INTO cancellations (cancel_id, shop, order_id, user_id, cancel_type, status,"
            " create_time, update_time, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.id,
                one.shop,
                one.order_id,
                one.user_id,
                one.type,
                one.status.value,
                one.created_at,
                one.updated_at,
                _body(one),
            ),
        )

    def save(self, one: Cancellation) -> None:
        """Keep what was changed."""
        self.database.execute(
            "UPDATE cancellations SET status = ?, update_time = ?, body = ? WHERE cancel_id = ?",
            (one.status.value, one.updated_at, _body(one), one.id),
        )

    def cancellation(self, cancel_id: str) -> Cancellation | None:
        """The cancellation with that id, or None."""
        return next(self._read("WHERE cancel_id = ?", cancel_id), None)

    def of_order(self, order_id: str) -> list[Cancellation]:
        """Every cancellation of an order, oldest first."""
        return list(self._read("WHERE order_id = ? ORDER BY number", order_id))

    def page(self, wanted: CancellationFilter, offset: int, limit: int) -> tuple[list[Cancellation], int]:
        """A page of a list, and how many cancellations the whole list has."""
        tests: list[tuple[str, Any]] = [
            ("shop = ?", wanted.shop),
            *among("cancel_id", wanted.cancel_ids),
            *among("order_id", wanted.order_ids),
            *among("user_id", wanted.user_ids),
            *among("cancel_type", wanted.types),
            *among("status", wanted.statuses),
            ("create_time >= ?", wanted.create_time_ge),
            ("create_time < ?", wanted.create_time_lt),
            ("update_time >= ?", wanted.update_time_ge),
            ("update_time < ?", wanted.update_time_lt),
        ]
        listing = Listing("cancellations", _SELECT, wanted.sort_field, wanted.ascending, tests)
        rows, count = page_of(self.database, listing, offset, limit)
        return [_cancellation(*row) for row in rows], count

    def _read(self, rest: str, value: str) -> Iterator[Cancellation]:
        rows = self.database.execute(f"{_SELECT} {rest}", (value,)).fetchall()
        return (_cancellation(*row) for row in rows)


def _body(one: Cancellation) -> str:
    return json.dumps({name: getattr(one, name) for name in _KEPT}, separators=(",", ":"))


def _cancellation(
    cancel_id: str,
    shop: str,
    order_id: str,
    user_id: str,
    cancel_type: str,
    status: str,
    created_at: int,
    updated_at: int,
    body: str,
) -> Cancellation:
    return Cancellation(
        id=cancel_id,
        shop=shop,
        order_id=order_id,
        user_id=user_id,
        type=cancel_type,
        status=CancelStatus(status),
        created_at=created_at,
        updated_at=updated_at,
        **json.loads(body),
    )
