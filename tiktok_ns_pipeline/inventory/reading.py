"""Reading stock from NetSuite so that it can be set off against what TikTok sold (N 3.1-3.6).

An order counts against NetSuite's number until that number holds it. So a reading tells both in one
statement, which is consistent in itself: what is available, and which of the *candidate* Sales Orders
exist. Two statements would count an order twice that is saved between them, or not at all.

A *full* reading goes through all items by keyset; each of its statements asks for all candidates, since
it is consistent only for the items that it tells. A *touched* reading tells the items of transactions
that were saved since an instant of the account's own clock, the members of kits among them, and the items
of the candidates.

What leaves nothing to find is seen by the next full reading only: a transaction that was deleted, and
with it what it held or moved; a kit inside of a kit that another channel sold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tiktok_ns_pipeline.inventory.pools import Draw
from tiktok_ns_pipeline.netsuite.client import PAGE_ROWS, NetSuiteClient
from tiktok_ns_pipeline.netsuite.values import to_decimal

MOST_CANDIDATES = 400
"""Sales Orders that one statement asks for; their rows leave room for stock on its page."""

_MOST_ITEMS = 400

PENDING_APPROVAL = "A"
"""A Sales Order in this state commits nothing yet (N 2.12)."""

Place = tuple[str, str]
"""Item id and Location id."""


@dataclass(frozen=True, slots=True)
class Available:
    """What NetSuite says of one item at one Location, in NetSuite units; None where it gives no number."""

    available: Decimal | None
    on_hand: Decimal | None
    committed: Decimal | None
    backordered: Decimal | None
    in_transit: Decimal | None


@dataclass(slots=True)
class Statement:
    """What one statement told."""

    stock: dict[Place, Available] = field(default_factory=dict[Place, Available])
    sales_orders: dict[str, str] = field(default_factory=dict[str, str])
    """Status letter by external id, in lower case, of the candidates that exist."""
    malformed: dict[Place, str] = field(default_factory=dict[Place, str])
    """Places of which a number cannot be read, and why."""
    items: frozenset[str] = frozenset()
    """Items that were asked for by name."""
    locations: tuple[str, ...] = ()
    beyond: int | None = None
    until: int | None = None
    """All items between these ids were asked for; without an upper one all that follow."""
    saved_until: str | None = None
    """The newest change of a transaction since the asked instant, on the account's clock."""

    def covers(self, item_id: str) -> bool:
        """Whether what it tells of Sales Orders and of this item is of one moment."""
        if self.beyond is None:
            return item_id in self.items or any((item_id, each) in self.stock for each in self.locations)
        return int(item_id) > self.beyond and (self.until is None or int(item_id) <= self.until)


_STOCK = """
SELECT 2 AS kind, q.item AS item, q.location AS location, q.quantityavailable AS available,
       q.quantityonhand AS on_hand, q.quantitycommitted AS committed,
       q.quantitybackordered AS backordered, q.quantityintransit AS in_transit,
       NULL AS name, NULL AS status
FROM inventoryitemlocations q
WHERE q.location IN ({locations})"""

_SALES_ORDERS = """
UNION ALL
SELECT 1 AS kind, NULL AS item, NULL AS location, NULL AS available, NULL AS on_hand, NULL AS committed,
       NULL AS backordered, NULL AS in_transit, LOWER(t.externalid) AS name, t.status AS status
FROM transaction t
WHERE t.type = 'SalesOrd'
  AND t.externalid IN ({names})"""

_SAVED_UNTIL = """
UNION ALL
SELECT 0 AS kind, NULL AS item, NULL AS location, NULL AS available, NULL AS on_hand, NULL AS committed,
       NULL AS backordered, NULL AS in_transit,
       TO_CHAR(MAX(t.lastmodifieddate), 'YYYY-MM-DD HH24:MI:SS') AS name, NULL AS status
FROM transaction t
WHERE t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')"""

_ORDERED = """
ORDER BY kind ASC, item ASC, location ASC"""

_TOUCHED = """
  AND (q.item IN (
        SELECT l.item
        FROM transactionline l
        JOIN transaction t ON t.id = l.transaction
        WHERE t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
          AND l.item IS NOT NULL)
    OR q.item IN (
        SELECT m.item
        FROM itemmember m
        JOIN transactionline l ON l.item = m.parentitem
        JOIN transaction t ON t.id = l.transaction
        WHERE t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS'))"""
# A line for a kit holds its members, which it does not name. The other way there is nothing to find: a
# kit has no stock of its own, and what it is enough for is decided from its members.

