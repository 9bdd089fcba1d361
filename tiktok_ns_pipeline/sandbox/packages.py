"""Packages, and where the world keeps them (T 4.2 to 4.4).

A package holds units (line ids) of one order, or of several when it is combined. It is *open* until
somebody arranges its shipment, and *live* until it is cancelled. Packages change as orders are split
and combined; the lasting key is the unit.

Invariant: a unit is in at most one live package. A package's id follows from its first order's, so
that it does not depend on what else happened in the world.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tiktok_ns_pipeline.sandbox.paging import Listing, page_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
    number INTEGER PRIMARY KEY,
    package_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    state TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    order_pay_time INTEGER NOT NULL,
    tracking TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS packages_by_update ON packages (shop, update_time, number);
CREATE INDEX IF NOT EXISTS packages_by_tracking ON packages (tracking) WHERE tracking IS NOT NULL;
CREATE TABLE IF NOT EXISTS package_orders (
    order_id TEXT NOT NULL,
    package_id TEXT NOT NULL,
    PRIMARY KEY (order_id, package_id)
) WITHOUT ROWID;
"""

_FIRST_ID = 1_152_000_000_000_000_000
_ID_STEP = 1_009


class PackageState(StrEnum):
    """States of a package (T 3.5, 4.3)."""

    to_fulfil = "TO_FULFILL"
    processing = "PROCESSING"
    fulfilling = "FULFILLING"
    completed = "COMPLETED"
    cancelled = "CANCELLED"


