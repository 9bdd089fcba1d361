"""Reading a shop's business day from both systems, in full and in both directions.

TikTok lists every order created on the day. NetSuite is asked for the Sales Orders of exactly those
orders, wherever they are dated and under whatever external id, and for all Sales Orders of the shop
dated that day; those whose order was not listed are looked up at TikTok one by one. So what TikTok
has and NetSuite lacks shows up, and what NetSuite has and TikTok lacks, without a window that a
shifted date could fall out of. A Sales Order without an order is reported on the day it is dated.

Only the two systems are read, never our own records.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from string import Template
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake.orders import business_day, order_name, raw_order_row
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
from tiktok_ns_pipeline.reconciliation.results import Side
from tiktok_ns_pipeline.reconciliation.sides import (
    external_id,
    external_id_prefix,
    needs_price_detail,
    order_in_external_id,
)
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError, TikTokRefused, WireError
from tiktok_ns_pipeline.tiktok.models import PriceDetail

# Each order is looked for by two keys, and an IN list takes 1,000 values (N 3.2); so many orders
# also fit one page of answers.
_ORDERS_PER_QUERY = 500
_LISTINGS = 2

_ORDER_ID = re.compile(r"[0-9]{1,25}")

# $order_field and $shop_field are script ids from the mapping, which allows nothing else there.
_SALES_ORDERS = """
SELECT t.id, t.externalid, t.tranid, t.status, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS tran_date,
       TO_CHAR(t.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS modified_at,
       t.foreigntotal, c.symbol AS currency, $order_field AS order_id, $shop_field AS shop
FROM transaction t
LEFT JOIN currency c ON c.id = t.currency
WHERE t.type = 'SalesOrd'"""

SALES_ORDERS_BY_EXTERNAL_ID = f"""{_SALES_ORDERS}
  AND t.externalid IN ($markers)
ORDER BY t.id ASC"""

SALES_ORDERS_BY_KEY = f"""{_SALES_ORDERS}
  AND (t.externalid IN ($markers) OR $order_field IN ($markers))
ORDER BY t.id ASC"""

SALES_ORDERS_OF_PREFIX = f"""{_SALES_ORDERS}
  AND t.trandate = TO_DATE(?, 'YYYY-MM-DD')
  AND LOWER(t.externalid) LIKE ?
  AND t.id > {{after}}
ORDER BY t.id ASC"""

SALES_ORDERS_OF_SHOP = f"""{_SALES_ORDERS}
  AND t.trandate = TO_DATE(?, 'YYYY-MM-DD')
  AND (LOWER(t.externalid) LIKE ? OR $shop_field = ?)
  AND t.id > {{after}}
ORDER BY t.id ASC"""


class SideUnread(Exception):
    """One of the two systems could not be read, so there is no proof."""

    def __init__(self, side: Side, reason: str) -> None:
        self.side: Side = side
        self.reason = reason
        super().__init__(f"{side} could not be read: {reason}")


_FAILURES: dict[Side, tuple[type[Exception], ...]] = {
    "tiktok": (TikTokError, WireError),
    "netsuite": (NetSuiteError,),
}


@contextmanager
def asking(side: Side) -> Generator[None]:
    """A time in which one system is asked: should it fail, there is no proof. Raises SideUnread."""
    try:
        yield
    except _FAILURES[side] as failure:
        raise SideUnread(side, str(failure)) from failure


@dataclass(frozen=True, slots=True)
class Sources:
    """The two systems and the shop that a proof is about."""

    tiktok: TikTokClient
    netsuite: NetSuiteClient
    access: ShopAccess
    shop: Shop
    mapping: Mapping
    clock: Clock


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """An order as TikTok told it."""

    raw: dict[str, Any]
    read_at: datetime
    request_id: str
    price_detail: PriceDetail | None = None

    def row(self, shop: Shop) -> dict[str, Any]:
        """The order as a row of `raw_tiktok_orders`."""
        return raw_order_row(self.raw, zone=shop.zone, read_at=self.read_at, request_id=self.request_id)


@dataclass(frozen=True, slots=True)
class DayReading:
    """What both systems say of one shop's day."""

    orders: dict[str, ReadOrder]
    """By order id."""
    sales_orders: dict[str, dict[str, str]]
    """Rows of SuiteQL by internal id."""
    tiktok_read_at: datetime
    """When the listing began, by TikTok's clock."""
    netsuite_read_at: datetime


async def read_day(sources: Sources, day: date) -> DayReading:
    """Read a shop's business day from both systems. Raises SideUnread."""
    listed, tiktok_read_at = await listed_orders(sources, day)
    orders = await _with_price_details(sources, listed)
    netsuite_read_at = sources.clock.now()
    dated = await _sales_orders_dated(sources, day)
    unlisted = {name for row in dated.values() for name in names_in(row, sources.shop)} - orders.keys()
    elsewhere = await _with_price_details(sources, await orders_named(sources, sorted(unlisted)))
    orders |= {name: order for name, order in elsewhere.items() if placed_on(order, sources.shop) == day}
    # A Sales Order whose order was placed on another day belongs to that day's proof, which finds it
    # by its key.
    known = elsewhere.keys() - orders.keys()
    own = {key: row for key, row in dated.items() if not names_in(row, sources.shop) & known}
    return DayReading(
        orders, {**own, **await sales_orders_of(sources, orders)}, tiktok_read_at, netsuite_read_at
    )


async def look_again(sources: Sources, reading: DayReading, order_ids: Iterable[str]) -> DayReading:
    """The same reading with these orders and their Sales Orders read once more. Raises SideUnread.

    The systems move while they are read: what was found wrong may have been put right meanwhile, or
    may have been an order that changed between the two looks.
    """
    names = sorted(order_ids)
    again = await _with_price_details(sources, await orders_named(sources, names))
    orders = {**reading.orders, **again}
    keys = {external_id(sources.shop.code, name) for name in names}
    kept = {
        key: row
        for key, row in reading.sales_orders.items()
        if row.get("externalid") not in keys and row.get("order_id") not in names
    }
    return replace(reading, orders=orders, sales_orders={**kept, **await sales_orders_of(sources, names)})


async def listed_orders(sources: Sources, day: date) -> tuple[dict[str, ReadOrder], datetime]:
    """Every order created on the day, and when the listing began.

    Orders can shift between pages while they move (T 3.1), so a listing that is shorter than TikTok
    says is repeated and completed; one that stays short is no basis for a proof.
    """
    found: dict[str, ReadOrder] = {}
    began: datetime | None = None
    announced = 0
    for _ in range(_LISTINGS):
        listed, read_at, announced = await _one_listing(sources, day)
        found |= listed
        began = began or read_at
        if len(found) >= announced:
            return found, began
    raise SideUnread(
        "tiktok", f"it lists {len(found)} of the {announced} orders that it says were created on {day}"
    )


async def _one_listing(sources: Sources, day: date) -> tuple[dict[str, ReadOrder], datetime, int]:
    """The orders of one listing, when it began, and how many TikTok says there are."""
    start, end = (_midnight(date_, sources.shop) for date_ in (day, day + timedelta(days=1)))
    pages = sources.tiktok.search_orders(
        sources.access,
        update_time_ge=None,
        create_time_ge=start,
        create_time_lt=end,
        sort_field="create_time",
        lane="bulk",
    )
    listed: dict[str, ReadOrder] = {}
    began: datetime | None = None
    announced = 0
    with asking("tiktok"):
        async for page in pages:
            began = began or page.read_at
            announced = max(announced, page.total_count or 0)
            for raw in page.orders:
                order = ReadOrder(raw, page.read_at, page.request_id)
                if placed_on(order, sources.shop) in (day, None):
                    listed[order_name(raw)] = order
    return listed, began or sources.clock.now(), announced


async def orders_named(sources: Sources, names: Sequence[str]) -> dict[str, ReadOrder]:
    """The orders with these ids that TikTok has in this shop, whenever they were created."""
    ids = [name for name in names if _ORDER_ID.fullmatch(name)]
    with asking("tiktok"):
        pages = await sources.tiktok.order_details(sources.access, ids, lane="bulk")
        orders = [ReadOrder(raw, page.read_at, page.request_id) for page in pages for raw in page.orders]
        return {order_name(order.raw): order for order in orders}


async def _with_price_details(sources: Sources, orders: dict[str, ReadOrder]) -> dict[str, ReadOrder]:
    """The orders with TikTok's calculated prices where these are needed. Raises SideUnread."""
    try:
        return {name: await _with_price_detail(sources, order) for name, order in orders.items()}
    except TikTokError as failure:
        raise SideUnread("tiktok", str(failure)) from failure


async def _with_price_detail(sources: Sources, order: ReadOrder) -> ReadOrder:
    """The order with TikTok's calculated price, where only that tells what it owes."""
    if not needs_price_detail(order.raw, sources.shop):
        return order
    name = order_name(order.raw)
    try:
        raw = await sources.tiktok.price_detail(sources.access, name, lane="bulk")
        return replace(order, price_detail=PriceDetail.parse(raw, name))
    except (TikTokRefused, WireError):
        # Without it the order stays one that cannot be checked, and says why.
        return order


async def sales_orders_of(sources: Sources, order_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The Sales Orders of these orders by either key, whatever their date."""
    names = sorted(order_ids)
    rows: dict[str, dict[str, str]] = {}
    for at in range(0, len(names), _ORDERS_PER_QUERY):
        batch = names[at : at + _ORDERS_PER_QUERY]
        keys = [external_id(sources.shop.code, name) for name in batch]
        field = sources.mapping.custom_fields.body.order_id
        query = query_text(SALES_ORDERS_BY_KEY if field else SALES_ORDERS_BY_EXTERNAL_ID, sources, len(batch))
        with asking("netsuite"):
            found = await sources.netsuite.suiteql(query, [*keys, *(batch if field else ())], lane="bulk")
        rows |= {row["id"]: row for row in found}
    return rows


async def _sales_orders_dated(sources: Sources, day: date) -> dict[str, dict[str, str]]:
    """The Sales Orders of the shop that are dated this day, ours and any that name the shop."""
    code, prefix = sources.shop.code, external_id_prefix(sources.shop.code)
    field = sources.mapping.custom_fields.body.shop
    query = query_text(SALES_ORDERS_OF_SHOP if field else SALES_ORDERS_OF_PREFIX, sources)
    values = [day.isoformat(), f"{prefix}%", *((code,) if field else ())]
    with asking("netsuite"):
        found = [row async for row in sources.netsuite.suiteql_keyset(query, "id", values, lane="bulk")]
    # LIKE takes "_" for any character, so the prefix is compared once more.
    return {
        row["id"]: row
        for row in found
        if row.get("shop") == code or row.get("externalid", "").lower().startswith(prefix)
    }


def query_text(text: str, sources: Sources, values: int = 0) -> str:
    """A query with the account's field names and so many markers; values stay bound."""
    fields = sources.mapping.custom_fields.body
    return Template(text).substitute(
        order_field=f"t.{fields.order_id}" if fields.order_id else "NULL",
        shop_field=f"t.{fields.shop}" if fields.shop else "NULL",
        line_ids_field=f"tl.{sources.mapping.custom_fields.line.line_ids}",
        markers=", ".join("?" * values),
    )


def names_in(row: dict[str, str], shop: Shop) -> set[str]:
    """The orders that a Sales Order claims to be for."""
    claims = (row.get("order_id"), order_in_external_id(row.get("externalid"), shop.code))
    return {claim for claim in claims if claim}


def placed_on(order: ReadOrder, shop: Shop) -> date | None:
    """The business day of the order's creation; None where it tells none."""
    created: datetime | None = order.row(shop)["create_time"]
    return business_day(created, shop.zone) if created else None


def _midnight(day: date, shop: Shop) -> datetime:
    """The instant at which a business day begins."""
    return datetime.combine(day, time.min, shop.zone).astimezone(UTC)
