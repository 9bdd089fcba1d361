"""Reading what followed a business day's orders from both systems, in full and in both directions.

TikTok lists every order created on the day, with its units. NetSuite is asked for the Sales Orders of
exactly those orders, and for every Item Fulfillment and bill of these, whatever their date: what
follows an order follows it for weeks. Beside that it is asked for all Item Fulfillments of the shop
that are dated that day; those of orders that TikTok does not know are orphans. So a range of days is
the whole history: each order belongs to the day of its creation, each orphan to the day of its date.

Only the two systems are read, never our own records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from tiktok_ns_pipeline.reconciliation.fulfilments import sides
from tiktok_ns_pipeline.reconciliation.fulfilments.model import Bill, Fulfilment, SalesOrder
from tiktok_ns_pipeline.reconciliation.reading import (
    ReadOrder,
    Sources,
    asking,
    listed_orders,
    names_in,
    orders_named,
    query_text,
    sales_orders_of,
)
from tiktok_ns_pipeline.reconciliation.sides import external_id_prefix

_IDS_PER_QUERY = 500
"""An IN list takes 1,000 values (N 3.2); documents have several rows each, which come in pages."""

# Sales lines carry negative quantities and amounts, follow-up documents either (N 3.4).
ORDER_LINES = """
SELECT tl.transaction AS sales_order, tl.id AS line, tl.item, -tl.quantity AS quantity,
       -tl.foreignamount AS amount, tl.isclosed, $line_ids_field AS line_ids
FROM transactionline tl
WHERE tl.transaction IN ($markers)
  AND tl.mainline = 'F'
  AND tl.taxline = 'F'