@dataclass(slots=True)
class Package:
    """One package. Times are Unix seconds of the world's clock."""

    id: str
    shop: str
    """Key of the shop."""
    lines: dict[str, list[str]]
    """Order id -> ids of its units in here."""
    created_at: int
    updated_at: int
    paid_at: int
    state: PackageState = PackageState.to_fulfil
    tag: str = "DEFAULT"
    """DEFAULT, SPLIT or COMBINE."""
    by_seller: bool = True
    tracking: str = ""
    provider_id: str = ""
    provider_name: str = ""
    handover_method: str = ""
    pickup_slot: tuple[int, int] | None = None
    arranged_at: int | None = None
    collected_at: int | None = None
    delivered_at: int | None = None
    tracking_updates: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it was not cancelled."""
        return self.state is not PackageState.cancelled

    @property
    def is_open(self) -> bool:
        """Whether its shipment is still to be arranged."""
        return self.state is PackageState.to_fulfil

    @property
    def is_arranged(self) -> bool:
        """Whether it is on its way, or was delivered."""
        return self.is_live and not self.is_open

    @property
    def line_ids(self) -> list[str]:
        """Its units, of all its orders."""
        return [line for lines in self.lines.values() for line in lines]


_KEPT = (
    "lines",
    "tag",
    "by_seller",
    "provider_id",
    "provider_name",
    "handover_method",
    "pickup_slot",
    "arranged_at",
    "collected_at",
    "delivered_at",
    "tracking_updates",
)
_SELECT = (
    "SELECT package_id, shop, state, create_time, update_time, order_pay_time, tracking, body FROM packages"
)
_OPEN_OF_BUYERS = """
FROM packages
JOIN package_orders USING (package_id)
JOIN orders USING (order_id)
WHERE packages.shop = ? AND packages.state = 'TO_FULFILL'
"""
_REPEATED = f"""
SELECT orders.user_id, packages.package_id, packages.shop, packages.state, packages.create_time,
       packages.update_time, packages.order_pay_time, packages.tracking, packages.body
{_OPEN_OF_BUYERS}
AND orders.user_id IN (
    SELECT orders.user_id {_OPEN_OF_BUYERS} GROUP BY orders.user_id HAVING count(*) > 1
)
ORDER BY packages.number
"""
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class PackageFilter:
    """Which packages a list asks for; `_lt` is exclusive."""

    shop: str
    sort_field: str = "create_time"
    ascending: bool = False
    create_time_ge: int | None = None
    create_time_lt: int | None = None
    update_time_ge: int | None = None
    update_time_lt: int | None = None
    state: str | None = None


@dataclass(slots=True)
class PackageStore:
    """The packages in the world's database. Every change belongs in the world's transaction."""

    database: sqlite3.Connection

    def new_id(self, order_id: str) -> str:
        """The id for the next package whose first order is this one."""
        row = self.database.execute(
            "SELECT count(*) FROM package_orders WHERE order_id = ?", (order_id,)
        ).fetchone()
        number = _FIRST_ID + int(order_id) % 1_000_000_000_000 + row[0] * _ID_STEP
        while self.package(str(number)) is not None:
            number += 1
        return str(number)

    def add(self, package: Package) -> None:
        """Keep a new package."""
        self.database.execute(
            "INSERT INTO packages (package_id, shop, state, create_time, update_time, order_pay_time,"
            " tracking, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                package.id,
                package.shop,
                package.state.value,
                package.created_at,
                package.updated_at,
                package.paid_at,
                package.tracking or None,
                _body(package),
            ),
        )
        self.database.executemany(
            "INSERT INTO package_orders VALUES (?, ?)", [(order, package.id) for order in package.lines]
        )

    def save(self, package: Package) -> None:
        """Keep what was changed."""
        self.database.execute(
            "UPDATE packages SET state = ?, update_time = ?, tracking = ?, body = ? WHERE package_id = ?",
            (
                package.state.value,
                package.updated_at,
                package.tracking or None,
                _body(package),
                package.id,
            ),
        )

    def package(self, package_id: str) -> Package | None:
        """The package with that id, or None."""
        return next(self._read("WHERE package_id = ?", (package_id,)), None)

    def of_order(self, order_id: str) -> list[Package]:
        """Every package with units of the order, cancelled ones too, oldest first."""
        held = self._read(
            "WHERE package_id IN (SELECT package_id FROM package_orders WHERE order_id = ?) ORDER BY number",
            (order_id,),
        )
        return [package for package in held if order_id in package.lines]

    def with_tracking(self, tracking: str) -> list[Package]:
        """The live packages that go by this tracking number."""
        return list(self._read("WHERE tracking = ? AND state != 'CANCELLED'", (tracking,)))

    def open_of_repeated_buyers(self, shop: str) -> list[tuple[str, Package]]:
        """(buyer's user id, package) of open packages whose buyer has more than one, oldest first."""
        rows = self.database.execute(_REPEATED, (shop, shop)).fetchall()
        return [(user_id, _package(*row)) for user_id, *row in rows]

    def page(self, wanted: PackageFilter, offset: int, limit: int) -> tuple[list[Package], int]:
        """A page of a list, and how many packages the whole list has."""
        tests = [
            ("shop = ?", wanted.shop),
            ("create_time >= ?", wanted.create_time_ge),
            ("create_time < ?", wanted.create_time_lt),
            ("update_time >= ?", wanted.update_time_ge),
            ("update_time < ?", wanted.update_time_lt),
            ("state = ?", wanted.state),
        ]
        listing = Listing("packages", _SELECT, wanted.sort_field, wanted.ascending, tests)
        rows, count = page_of(self.database, listing, offset, limit)
        return [_package(*row) for row in rows], count

    def _read(self, rest: str, values: Iterable[Any]) -> Iterator[Package]:
        rows = self.database.execute(f"{_SELECT} {rest}", tuple(values)).fetchall()
        return (_package(*row) for row in rows)


def _body(package: Package) -> str:
    return _encode({name: getattr(package, name) for name in _KEPT})


def _package(
    package_id: str,
    shop: str,
    state: str,
    created_at: int,
    updated_at: int,
    paid_at: int,
    tracking: str | None,
    body: str,
) -> Package:
    kept = json.loads(body)
    slot = kept.pop("pickup_slot")
    return Package(
        id=package_id,
        shop=shop,
        state=PackageState(state),
        created_at=created_at,
        updated_at=updated_at,
        paid_at=paid_at,
        tracking=tracking or "",
        pickup_slot=None if slot is None else (slot[0], slot[1]),
        **kept,
    )
