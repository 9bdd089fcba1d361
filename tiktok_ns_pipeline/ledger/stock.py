"""The books of stock: NetSuite's number, what it does not know yet, and TikTok's number, as one sum.

Every movement is a row in `stock_positions` and is added to its balance in the same transaction.
Four *accounts* have balances, one for each key (shop, SKU, place):

    netsuite      what NetSuite can still promise of an item at a Location, in NetSuite units
    uncommitted   what TikTok sold of an item from a warehouse and NetSuite does not know, in NetSuite units
    tiktok        what TikTok shows of a SKU in a warehouse, in TikTok units
    unseen        what TikTok shows less of a SKU than the known orders explain, in TikTok units

What an order takes is posted as the difference between what it should hold and what it holds, so
that an order seen twice changes nothing. A sale may be seen after a reading of TikTok's number that
it had already lowered; then it is `explained` against that reading.

Invariants: a balance is the sum of its rows; what orders and unseen sales hold is the uncommitted
balance; one writer at a time posts, so that a later row has a larger id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.cursors import Cursors
from tiktok_ns_pipeline.ledger.database import insert_or_update
from tiktok_ns_pipeline.tiktok.slot import Slot

Account = Literal["netsuite", "uncommitted", "tiktok", "unseen"]
MovementKind = Literal[
    "snapshot",
    "sale",
    "commit",
    "cancellation",
    "push",
    "read_back",
    "unseen",
    "explained",
    "dismissed",
    "opening",
]

_ZERO = Decimal(0)
_UNSEEN = "unseen "
_MOST_PARAMETERS = 400
_WRITERS_LOCK = 7402119
_ROLLED_UP = "stock:rolled_up"
_MILLIONTH = Decimal("0.000001")
_KEY = ("account", "shop", "sku", "place")


class StockKey(NamedTuple):
    """Whose balance: for `netsuite` the item and Location (no shop), for `uncommitted` the item and
    TikTok warehouse, for `tiktok` and `unseen` the TikTok SKU and warehouse."""

    account: Account
    shop: str
    sku: str
    place: str


def netsuite_key(item_id: str, location_id: str) -> StockKey:
    """The balance of an item at a Location."""
    return StockKey("netsuite", "", item_id, location_id)


def uncommitted_key(shop: str, item_id: str, warehouse_id: str) -> StockKey:
    """The balance of what a shop sold of an item from a TikTok warehouse, unknown to NetSuite."""
    return StockKey("uncommitted", shop, item_id, warehouse_id)


def tiktok_key(slot: Slot) -> StockKey:
    """The balance of what TikTok shows."""
    return StockKey("tiktok", *slot)


@dataclass(frozen=True, slots=True)
class Movement:
    """A row to be posted."""

    key: StockKey
    movement: MovementKind
    quantity: Decimal
    reference: str = ""
    """The order, or the version of the push, that moved it."""
    happened_at: datetime | None = None
    """When the other system moved it, where that is known; a row is posted later."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a balance really is, read or written in the other system."""

    key: StockKey
    quantity: Decimal
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """A posted row."""

    id: int
    key: StockKey
    movement: str
    quantity: Decimal
    reference: str
    at: datetime
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of a key's rows."""

    quantity: Decimal
    position_id: int
    """Newest row: the version."""
    changed_at: datetime
    read_at: datetime | None
    """When the other system last stated it; None: never, so that the quantity is not the whole."""


@dataclass(frozen=True, slots=True)
class OrderHold:
    """What an order takes now."""

    shop: str
    order_id: str
    placed_at: datetime
    uncommitted: Mapping[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])
    """NetSuite units by (item id, TikTok warehouse id)."""
    sold: Mapping[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])
    """TikTok units by (TikTok SKU id, warehouse id), taken off TikTok's number."""
    changed_at: datetime | None = None
    """When units of it were cancelled, as far as known."""
    leaves_by: Literal["commit", "cancellation"] = "cancellation"
    """Why it holds less than before: NetSuite shows its Sales Order, or units were cancelled."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the rows of an order sum to, without what is nothing."""

    uncommitted: dict[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])
    sold: dict[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])


@dataclass(frozen=True, slots=True)
class Unseen:
    """TikTok units that are gone from TikTok's number without an order that we know."""

    units: Decimal
    since: datetime
    """When it last changed."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A balance that is not what it should be the sum of."""

    key: StockKey
    balance: Decimal
    rows: Decimal
    summed: Literal["positions", "holds"]


