"""Returns, refunds and replacements after shipping, and where the world keeps them (T 6.4).

A unit is in at most one return that is not in vain.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tiktok_ns_pipeline.sandbox.paging import Listing, among, page_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS returns (
    number INTEGER PRIMARY KEY,
    return_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    return_type TEXT NOT NULL,
    status TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS returns_by_update ON returns (shop, update_time, number);
CREATE INDEX IF NOT EXISTS returns_by_order ON returns (order_id);
"""

_FIRST_ID = 4_041_000_000_000_000_000
_ID_STEP = 1_000_003


class ReturnStatus(StrEnum):
    """States of a return, as answers spell them (T 6.4)."""

    pending = "RETURN_OR_REFUND_REQUEST_PENDING"
    rejected = "REFUND_OR_RETURN_REQUEST_REJECT"
    awaiting_ship = "AWAITING_BUYER_SHIP"
    shipped = "BUYER_SHIPPED_ITEM"
    awaiting_buyer = "AWAITING_BUYER_RESPONSE"
    not_received = "REJECT_RECEIVE_PACKAGE"
    success = "RETURN_OR_REFUND_REQUEST_SUCCESS"
    complete = "RETURN_OR_REFUND_REQUEST_COMPLETE"
    cancelled = "RETURN_OR_REFUND_REQUEST_CANCEL"
    replacement_pending = "REPLACEMENT_REQUEST_PENDING"
    replacement_rejected = "REPLACEMENT_REQUEST_REJECT"
    replacement_refunded = "REPLACEMENT_REQUEST_REFUND_SUCCESS"
    replacement_cancelled = "REPLACEMENT_REQUEST_CANCEL"
    replaced = "REPLACEMENT_REQUEST_COMPLETE"


REFUND, RETURN_AND_REFUND, REPLACEMENT = "REFUND", "RETURN_AND_REFUND", "REPLACEMENT"
REFUNDED = frozenset({ReturnStatus.complete, ReturnStatus.replacement_refunded})
"""The buyer has the money back."""
_IN_VAIN = frozenset(
    {
        ReturnStatus.rejected,
        ReturnStatus.not_received,
        ReturnStatus.cancelled,
        ReturnStatus.replacement_rejected,
        ReturnStatus.replacement_cancelled,
    }
)


@dataclass(slots=True)
class Return:
    """One return. Times are Unix seconds of the world's clock."""

    id: str
    shop: str
    """Key of the shop."""
    order_id: str
    user_id: str
    type: str
    """REFUND, where the buyer keeps the goods, RETURN_AND_REFUND, or REPLACEMENT."""
    status: ReturnStatus
    created_at: int
    updated_at: int
    role: str
    """BUYER or SELLER: who began it."""
    reason: str
    line_ids: list[str]
    whole: bool
    """Whether no unit of the order is left after it: then its shipping is paid back, too."""
    deadline: int | None = None
    """Until when the seller (or, to an offer, the buyer) may answer; then TikTok answers."""
    quick: bool = False
    """Whether the buyer is refunded as soon as the goods are on their way."""
    tracking: str = ""
    provider_id: str = ""
    provider: str = ""
    keeps: bool = False
    """Whether the buyer keeps goods that were to come back."""
    offer: str = ""
    """What the seller offered instead, in the order's currency; empty for none."""
    offer_refused: bool = False
    taken: bool = False
    """Whether the buyer took the offer."""
    arbitration: str = ""
    """What TikTok says of it, once the buyer called; empty before."""
    compensated: str = ""
    """What TikTok gave the seller when it decided otherwise later."""
    pre_id: str = ""
    next_id: str = ""
    """The requests before and after it, where it was edited."""
    new_order_id: str = ""
    """The order that replaces the goods."""
    keys: list[str] = field(default_factory=list[str])
    """Decisions that were taken, each with its idempotency key."""
    history: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """(when, who, what happened)."""

    @property
    def is_in_vain(self) -> bool:
        """Whether it is over, and the buyer got nothing by it."""
        return self.status in _IN_VAIN and self.arbitration != "IN_PROGRESS"

    @property
    def is_over(self) -> bool:
        """Whether nothing follows any more by itself."""
        return self.is_in_vain or self.status in REFUNDED or self.status is ReturnStatus.replaced


