"""TikTok's answers about money as the rows that land them, whatever state they are in.

Landing comes before any judgement: what no model can read lands like anything else, with nulls in the
columns that it fails to fill and its payload untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, Self, TypeVar

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.settlements.document import CHANNEL
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.finance import StatementReading
from tiktok_ns_pipeline.tiktok.finance_models import (
    ListedPayment,
    ListedStatement,
    StatementTransaction,
    UnsettledTransaction,
    Withdrawal,
)

Raw = Mapping[str, Any]
Row = dict[str, Any]

HEADING = ("head", "shape", "transactions", "transactions_hash", "transactions_read_at")
"""Columns of a statement's row that tell of its transactions."""


class _Model(Protocol):
    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self: ...


_M = TypeVar("_M", bound=_Model)


def statement_row(raw: Raw, read_at: datetime, heading: Mapping[str, Any] | None = None) -> Row:
    """The row of `raw_tiktok_statements`; `heading` is kept of what was read before."""
    found = _parsed(ListedStatement, raw)
    row: Row = {
        "channel": CHANNEL,
        "statement_id": id_of(raw),
        "statement_time": found and found.statement_time,
        "currency": found and found.currency,
        "settlement_amount": found and found.settlement_amount,
        "payment_id": found and found.payment_id,
        "payment_status": found and found.payment_status,
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "day": settled_day(found.statement_time) if found else _utc_day(read_at),
    }
    return {**row, **{name: (heading or {}).get(name) for name in HEADING}}


def settled_day(statement_time: datetime) -> date:
    """The UTC day that a statement covers: the one before the midnight at which it was made (T 7.2)."""
    return _utc_day(statement_time - timedelta(seconds=1))


def heading_of(reading: StatementReading) -> Row:
    """What a statement's row tells of its transactions, which were read whole."""
    return {
        "head": exact_json.dumps(reading.header),
        "shape": reading.version,
        "transactions": len(reading.rows),
        "transactions_hash": exact_json.fingerprint_of_rows(reading.header, reading.rows),
        "transactions_read_at": reading.read_at,
    }


def transaction_rows(reading: StatementReading, day: date) -> Iterator[Row]:
    """The rows of `raw_tiktok_statement_transactions` of one statement, one after the other."""
    for raw in reading.rows:
        found = _parsed(StatementTransaction, raw)
        order_id = found and (found.order_id or found.adjustment_order_id or found.associated_order_id)
        yield {
            "channel": CHANNEL,
            "statement_id": reading.statement_id,
            "transaction_id": id_of(raw),
            "type": found and found.type,
            "order_id": order_id,
            "settlement_amount": found and found.settlement_amount,
            "reserve_amount": found and found.reserve_amount,
            "payload": exact_json.dumps(raw),
            "read_at": reading.read_at,
            "day": day,
        }


def payment_row(raw: Raw, shape: str, read_at: datetime) -> Row:
    """The row of `raw_tiktok_payments`."""
    found = _parsed(ListedPayment, raw)
    amount = found and found.amount
    return {
        "channel": CHANNEL,
        "payment_id": id_of(raw),
        "status": found and found.status,
        "create_time": found and found.create_time,
        "paid_time": found and found.paid_time,
        "amount": amount and amount.value,
        "currency": amount and amount.currency,
        "shape": shape,
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "day": _utc_day((found and found.create_time) or read_at),
    }


def withdrawal_row(raw: Raw, read_at: datetime) -> Row:
    """The row of `raw_tiktok_withdrawals`."""
    found = _parsed(Withdrawal, raw)
    return {
        "channel": CHANNEL,
        "withdrawal_id": id_of(raw),
        "type": found and found.type,
        "status": found and found.status,
        "amount": found and found.amount,
        "currency": found and found.currency,
        "create_time": found and found.create_time,
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "day": _utc_day((found and found.create_time) or read_at),
    }


def unsettled_rows(raws: Sequence[Raw], read_at: datetime) -> list[Row]:
    """The rows of `raw_tiktok_unsettled`; all are filed under the day of reading."""
    rows: list[Row] = []
    for raw in raws:
        found = _parsed(UnsettledTransaction, raw)
        rows.append(
            {
                "channel": CHANNEL,
                "transaction_id": id_of(raw),
                "type": found and found.type,
                "order_id": found and (found.order_id or found.adjustment_order_id),
                "estimate": found and found.est_settlement_amount,
                "currency": found and found.currency,
                "delivered_at": found and found.order_delivery_time,
                "settles_at": found and found.settles_at,
                "reason": found and found.unsettled_reason,
                "payload": exact_json.dumps(raw),
                "read_at": read_at,
            }
        )
    return rows


def id_of(raw: Raw) -> str:
    """TikTok's id, or a name that the same broken document always has."""
    value = raw.get("id")
    if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
        return str(value).strip()
    return f"unreadable-{exact_json.fingerprint(raw)}"


def _parsed(model: type[_M], raw: Raw) -> _M | None:
    try:
        return model.parse(raw)
    except WireError:
        return None


def _utc_day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