_INSERT = sa.insert(schema.stock_positions)
_BALANCES = sa.select(
    *(schema.stock_balances.c[name] for name in (*_KEY, "quantity", "position_id", "changed_at", "read_at"))
)
_NEWEST = sa.select(sa.func.coalesce(sa.func.max(schema.stock_positions.c.id), 0))
_ADD = insert_or_update(
    schema.stock_balances, key=_KEY, changing=["position_id", "changed_at"], adding=["quantity"]
)
_READ = insert_or_update(schema.stock_balances, key=_KEY, changing=["read_at"])
_HOLD = insert_or_update(
    schema.stock_holds,
    key=["account", "shop", "reference", "sku", "place"],
    changing=["changed_at"],
    adding=["quantity"],
)


class Stock:
    """The books, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._is_alone = False

    # Posting

    def post(self, movements: Sequence[Movement]) -> None:
        """Post rows and add them to their balances. ValueError for a quantity finer than a millionth."""
        if not movements:
            return
        self._be_alone()
        newest = self.newest_position()
        sums: dict[StockKey, tuple[Decimal, int]] = {}
        held: dict[tuple[StockKey, str], Decimal] = {}
        rows: list[dict[str, object]] = []
        for identity, each in enumerate(movements, newest + 1):
            rows.append(
                {
                    "id": identity,
                    **each.key._asdict(),
                    "movement": each.movement,
                    "quantity": each.quantity,
                    "reference": each.reference,
                    "at": self._now,
                    "happened_at": each.happened_at,
                }
            )
            sums[each.key] = (sums.get(each.key, (_ZERO, 0))[0] + each.quantity, identity)
            if _is_held(each):
                place = (each.key, each.reference)
                held[place] = held.get(place, _ZERO) + each.quantity
        self._connection.execute(_INSERT, rows)
        self._connection.execute(
            _ADD,
            [
                {**key._asdict(), "quantity": quantity, "position_id": identity, "changed_at": self._now}
                for key, (quantity, identity) in sums.items()
            ],
        )
        if held:
            self._connection.execute(
                _HOLD,
                [
                    {**key._asdict(), "reference": reference, "quantity": quantity, "changed_at": self._now}
                    for (key, reference), quantity in held.items()
                ],
            )

    def set_balances(
        self,
        movement: Literal["snapshot", "push", "read_back"],
        readings: Sequence[Reading],
        *,
        known: Sequence[Movement] = (),
        at: datetime | None = None,
    ) -> list[Movement]:
        """Set balances to what they are, by rows of the difference. Returns the rows that were posted.

        `known` are rows that explain a part of the difference, such as `commit`s in a snapshot; they are
        posted first. `at` is when the reading was taken, now if not told. A first reading is posted even
        where it is nothing.
        """
        self._be_alone()
        self.post(known)
        balances = self.balances([reading.key for reading in readings])
        return [*known, *self._set(movement, readings, balances, at or self._now)]

    def _set(
        self,
        movement: MovementKind,
        readings: Sequence[Reading],
        balances: Mapping[StockKey, Balance],
        at: datetime,
    ) -> list[Movement]:
        posted: list[Movement] = []
        for reading in {reading.key: reading for reading in readings}.values():
            balance = balances.get(reading.key)
            difference = reading.quantity - (balance.quantity if balance else _ZERO)
            if difference or balance is None:
                posted.append(Movement(reading.key, movement, difference, reading.reference))
        self.post(posted)
        if readings:
            self._connection.execute(
                _READ,
                [
                    {
                        **key._asdict(),
                        "quantity": _ZERO,
                        "position_id": 0,
                        "changed_at": self._now,
                        "read_at": at,
                    }
                    for key in dict.fromkeys(reading.key for reading in readings)
                ],
            )
        return posted

    def read_back(
        self,
        actual: Mapping[Slot, int],
        parts: Mapping[tuple[str, str], Mapping[str, Decimal]],
        *,
        at: datetime | None = None,
        reference: str = "",
        most: Callable[[Sequence[Slot]], Mapping[Slot, int]] | None = None,
    ) -> dict[Slot, int]:
        """TikTok shows this. Returns by how much it differs from its balance, where it does.

        What it shows fewer is `unseen`: held for an order that we will see, of the items in `parts`
        ((shop, SKU id) -> item id -> NetSuite units in one unit). `most` is asked about slots that show
        fewer: so many units can have been sold. What it shows more ends `unseen` again. A first reading
        differs from nothing.
        """
        self._be_alone()
        before = self.balances([tiktok_key(slot) for slot in actual])
        self._set(
            "read_back",
            [Reading(tiktok_key(slot), Decimal(units), reference) for slot, units in actual.items()],
            before,
            at or self._now,
        )
        differs: dict[Slot, int] = {}
        for slot, units in actual.items():
            balance = before.get(tiktok_key(slot))
            if balance is not None and balance.read_at is not None and balance.quantity != units:
                differs[slot] = int(units - balance.quantity)
        unseen = self.unseen(differs)
        fallen = [slot for slot, difference in differs.items() if difference < 0]
        limits: Mapping[Slot, int] = most(fallen) if most is not None and fallen else {}
        for slot, difference in differs.items():
            if difference < 0:
                units = min(-difference, limits.get(slot, -difference))
                self.book_unseen(slot, Decimal(units), parts.get((slot.shop, slot.sku_id), {}))
            elif slot in unseen:
                self.dismiss_unseen(slot, min(Decimal(difference), unseen[slot].units))
        return differs

    # Orders

    def hold(self, orders: Sequence[OrderHold]) -> list[Movement]:
        """Post what these orders take now, as the difference to what they hold. Returns the rows.

        What an order from before the last roll-up had taken off TikTok's number is not known any more, so
        such an order takes nothing anew.
        """
        self._be_alone()
        held = self.held([(order.shop, order.order_id) for order in orders])
        slots = {Slot(order.shop, *slot) for order in orders for slot in order.sold} | {
            Slot(shop, *slot) for (shop, _), each in held.items() for slot in each.sold
        }
        balances = self.balances([tiktok_key(slot) for slot in slots])
        read_at = {key: balance.read_at for key, balance in balances.items()}
        rows: dict[tuple[str, str], list[Movement]] = {}
        for order in orders:
            name = (order.shop, order.order_id)
            has = held.get(name, Held())
            if not has.sold and self._is_rolled_up(order.placed_at):
                taken = replace(order, sold={}, uncommitted=order.uncommitted if has.uncommitted else {})
            else:
                taken = order
            rows[name] = list(_of_order(taken, has, read_at))
        posted = [row for each in rows.values() for row in each]
        self.post(posted)
        for (_, order_id), each in rows.items():
            posted += self._explain(order_id, each)
        return posted

    def held(self, orders: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Held]:
        """What orders, given by (shop, order id), hold; orders without rows are left out."""
        by_shop: dict[str, list[str]] = {}
        for shop, order_id in orders:
            by_shop.setdefault(shop, []).append(order_id)
        table = schema.stock_holds
        found: dict[tuple[str, str], Held] = {}
        for shop, ids in by_shop.items():
            for some in _chunks(ids):
                statement = sa.select(table).where(
                    table.c.account.in_(["uncommitted", "tiktok"]),
                    table.c.shop == shop,
                    table.c.reference.in_(some),
                )
                for row in self._connection.execute(statement).mappings():
                    each = found.setdefault((shop, row["reference"]), Held())
                    if row["quantity"]:
                        # A sale lowers TikTok's number and is held as a positive quantity.
                        sold = row["account"] == "tiktok"
                        sums = each.sold if sold else each.uncommitted
                        sums[(row["sku"], row["place"])] = -row["quantity"] if sold else row["quantity"]
        return found

    def uncommitted_orders(self, shop: str | None = None) -> list[tuple[str, str]]:
        """(shop, order id) of every order that NetSuite does not know yet: whose Sales Order to look for."""
        table = schema.stock_holds
        statement = sa.select(table.c.shop, table.c.reference).where(schema.IS_HELD).distinct()
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        rows = self._connection.execute(statement.order_by(table.c.shop, table.c.reference))
        return [(of_shop, reference) for of_shop, reference in rows if not reference.startswith(_UNSEEN)]

    def holders(self, item_id: str) -> dict[tuple[str, str, str], Decimal]:
        """What of an item is held for orders, and for sales unseen, by (shop, reference, warehouse)."""
        return self.holders_of([item_id]).get(item_id, {})

    def holders_of(self, items: Collection[str]) -> dict[str, dict[tuple[str, str, str], Decimal]]:
        """The same of several items, by item; those of which nothing is held are left out."""
        table = schema.stock_holds
        found: dict[str, dict[tuple[str, str, str], Decimal]] = {}
        for some in _chunks(sorted(set(items))):
            statement = sa.select(table).where(schema.IS_HELD, table.c.sku.in_(some))
            for row in self._connection.execute(statement):
                found.setdefault(row.sku, {})[(row.shop, row.reference, row.place)] = row.quantity
        return found

    # Unseen sales

    def book_unseen(self, slot: Slot, units: Decimal, parts: Mapping[str, Decimal]) -> None:
        """TikTok sold units by an order that we do not know; hold their items until it shows.

        `parts` are the NetSuite units of each item in one unit; without any, nothing can be held.
        """
        if not parts or not units:
            return
        reference = _UNSEEN + slot.sku_id
        rows = [Movement(StockKey("unseen", *slot), "unseen", units)]
        for item_id, quantity in parts.items():
            key = uncommitted_key(slot.shop, item_id, slot.warehouse_id)
            rows.append(Movement(key, "unseen", quantity * units, reference))
        self.post(rows)

    def dismiss_unseen(self, slot: Slot, units: Decimal | None = None) -> list[Movement]:
        """No order stands behind so many unseen units (all of them if not told). Returns the rows."""
        known = self.unseen([slot]).get(slot)
        if known is None:
            return []
        return self._end_unseen(slot, known.units, min(units or known.units, known.units), "dismissed", "")

    def unseen(self, slots: Iterable[Slot] | None = None) -> dict[Slot, Unseen]:
        """What is unseen, of some slots or of all."""
        keys = None if slots is None else [StockKey("unseen", *slot) for slot in slots]
        found = self.of_account("unseen") if keys is None else self.balances(keys)
        return {
            Slot(*key[1:]): Unseen(balance.quantity, balance.changed_at)
            for key, balance in found.items()
            if balance.quantity
        }

    def unseen_since_before(self, instant: datetime) -> dict[Slot, Decimal]:
        """Units that were unseen before an instant and still are, where there are such; what ended
        since was the oldest."""
        later: dict[Slot, Decimal] = {}
        for row in self.since("unseen", "unseen", instant):
            slot = Slot(*row.key[1:])
            later[slot] = later.get(slot, _ZERO) + row.quantity
        return {
            slot: left
            for slot, one in self.unseen().items()
            if (left := one.units - later.get(slot, _ZERO)) > 0
        }

    # Looking

    def balances(self, keys: Iterable[StockKey]) -> dict[StockKey, Balance]:
        """Balances of keys; what was never posted is left out, since unknown is not zero."""
        groups: dict[tuple[Account, str], set[str]] = {}
        wanted = set(keys)
        for key in wanted:
            groups.setdefault((key.account, key.shop), set()).add(key.sku)
        found: dict[StockKey, Balance] = {}
        for (account, shop), skus in groups.items():
            for key, balance in self.of_account(account, shop=shop, skus=skus).items():
                if key in wanted:
                    found[key] = balance
        return found

    def of_account(
        self, account: Account, *, shop: str | None = None, skus: Iterable[str] | None = None
    ) -> dict[StockKey, Balance]:
        """All balances of an account, or those of a shop, or of some SKUs (items)."""
        table = schema.stock_balances
        statement = _BALANCES.where(table.c.account == account)
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        statements = (
            [statement]
            if skus is None
            else [statement.where(table.c.sku.in_(some)) for some in _chunks(sorted(set(skus)))]
        )
        return {
            StockKey(*of_key): Balance(quantity, position_id, changed_at, read_at)
            for each in statements
            for *of_key, quantity, position_id, changed_at, read_at in self._connection.execute(each)
        }

    def newest(self, account: Account, skus: Iterable[str]) -> dict[str, int]:
        """The id of the newest row of each SKU (item) over all shops and places: its version."""
        table = schema.stock_balances
        found: dict[str, int] = {}
        for some in _chunks(sorted(set(skus))):
            statement = (
                sa.select(table.c.sku, sa.func.max(table.c.position_id))
                .where(table.c.account == account, table.c.sku.in_(some))
                .group_by(table.c.sku)
            )
            found.update((sku, identity) for sku, identity in self._connection.execute(statement))
        return found

    def positions(
        self,
        account: Account,
        sku: str,
        *,
        shop: str | None = None,
        place: str | None = None,
        limit: int = 200,
    ) -> list[Position]:
        """The newest rows of a SKU (item), newest first."""
        table = schema.stock_positions
        statement = sa.select(table).where(table.c.account == account, table.c.sku == sku)
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        if place is not None:
            statement = statement.where(table.c.place == place)
        return self._positions(statement.order_by(table.c.id.desc()).limit(limit))

    def since(
        self, account: Account, movement: MovementKind, instant: datetime, *, after: int = 0
    ) -> list[Position]:
        """Rows of one movement posted at or after an instant, and after the row `after`, oldest first: of
        what rates are made."""
        table = schema.stock_positions
        statement = sa.select(table).where(
            table.c.account == account, table.c.movement == movement, table.c.at >= instant
        )
        if after:
            statement = statement.where(table.c.id > after)
        return self._positions(statement.order_by(table.c.at, table.c.id))

    def newest_position(self) -> int:
        """The id of the newest row; 0 where there is none."""
        return self._connection.execute(_NEWEST).scalar_one()

    def moved_after(self, position_id: int) -> dict[StockKey, datetime]:
        """The balances that moved by rows newer than that one, and when each of them did so first."""
        table = schema.stock_positions
        statement = sa.select(*(table.c[name] for name in _KEY), table.c.at).where(table.c.id > position_id)
        found: dict[StockKey, datetime] = {}
        for *of_key, at in self._connection.execute(statement.order_by(table.c.id)):
            found.setdefault(StockKey(*of_key), at)
        return found

    def not_read_since(self, account: Account, instant: datetime) -> dict[StockKey, datetime]:
        """Balances that are something, and that the other system stated last before an instant: when."""
        table = schema.stock_balances
        statement = sa.select(*(table.c[name] for name in _KEY), table.c.read_at).where(
            table.c.account == account, table.c.read_at < instant, table.c.quantity != _ZERO
        )
        return {StockKey(*of_key): read_at for *of_key, read_at in self._connection.execute(statement)}

    def verify(self) -> list[Mismatch]:
        """Balances that are not the sum of their rows, or of what orders hold. Reads everything."""
        positions, holds = schema.stock_positions, schema.stock_holds
        balances = {
            key: balance.quantity
            for account in ("netsuite", "uncommitted", "tiktok", "unseen")
            for key, balance in self.of_account(account).items()
        }
        rows = self._sums(positions)
        held = self._sums(holds, holds.c.account == "uncommitted")
        wrong = [
            Mismatch(key, balances.get(key, _ZERO), rows.get(key, _ZERO), "positions")
            for key in sorted(balances.keys() | rows.keys())
            if balances.get(key, _ZERO) != rows.get(key, _ZERO)
        ]
        uncommitted = {key for key in balances if key.account == "uncommitted"} | held.keys()
        wrong += [
            Mismatch(key, balances.get(key, _ZERO), held.get(key, _ZERO), "holds")
            for key in sorted(uncommitted)
            if balances.get(key, _ZERO) != held.get(key, _ZERO)
        ]
        return wrong

    # Retention

    def roll_up(self, before: datetime, *, limit: int = 1_000) -> int:
        """Replace the rows of up to `limit` keys from before an instant by one `opening` row each.

        Returns how many rows went away; zero when all is done. No balance changes. What orders hold that
        NetSuite knows, and that did not change since, is forgotten.
        """
        self._be_alone()
        table = schema.stock_positions
        key = [table.c[name] for name in _KEY]
        statement = (
            sa.select(*key, sa.func.sum(table.c.quantity), sa.func.max(table.c.id), sa.func.max(table.c.at))
            .add_columns(sa.func.count())
            .where(table.c.at < before)
            .group_by(*key)
            .having(sa.func.count() > 1)
            .limit(limit)
        )
        groups = self._connection.execute(statement).all()
        gone = 0
        for *of_key, quantity, newest, at, count in groups:
            self._connection.execute(
                sa.delete(table).where(
                    *(column == value for column, value in zip(key, of_key, strict=True)), table.c.at < before
                )
            )
            self._connection.execute(
                _INSERT,
                {
                    **StockKey(*of_key)._asdict(),
                    "id": newest,
                    "movement": "opening",
                    "quantity": quantity,
                    "reference": "",
                    "at": at,
                },
            )
            gone += count - 1
        holds = schema.stock_holds
        self._connection.execute(
            sa.delete(holds).where(
                holds.c.changed_at < before, sa.or_(holds.c.account == "tiktok", holds.c.quantity == _ZERO)
            )
        )
        Cursors(self._connection, self._now).advance(_ROLLED_UP, before.astimezone(UTC).isoformat())
        return gone

    # Inside

    def _be_alone(self) -> None:
        """PostgreSQL lets several write; two that set a balance at once would both post the difference.
        SQLite has one writer by itself."""
        if not self._is_alone and self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
        self._is_alone = True

    def _explain(self, order_id: str, rows: Sequence[Movement]) -> list[Movement]:
        """Unseen units that this order's sale explains, where TikTok's number was read since."""
        told = {
            Slot(*row.key[1:]): row.quantity
            for row in rows
            if row.key.account == "tiktok" and row.movement == "explained" and row.quantity > 0
        }
        unseen = self.unseen(told)
        return [
            row
            for slot, known in unseen.items()
            for row in self._end_unseen(
                slot, known.units, min(known.units, told[slot]), "explained", order_id
            )
        ]

    def _end_unseen(
        self,
        slot: Slot,
        known: Decimal,
        units: Decimal,
        movement: Literal["explained", "dismissed"],
        reference: str,
    ) -> list[Movement]:
        table = schema.stock_holds
        holds = self._connection.execute(
            sa.select(table.c.sku, table.c.quantity).where(
                table.c.account == "uncommitted",
                table.c.shop == slot.shop,
                table.c.reference == _UNSEEN + slot.sku_id,
                table.c.place == slot.warehouse_id,
                table.c.quantity != _ZERO,
            )
        ).all()
        rows = [Movement(StockKey("unseen", *slot), movement, -units, reference)]
        for item_id, quantity in holds:
            # What one unit consists of may have changed since, so the share of what is held counts.
            part = quantity if units == known else (quantity * units / known).quantize(_MILLIONTH)
            key = uncommitted_key(slot.shop, item_id, slot.warehouse_id)
            rows.append(Movement(key, movement, -part, _UNSEEN + slot.sku_id))
        self.post(rows)
        return rows

    def _is_rolled_up(self, placed_at: datetime) -> bool:
        before = Cursors(self._connection, self._now).get(_ROLLED_UP)
        return before is not None and placed_at < datetime.fromisoformat(before)

    def _positions(self, statement: sa.Select[tuple[object, ...]]) -> list[Position]:
        return [
            Position(
                row.id,
                StockKey(row.account, row.shop, row.sku, row.place),
                row.movement,
                row.quantity,
                row.reference,
                row.at,
                row.happened_at,
            )
            for row in self._connection.execute(statement)
        ]

    def _sums(self, table: sa.Table, *which: sa.ColumnElement[bool]) -> dict[StockKey, Decimal]:
        key = [table.c[name] for name in _KEY]
        statement = sa.select(*key, sa.func.sum(table.c.quantity)).where(*which).group_by(*key)
        return {StockKey(*of_key): quantity for *of_key, quantity in self._connection.execute(statement)}


def _is_held(movement: Movement) -> bool:
    """Whether a row counts to what its order holds: not where it answers for a reading."""
    if movement.key.account == "uncommitted":
        return True
    return movement.key.account == "tiktok" and movement.movement in ("sale", "cancellation")


def _of_order(
    order: OrderHold, held: Held, read_at: Mapping[StockKey, datetime | None]
) -> Iterator[Movement]:
    """The rows by which an order comes to hold what it should."""
    for (item_id, warehouse_id), more in _differences(order.uncommitted, held.uncommitted):
        key = uncommitted_key(order.shop, item_id, warehouse_id)
        happened = order.placed_at if more > 0 else None
        yield Movement(key, "sale" if more > 0 else order.leaves_by, more, order.order_id, happened)
    for (sku_id, warehouse_id), more in _differences(order.sold, held.sold):
        key = tiktok_key(Slot(order.shop, sku_id, warehouse_id))
        read, happened = read_at.get(key), order.placed_at if more > 0 else order.changed_at
        yield Movement(key, "sale" if more > 0 else "cancellation", -more, order.order_id, happened)
        if read is not None and happened is not None and happened <= read:
            yield Movement(key, "explained", more, order.order_id)


def _differences(
    should: Mapping[tuple[str, str], Decimal], held: Mapping[tuple[str, str], Decimal]
) -> Iterator[tuple[tuple[str, str], Decimal]]:
    for key in sorted(should.keys() | held.keys()):
        if more := should.get(key, _ZERO) - held.get(key, _ZERO):
            yield key, more


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _MOST_PARAMETERS):
        yield texts[start : start + _MOST_PARAMETERS]
