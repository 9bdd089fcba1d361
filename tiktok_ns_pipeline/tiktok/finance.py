"""What is asked of TikTok Shop about money: statements, their transactions, payments, wallets (T 7.1).

Raw rows are handed on whole; what they add up to is not decided here. A statement's transactions are a
whole or nothing: a row that is missing or came twice would be money. Two reads have a newer version and
an older one, which some shops are still, or again, answered in: the newer is tried first, and what was
read says in which it came.

Every list needs its one `sort_field`, is empty where nothing settled, and its upper bounds are
exclusive (T 7.1, 9.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS
from tiktok_ns_pipeline.tiktok.errors import (
    VERSION_GONE,
    TikTokIncomplete,
    TikTokRefused,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tiktok.long_rows import LongRows

Version = Literal["202309", "202501", "202605"]
"""The shape in which something was read (T 7.5-7.9)."""

MovementType = Literal["WITHDRAW", "SETTLE", "TRANSFER", "REVERSE"]
"""What moves in a wallet (T 7.9)."""

MOVEMENT_TYPES: tuple[MovementType, ...] = ("WITHDRAW", "SETTLE", "TRANSFER", "REVERSE")

_ROWS_PER_PAGE = 100
_READINGS = 2
"""How often a statement is read when its rows do not come whole."""

_STATEMENTS = Listing("statements", "id")
_PAYMENTS = Listing("payments", "id")
_WITHDRAWALS = Listing("withdrawals", "id")
_UNSETTLED = Listing("transactions", "id")


@dataclass(frozen=True, slots=True)
class PaymentPage(Page):
    """Raw payments; 202605 tells neither reserve nor bank account (T 7.9)."""

    version: Version = "202605"


@dataclass(frozen=True, slots=True)
class StatementReading:
    """All transactions of a statement, as one shape gave them (T 7.5, 7.7)."""

    statement_id: str
    version: Version
    header: dict[str, Any] = field(repr=False)
    """What stands above the rows: totals, and in 202501 the currency."""
    rows: Collection[dict[str, Any]] = field(repr=False)
    """No transaction comes twice, in TikTok's order. Of a long statement not all are in memory."""
    total_count: int | None
    """How many there are. None where TikTok does not tell: then only the sums can show that all are
    there."""
    read_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class OrderReading:
    """What an order has settled so far (T 7.6, 7.7); nothing of adjustments and reserves."""

    order_id: str
    version: Version
    document: dict[str, Any] = field(repr=False)
    rows: list[dict[str, Any]] = field(repr=False)
    """By SKU in 202501, by transaction in 202309; empty before the order settles."""
    read_at: datetime


@dataclass(frozen=True, slots=True)
class _Edition:
    """One version of a read, and what it calls its rows and ids."""

    version: Version
    endpoint: str
    listing: Listing
    id_key: str = "id"


_OF_STATEMENT = (
    _Edition("202501", "statement_transactions", Listing("transactions", "id")),
    _Edition("202309", "old_statement_transactions", Listing("statement_transactions", "id"), "statement_id"),
)
_OF_ORDER = (
    _Edition("202501", "order_transactions", Listing("sku_transactions", "sku_id")),
    _Edition("202309", "old_order_transactions", Listing("statement_transactions", "id")),
)
_OF_PAYMENTS = (
    _Edition("202605", "payments", _PAYMENTS),
    _Edition("202309", "old_payments", _PAYMENTS),
)