ORDER BY tl.transaction ASC, tl.id ASC"""

FULFILMENT_LINES = """
SELECT f.id, f.tranid, f.status, TO_CHAR(f.trandate, 'YYYY-MM-DD') AS tran_date,
       TO_CHAR(f.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS modified_at,
       k.previousdoc AS sales_order, k.previousline AS order_line, tl.id AS line,
       ABS(tl.quantity) AS quantity, tl.kitmemberof
FROM previoustransactionlinelink k
JOIN transaction f ON f.id = k.nextdoc
JOIN transactionline tl ON tl.transaction = k.nextdoc AND tl.id = k.nextline
WHERE k.linktype = 'ShipRcpt'
  AND f.type = 'ItemShip'
  AND k.previousdoc IN ($markers)
ORDER BY f.id ASC, tl.id ASC"""

TRACKING_NUMBERS = """
SELECT m.transaction AS fulfilment, n.id, n.trackingnumber
FROM trackingnumbermap m
JOIN trackingnumber n ON n.id = m.trackingnumber
WHERE m.transaction IN ($markers)
ORDER BY m.transaction ASC, n.id ASC"""

BILL_LINES = """
SELECT b.id, b.tranid, b.status, b.foreigntotal, c.symbol AS currency,
       k.previousdoc AS sales_order, k.previousline AS order_line, tl.id AS line,
       -tl.quantity AS quantity, -tl.foreignamount AS amount
FROM previoustransactionlinelink k
JOIN transaction b ON b.id = k.nextdoc
JOIN transactionline tl ON tl.transaction = k.nextdoc AND tl.id = k.nextline
LEFT JOIN currency c ON c.id = b.currency
WHERE k.linktype = 'OrdBill'
  AND b.type IN ('CashSale', 'CustInvc')
  AND k.previousdoc IN ($markers)
ORDER BY b.id ASC, tl.id ASC"""

BILLS_NAMING_ORDERS = """
SELECT t.id, t.tranid, t.status, t.foreigntotal, c.symbol AS currency, $order_field AS order_id
FROM transaction t
LEFT JOIN currency c ON c.id = t.currency
WHERE t.type IN ('CashSale', 'CustInvc')
  AND $order_field IN ($markers)
ORDER BY t.id ASC"""

_FULFILMENTS_DATED = """
SELECT f.id, f.tranid, f.status, TO_CHAR(f.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS modified_at,
       t.id AS sales_order, t.externalid, $order_field AS order_id, $shop_field AS shop
FROM transaction f
JOIN (
    SELECT DISTINCT nextdoc, previousdoc
    FROM previoustransactionlinelink
    WHERE linktype = 'ShipRcpt'
) k ON k.nextdoc = f.id
JOIN transaction t ON t.id = k.previousdoc
WHERE f.type = 'ItemShip'
  AND f.trandate = TO_DATE(?, 'YYYY-MM-DD')"""

FULFILMENTS_OF_PREFIX = f"""{_FULFILMENTS_DATED}
  AND LOWER(t.externalid) LIKE ?
  AND f.id > {{after}}
ORDER BY f.id ASC"""

FULFILMENTS_OF_SHOP = f"""{_FULFILMENTS_DATED}
  AND (LOWER(t.externalid) LIKE ? OR $shop_field = ?)
  AND f.id > {{after}}
ORDER BY f.id ASC"""

_VOIDED = "V"


@dataclass(frozen=True, slots=True)
class Documents:
    """What NetSuite has of orders."""

    sales: tuple[SalesOrder, ...] = ()
    fulfilments: tuple[Fulfilment, ...] = ()
    bills: tuple[Bill, ...] = ()


@dataclass(frozen=True, slots=True)
class FulfilmentReading:
    """What both systems say of one shop's day."""

    orders: Mapping[str, ReadOrder]
    """By order id."""
    documents: Mapping[str, Documents]
    """By order id; orders without any are not in it."""
    orphans: tuple[Fulfilment, ...]
    """Of the day, without an order at TikTok."""
    tiktok_read_at: datetime
    netsuite_read_at: datetime


async def read_fulfilments(sources: Sources, day: date) -> FulfilmentReading:
    """Read a shop's business day from both systems. Raises SideUnread."""
    orders, tiktok_read_at = await listed_orders(sources, day)
    netsuite_read_at = sources.clock.now()
    documents = await _documents_of(sources, orders)
    orphans = await _orphans(sources, day, orders)
    return FulfilmentReading(orders, documents, orphans, tiktok_read_at, netsuite_read_at)


async def look_again(
    sources: Sources, reading: FulfilmentReading, day: date, order_ids: Iterable[str]
) -> FulfilmentReading:
    """The same reading with these orders and what NetSuite has of them read once more, and the
    orphans where there were any. Raises SideUnread."""
    names = sorted(order_ids)
    orders = {**reading.orders, **await orders_named(sources, names)}
    kept = {name: own for name, own in reading.documents.items() if name not in names}
    documents = {**kept, **await _documents_of(sources, {name: orders[name] for name in names})}
    orphans = await _orphans(sources, day, orders) if reading.orphans else ()
    return replace(reading, orders=orders, documents=documents, orphans=orphans)


@dataclass(slots=True)
class _Gathered:
    sales: list[SalesOrder] = field(default_factory=list[SalesOrder])
    fulfilments: list[Fulfilment] = field(default_factory=list[Fulfilment])
    bills: dict[str, Bill] = field(default_factory=dict[str, Bill])


async def _documents_of(sources: Sources, orders: Mapping[str, ReadOrder]) -> dict[str, Documents]:
    """Sales Orders of these orders, and all Item Fulfillments and bills of those."""
    with asking("netsuite"):
        account_now = await sources.netsuite.account_now(lane="bulk")
    heads = await sales_orders_of(sources, orders)
    order_of = {
        key: name for key, row in heads.items() if (name := sides.named_order(row, sources.shop, orders))
    }
    gathered: defaultdict[str, _Gathered] = defaultdict(_Gathered)
    ids = sorted(order_of)
    lines = _by(await _rows(sources, ORDER_LINES, ids), "sales_order")
    for key, name in order_of.items():
        sale = sides.sales_order(name, heads[key], lines.get(key, ()), account_now)
        gathered[name].sales.append(sale)
    for one in await _fulfilments_of(sources, ids, account_now, order_of):
        gathered[one.order_id].fulfilments.append(one)
    if sources.shop.billing.policy != "none":
        for one in await _bills_of(sources, order_of, sorted(orders)):
            gathered[one.order_id or ""].bills.setdefault(one.netsuite_id, one)
    return {
        name: Documents(tuple(own.sales), tuple(own.fulfilments), tuple(own.bills.values()))
        for name, own in gathered.items()
    }


async def _fulfilments_of(
    sources: Sources, sales_ids: Sequence[str], account_now: str, order_of: Mapping[str, str]
) -> list[Fulfilment]:
    rows = _by(await _rows(sources, FULFILMENT_LINES, sales_ids), "id")
    tracking = await _tracking_of(sources, list(rows))
    return [
        sides.fulfilment(own, tracking.get(key, ()), account_now, order_of[own[0]["sales_order"]])
        for key, own in rows.items()
    ]


async def _tracking_of(sources: Sources, fulfilment_ids: Sequence[str]) -> dict[str, list[str]]:
    numbers: dict[str, list[str]] = {}
    for row in await _rows(sources, TRACKING_NUMBERS, fulfilment_ids):
        numbers.setdefault(row["fulfilment"], []).append(row.get("trackingnumber", ""))
    return numbers


async def _bills_of(sources: Sources, order_of: Mapping[str, str], order_ids: Sequence[str]) -> list[Bill]:
    """Bills made from the Sales Orders first, then those that only name an order."""
    linked = _by(await _rows(sources, BILL_LINES, sorted(order_of)), "id")
    bills = [
        sides.bill(own, order_of[own[0]["sales_order"]])
        for own in linked.values()
        if own[0].get("status") != _VOIDED
    ]
    if sources.mapping.custom_fields.body.order_id:
        naming = await _rows(sources, BILLS_NAMING_ORDERS, order_ids)
        bills += [
            sides.bill([row], row["order_id"])
            for row in naming
            if row["id"] not in linked and row.get("status") != _VOIDED
        ]
    return bills


async def _orphans(sources: Sources, day: date, orders: Mapping[str, ReadOrder]) -> tuple[Fulfilment, ...]:
    """Item Fulfillments of the shop that are dated this day and whose order TikTok does not know."""
    code, prefix = sources.shop.code, external_id_prefix(sources.shop.code)
    field_ = sources.mapping.custom_fields.body.shop
    query = query_text(FULFILMENTS_OF_SHOP if field_ else FULFILMENTS_OF_PREFIX, sources)
    values = [day.isoformat(), f"{prefix}%", *((code,) if field_ else ())]
    with asking("netsuite"):
        found = [row async for row in sources.netsuite.suiteql_keyset(query, "id", values, lane="bulk")]
    # LIKE takes "_" for any character, so the prefix is compared once more.
    dated = [
        row
        for row in found
        if row.get("shop") == code or row.get("externalid", "").lower().startswith(prefix)
    ]
    claims = {row["id"]: names_in(row, sources.shop) for row in dated}
    unlisted = {name for names in claims.values() for name in names} - orders.keys()
    known = orders.keys() | (await orders_named(sources, sorted(unlisted))).keys()
    return tuple(
        sides.fulfilment([row], (), "", min(claims[row["id"]], default=""))
        for row in dated
        if not claims[row["id"]] & known
    )


async def _rows(sources: Sources, query: str, values: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a query for these values, some hundreds at a time."""
    rows: list[dict[str, str]] = []
    for at in range(0, len(values), _IDS_PER_QUERY):
        batch = values[at : at + _IDS_PER_QUERY]
        text = query_text(query, sources, len(batch))
        with asking("netsuite"):
            rows += await sources.netsuite.suiteql(text, batch, lane="bulk")
    return rows


def _by(rows: Iterable[dict[str, str]], name: str) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return groups