NEWEST_SINCE = """
SELECT TO_CHAR(MAX(t.lastmodifieddate), 'YYYY-MM-DD HH24:MI:SS') AS modified_at
FROM transaction t
WHERE t.lastmodifieddate > TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')"""
"""One cheap question: was any transaction saved after an instant of the account's clock?"""

_MEMBERS = """
SELECT m.parentitem AS kit, m.item AS item, m.quantity AS quantity
FROM itemmember m
JOIN item k ON k.id = m.parentitem
WHERE k.itemtype = 'Kit'
ORDER BY m.parentitem ASC, m.item ASC"""


class StockReader:
    """Asks NetSuite about stock. Raises NetSuiteError."""

    def __init__(self, netsuite: NetSuiteClient, locations: Iterable[str]) -> None:
        """`locations` are those whose stock is published or mirrored."""
        self._netsuite = netsuite
        self._locations = sorted(locations, key=int)

    async def full(self, candidates: Sequence[str]) -> list[Statement]:
        """All items at the Locations, statement by statement; `candidates` are external ids."""
        statements: list[Statement] = []
        after = 0
        while self._locations:
            query, values = self._started("\n  AND q.item > ?", [str(after)])
            rows = await self._page(*_with_orders(query, values, candidates))
            last: int | None = None
            if len(rows) >= PAGE_ROWS:
                # The last item of a full page may go on beyond it: it belongs to the next one.
                cut = rows[-1]["item"]
                rows = [row for row in rows if row.get("item") != cut]
                last = int(cut) - 1
            statements.append(_told(rows, beyond=after, until=last))
            if last is None:
                break
            after = last
        return statements

    async def touched(self, since: str, items: Sequence[str], candidates: Sequence[str]) -> Statement | None:
        """What transactions saved since then touched, and these items; `since` is account time.

        None where that is more than one statement tells: then all has to be read.
        """
        named = list(dict.fromkeys(items))
        if len(named) > _MOST_ITEMS:
            return None
        text, values = _TOUCHED, [since, since]
        if named:
            text += f"\n    OR q.item IN ({_markers(named)})"
            values += named
        query, values = self._started(text + ")", values)
        query, values = _with_orders(query, values, candidates, ordered=False)
        rows = await self._page(query + _SAVED_UNTIL + _ORDERED, [*values, since])
        return None if len(rows) >= PAGE_ROWS else _told(rows, items=named, locations=self._locations)

    async def members(self) -> dict[str, tuple[Draw, ...]]:
        """What each kit item consists of, by its item id."""
        found: dict[str, list[Draw]] = {}
        for row in await self._netsuite.suiteql(_MEMBERS, lane="urgent"):
            member = Draw(row["item"], to_decimal(row.get("quantity")) or Decimal(1))
            found.setdefault(row["kit"], []).append(member)
        return {kit: tuple(members) for kit, members in found.items()}

    def _started(self, condition: str, values: Sequence[str]) -> tuple[str, list[str]]:
        stock = _STOCK.format(locations=_markers(self._locations))
        return stock + condition, [*self._locations, *values]

    async def _page(self, query: str, values: Sequence[str]) -> list[dict[str, str]]:
        """The first page only: a second one would be another statement."""
        return await self._netsuite.suiteql_page(query, values, lane="urgent")


def _with_orders(
    query: str, values: Sequence[str], candidates: Sequence[str], *, ordered: bool = True
) -> tuple[str, list[str]]:
    asked = list(candidates)[:MOST_CANDIDATES]
    text = query + (_SALES_ORDERS.format(names=_markers(asked)) if asked else "")
    return text + (_ORDERED if ordered else ""), [*values, *asked]


def _told(
    rows: Iterable[Mapping[str, str]],
    *,
    items: Iterable[str] = (),
    locations: Iterable[str] = (),
    beyond: int | None = None,
    until: int | None = None,
) -> Statement:
    told = Statement(items=frozenset(items), locations=tuple(locations), beyond=beyond, until=until)
    for row in rows:
        if row["kind"] == "0":
            told.saved_until = row.get("name")
        elif row["kind"] == "1":
            told.sales_orders[row["name"]] = row.get("status", "").rpartition(":")[2].strip()
        else:
            place = (row["item"], row["location"])
            try:
                told.stock[place] = Available(
                    *(
                        to_decimal(row.get(name))
                        for name in ("available", "on_hand", "committed", "backordered", "in_transit")
                    )
                )
            except ValueError as error:
                told.malformed[place] = str(error)
    return told


def _markers(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