@dataclass(frozen=True, slots=True)
class RefundTruth:
    """What the books must show of a return."""

    shop: str
    order_id: str
    return_id: str
    type: str
    status: str
    line_ids: tuple[str, ...]
    refunded: bool
    """The buyer has the money back."""
    goods_come_back: bool
    to_buyer: Decimal
    """What the buyer gets, with tax on top and shipping."""
    owed_less: Decimal
    """By how much TikTok owes the seller less for the order (`OrderTruth.owed`)."""
    arbitration: str
    compensated: Decimal
    """What TikTok gave the seller for it when it decided otherwise later."""
    next_id: str
    """The request that took its place, if it was edited."""
    new_order_id: str
    """The order that replaces the goods."""


_KEPT = (
    "role",
    "reason",
    "line_ids",
    "whole",
    "deadline",
    "quick",
    "tracking",
    "provider_id",
    "provider",
    "keeps",
    "offer",
    "offer_refused",
    "taken",
    "arbitration",
    "compensated",
    "pre_id",
    "next_id",
    "new_order_id",
    "keys",
    "history",
)
_SELECT = (
    "SELECT return_id, shop, order_id, user_id, return_type, status, create_time, update_time, body"
    " FROM returns"
)


@dataclass(frozen=True, slots=True)
class ReturnFilter:
    """Which returns a list asks for; `_lt` is exclusive, an empty tuple asks for all."""

    shop: str
    sort_field: str = "create_time"
    ascending: bool = True
    return_ids: tuple[str, ...] = ()
    order_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    arbitrations: tuple[str, ...] = ()
    has_offer: bool = False
    """Only those of which the seller offered a part."""
    create_time_ge: int | None = None
    create_time_lt: int | None = None
    update_time_ge: int | None = None
    update_time_lt: int | None = None


class ReturnStore:
    """The returns in the world's database. Every change belongs in the world's transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        database.executescript(_SCHEMA)

    def new_id(self) -> str:
        """The id for the next return."""
        (last,) = self.database.execute("SELECT coalesce(max(number), 0) FROM returns").fetchone()
        return str(_FIRST_ID + (last + 1) * _ID_STEP)

    def add(self, one: Return) -> None:
        """Keep a new return."""
        self.database.execute(
            "INSERT INTO returns (return_id, shop, order_id, user_id, return_type, status, create_time,"
            " update_time, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    def save(self, one: Return) -> None:
        """Keep what was changed."""
        self.database.execute(
            "UPDATE returns SET status = ?, update_time = ?, body = ? WHERE return_id = ?",
            (one.status.value, one.updated_at, _body(one), one.id),
        )

    def found(self, return_id: str) -> Return | None:
        """The return with that id, or None."""
        return next(self._read("WHERE return_id = ?", return_id), None)

    def of_order(self, order_id: str) -> list[Return]:
        """Every return of an order, oldest first."""
        return list(self._read("WHERE order_id = ? ORDER BY number", order_id))

    def all(self) -> Iterator[Return]:
        """Every return, oldest first."""
        return self._read("ORDER BY number")

    def page(self, wanted: ReturnFilter, offset: int, limit: int) -> tuple[list[Return], int]:
        """A page of a list, and how many returns the whole list has."""
        tests: list[tuple[str, Any]] = [
            ("shop = ?", wanted.shop),
            *among("return_id", wanted.return_ids),
            *among("order_id", wanted.order_ids),
            *among("user_id", wanted.user_ids),
            *among("return_type", wanted.types),
            *among("status", wanted.statuses),
            *among("json_extract(body, '$.arbitration')", wanted.arbitrations),
            ("json_extract(body, '$.offer') <> ?", "" if wanted.has_offer else None),
            ("create_time >= ?", wanted.create_time_ge),
            ("create_time < ?", wanted.create_time_lt),
            ("update_time >= ?", wanted.update_time_ge),
            ("update_time < ?", wanted.update_time_lt),
        ]
        listing = Listing("returns", _SELECT, wanted.sort_field, wanted.ascending, tests)
        rows, count = page_of(self.database, listing, offset, limit)
        return [_return(*row) for row in rows], count

    def _read(self, rest: str, *values: str) -> Iterator[Return]:
        rows = self.database.execute(f"{_SELECT} {rest}", values).fetchall()
        return (_return(*row) for row in rows)


def _body(one: Return) -> str:
    return json.dumps({name: getattr(one, name) for name in _KEPT}, separators=(",", ":"))


def _return(
    return_id: str,
    shop: str,
    order_id: str,
    user_id: str,
    return_type: str,
    status: str,
    created_at: int,
    updated_at: int,
    body: str,
) -> Return:
    return Return(
        return_id,
        shop,
        order_id,
        user_id,
        return_type,
        ReturnStatus(status),
        created_at,
        updated_at,
        **json.loads(body),
    )
