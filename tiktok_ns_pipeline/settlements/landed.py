"""Statements and payments as the lake has them, and what their transactions come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_STATEMENTS,
)
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.settlements.booking import BillsShipping, FeeMap, StatementBook, StatementSums
from tiktok_ns_pipeline.settlements.footing import Unfooted
from tiktok_ns_pipeline.settlements.shapes import (
    is_local,
    read_payment,
    read_statement,
    read_transaction,
)
from tiktok_ns_pipeline.settlements.statement import MalformedStatement, Payment

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LandedStatement:
    """A statement in the lake, without its transactions."""

    id: str
    day: date
    payment_id: str
    """Empty while it waits or is carried on."""
    payment_status: str
    currency: str
    version: str
    """Changes when anything of its amounts or transactions does."""
    read_at: datetime | None
    """When its transactions were read whole; None before."""
    row: Row

    @property
    def is_whole(self) -> bool:
        """Whether its transactions are there."""
        return self.read_at is not None


@dataclass(frozen=True, slots=True)
class LandedPayment:
    """A payment in the lake."""

    id: str
    day: date
    status: str
    created_at: datetime | None
    version: str
    row: Row

    @property
    def document(self) -> Mapping[str, Any]:
        """As TikTok told it."""
        return exact_json.loads(self.row["payload"])


def statements_of(lake: Lake, shop: Shop, begin: date) -> list[LandedStatement]:
    """The statements of a UTC day and all after it, oldest first."""
    rows = lake.current(RAW_TIKTOK_STATEMENTS, "day >= ?", [begin], shop=shop.code)
    found = [
        LandedStatement(
            id=row["statement_id"],
            day=row["day"],
            payment_id=row["payment_id"] or "",
            payment_status=(row["payment_status"] or "").upper(),
            currency=row["currency"] or shop.currency,
            version=exact_json.fingerprint([row["payload"], row["transactions_hash"]]),
            read_at=row["transactions_read_at"],
            row=row,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.day, one.id))


def payments_of(lake: Lake, shop: Shop, begin: date) -> list[LandedPayment]:
    """The payments that were made on a UTC day or after it, oldest first."""
    rows = lake.current(RAW_TIKTOK_PAYMENTS, "day >= ?", [begin], shop=shop.code)
    found = [
        LandedPayment(
            id=row["payment_id"],
            day=row["day"],
            status=(row["status"] or "").upper(),
            created_at=row["create_time"],
            version=exact_json.fingerprint(row["payload"]),
            row=row,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.day, one.id))


def payment_of(shop: Shop, landed: LandedPayment) -> Payment | Problem:
    """The payment, or why it cannot be read."""
    try:
        return read_payment(shop.code, landed.document)
    except MalformedStatement as error:
        return Problem.of("malformed_statement", "payment", str(error))


def order_ids_of(lake: Lake, shop: Shop, landed: LandedStatement) -> list[str]:
    """The orders that a statement settles or is about."""
    return sorted({order_id for order_id in _rows(lake, shop, landed, "order_id") if order_id})


def sums_of(
    lake: Lake, shop: Shop, landed: LandedStatement, fees: FeeMap, bills_shipping: BillsShipping
) -> StatementSums | Unfooted | Problem:
    """What a whole statement comes to; why it is refused; or why it cannot be read."""
    head = exact_json.loads(landed.row["head"])
    try:
        statement = read_statement(shop.code, shop.region, exact_json.loads(landed.row["payload"]), head)
        book = StatementBook(statement, fees, bills_shipping)
        for payload in _rows(lake, shop, landed, "payload"):
            book.add(read_transaction(exact_json.loads(payload), local=is_local(shop.region)))
        return book.close()
    except MalformedStatement as error:
        text = f"Statement {landed.id} of shop {shop.code}: {error}"
        return Problem.of("malformed_statement", "statement", text)


def _rows(lake: Lake, shop: Shop, landed: LandedStatement, column: str) -> Iterator[Any]:
    """A column of a statement's transactions, one after the other: there may be very many."""
    rows = lake.landed_with(
        RAW_TIKTOK_STATEMENT_TRANSACTIONS,
        {"statement_id": landed.id, "read_at": landed.read_at},
        shop=shop.code,
        days=[landed.day],
        columns=[column],
    )
    return (row[column] for row in rows)