class FinanceCalls:
    """Calls about money; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    def statements(
        self,
        shop: ShopAccess,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = _ROWS_PER_PAGE,
        lane: Lane = "finance",
    ) -> AsyncIterator[Page]:
        """Pages of raw statements by the midnight (UTC) that ended their day, oldest first (T 7.3).

        A statement may come days late, so the caller looks back again (T 7.2).
        """
        query = {
            **_query("statement_time", page_size),
            **_bounds(statement_time_ge=since, statement_time_lt=until),
        }
        return self._pages("statements", shop, _STATEMENTS, query, lane)

    async def statement_transactions(
        self,
        shop: ShopAccess,
        statement_id: str,
        *,
        page_size: int = _ROWS_PER_PAGE,
        lane: Lane = "finance",
    ) -> StatementReading:
        """Every transaction of a statement (T 7.5; T 7.7 where the shop has no newer version).

        Raises TikTokIncomplete when twice some row was missing, or came twice.
        """
        newer, older = _OF_STATEMENT
        try:
            return await self._whole(newer, shop, statement_id, page_size, lane)
        except TikTokRefused as refusal:
            if refusal.code not in VERSION_GONE:
                raise
        return await self._whole(older, shop, statement_id, page_size, lane)

    async def order_transactions(
        self, shop: ShopAccess, order_id: str, *, lane: Lane = "finance"
    ) -> OrderReading:
        """What an order has settled, by SKU (T 7.6); by transaction where the shop has no newer version,
        and that for the US and the UK alone (T 7.1)."""
        newer, older = _OF_ORDER
        try:
            return await self._of_order(newer, shop, order_id, lane)
        except TikTokRefused as refusal:
            if refusal.code not in VERSION_GONE:
                raise
        return await self._of_order(older, shop, order_id, lane)

    async def payments(
        self,
        shop: ShopAccess,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = _ROWS_PER_PAGE,
        lane: Lane = "finance",
    ) -> AsyncIterator[PaymentPage]:
        """Pages of raw payments by their creation, oldest first, paid or not (T 7.9)."""
        query = {**_query("create_time", page_size), **_bounds(create_time_ge=since, create_time_lt=until)}
        newer, older = _OF_PAYMENTS
        begun = False
        try:
            async for page in self._of_version(newer, shop, query, lane):
                begun = True
                yield page
            return
        except TikTokRefused as refusal:
            # Within one list the version stays: a page token belongs to its own.
            if begun or refusal.code not in VERSION_GONE:
                raise
        async for page in self._of_version(older, shop, query, lane):
            yield page

    def withdrawals(
        self,
        shop: ShopAccess,
        *,
        types: Sequence[MovementType] = MOVEMENT_TYPES,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = _ROWS_PER_PAGE,
        lane: Lane = "finance",
    ) -> AsyncIterator[Page]:
        """Pages of raw movements of the shop's wallet, by their creation; nothing in markets that are
        paid by bank transfer (T 7.9, 10.3)."""
        if not types:
            raise ValueError("movements of a wallet are asked for by type, and none is named")
        query = {
            "types": ",".join(types),
            "page_size": str(page_size),
            **_bounds(create_time_ge=since, create_time_lt=until),
        }
        return self._pages("withdrawals", shop, _WITHDRAWALS, query, lane)

    def unsettled(
        self,
        shop: ShopAccess,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = _ROWS_PER_PAGE,
        lane: Lane = "finance",
    ) -> AsyncIterator[Page]:
        """Pages of raw estimates of what will settle, oldest order first; the sums over all of them are
        in the head of each page (T 7.10).

        A transaction that settles meanwhile disappears, so rows move between pages: the caller compares
        what it read with the count and the sums.
        """
        query = {
            **_query("order_create_time", page_size),
            **_bounds(search_time_ge=since, search_time_lt=until),
        }
        return self._pages("unsettled_transactions", shop, _UNSETTLED, query, lane)

    # Within

    def _pages(
        self, endpoint: str, shop: ShopAccess, listing: Listing, query: Mapping[str, str], lane: Lane
    ) -> AsyncIterator[Page]:
        return self._calls.pages(ENDPOINTS[endpoint], shop, Page, listing, query=query, body={}, lane=lane)

    async def _of_version(
        self, edition: _Edition, shop: ShopAccess, query: Mapping[str, str], lane: Lane
    ) -> AsyncIterator[PaymentPage]:
        endpoint = ENDPOINTS[edition.endpoint]
        async for page in self._calls.pages(
            endpoint, shop, PaymentPage, edition.listing, query=query, body={}, lane=lane
        ):
            yield replace(page, version=edition.version)

    async def _of_order(self, edition: _Edition, shop: ShopAccess, order_id: str, lane: Lane) -> OrderReading:
        path = {"order_id": order_id}
        answer = await self._calls.call(ENDPOINTS[edition.endpoint], shop, path_values=path, lane=lane)
        page = self._calls.page(answer, Page, edition.listing)
        return OrderReading(order_id, edition.version, answer.data, page.rows, page.read_at)

    async def _whole(
        self, edition: _Edition, shop: ShopAccess, statement_id: str, page_size: int, lane: Lane
    ) -> StatementReading:
        """The statement in one version, read again when it does not come whole."""
        wrong = ""
        for _ in range(_READINGS):
            reading = await self._reading(edition, shop, statement_id, page_size, lane)
            if isinstance(reading, StatementReading):
                return reading
            wrong = reading
        raise TikTokIncomplete(
            f"statement {statement_id}: {wrong}", endpoint=str(ENDPOINTS[edition.endpoint]), shop=shop.code
        )

    async def _reading(
        self, edition: _Edition, shop: ShopAccess, statement_id: str, page_size: int, lane: Lane
    ) -> StatementReading | str:
        """The statement, or why what was read is not all of it and each once."""
        first: Page | None = None
        rows = LongRows()
        ids: Counter[str] = Counter()
        changed = False
        async for page in self._calls.pages(
            ENDPOINTS[edition.endpoint],
            shop,
            Page,
            edition.listing,
            path_values={"statement_id": statement_id},
            query=_query("order_create_time", page_size),
            body={},
            lane=lane,
        ):
            first = first or page
            rows.add(page.rows)
            ids.update(map(_id_of, page.rows))
            changed = changed or _contradict(first.head, page.head)
            _refuse_another(edition, shop, statement_id, page)
            if page.total_count is not None and len(rows) > page.total_count:
                break
        assert first is not None, "a list has at least one page"
        if changed:
            return "its totals changed while its pages were read"
        repeated = [row_id for row_id, count in ids.items() if row_id and count > 1]
        if repeated:
            return f"transaction {repeated[0]} came twice, {len(repeated)} did in all"
        if first.total_count is not None and len(rows) != first.total_count:
            return f"{len(rows)} of its {first.total_count} transactions came"
        return StatementReading(
            statement_id=statement_id,
            version=edition.version,
            header=first.head,
            rows=rows,
            total_count=first.total_count,
            read_at=first.read_at,
            request_id=first.request_id,
        )


def _query(sort_field: str, page_size: int) -> dict[str, str]:
    """What every list of money is asked with; another or no sort field is refused (T 7.1)."""
    return {"sort_field": sort_field, "sort_order": "ASC", "page_size": str(page_size)}


def _bounds(**bounds: datetime | None) -> dict[str, str]:
    return {name: str(seconds) for name, seconds in time_bounds(**bounds).items()}


def _id_of(row: Mapping[str, Any]) -> str:
    # As text, since a broken row may have anything where its id belongs; whoever reads it refuses it.
    return str(row.get("id") or "")


def _contradict(head: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(head[name] != other[name] for name in head.keys() & other.keys())


def _refuse_another(edition: _Edition, shop: ShopAccess, statement_id: str, page: Page) -> None:
    told = page.head.get(edition.id_key)
    if told is not None and str(told) != statement_id:
        raise TikTokUnknownError(
            f"statement {statement_id} was asked for, another was told",
            endpoint=str(ENDPOINTS[edition.endpoint]),
            shop=shop.code,
            request_id=page.request_id,
        )
