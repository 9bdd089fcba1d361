"""Read back: every bill that was written is read once more and compared with what it should come to.

Read in batches by SuiteQL. Its answer can lag behind a write, so a total that differs, and a bill that
goes on missing, is asked for at the record service before anybody is told (N 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.billing.document import SUBJECT, Bill
from tiktok_ns_pipeline.billing.reading import LANE
from tiktok_ns_pipeline.billing.staging import BILL_DIFFERS
from tiktok_ns_pipeline.lake.tables import NETSUITE_BILLS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.runtime import Runtime

TOTAL = "total"
DELETED = "deleted"
"""Causes of a bill that differs."""

_BATCH = 1000
_LONGEST_LAG = timedelta(minutes=20)
"""After that, a bill that SuiteQL does not show is asked for itself."""

# Amounts of some analytics tables are negative (N 3.4): sizes are compared.
_READ_BACK = """
SELECT t.id, t.tranid, t.foreigntotal
FROM transaction t
WHERE t.id IN ({markers})
ORDER BY t.id ASC
"""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was read back in one go."""

    bills: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What the bills come to in NetSuite, by currency."""

    def __bool__(self) -> bool:
        return self.bills > 0


@dataclass(frozen=True, slots=True)
class _Read:
    """A bill and what NetSuite shows of it; without a total it is gone."""

    link: Link
    bill: Bill
    total: Decimal | None

    @property
    def agrees(self) -> bool:
        """Whether it comes to what it should."""
        return self.total is not None and abs(self.total) == abs(self.bill.expected_total)


async def read_bills_back(runtime: Runtime, run_id: str) -> ReadBack:
    """Read back bills that were written since they were last read. Raises NetSuiteError's subclasses."""
    with runtime.ledger.read() as tx:
        links = tx.links.not_read_back(BILL, limit=_BATCH)
        sent = {link: _sent(tx, link) for link in links}
    if not links:
        return ReadBack()
    read = await _read(runtime, sent)
    if not read:
        return ReadBack()
    by_shop: dict[str, list[dict[str, Any]]] = {}
    for each in read:
        by_shop.setdefault(each.link.fact.shop, []).append(_row(runtime, each))
    for shop, rows in by_shop.items():
        runtime.lake.land_many(NETSUITE_BILLS, rows, shop=shop, run_id=run_id)
    with runtime.ledger.begin() as tx:
        tx.links.read_back([each.link for each in read])
        for each in read:
            _compare(runtime, tx, each)
    amounts: dict[str, Decimal] = {}
    for each in read:
        known = amounts.get(each.bill.currency, Decimal(0))
        amounts[each.bill.currency] = known + abs(each.total or Decimal(0))
    return ReadBack(len(read), amounts)


async def _read(runtime: Runtime, sent: Mapping[Link, Bill | None]) -> list[_Read]:
    query = _READ_BACK.format(markers=", ".join("?" for _ in sent))
    rows = await runtime.netsuite.suiteql(query, [link.internal_id for link in sent], lane=LANE)
    records = {row["id"]: row for row in rows}
    read: list[_Read] = []
    for link, bill in sent.items():
        record = records.get(link.internal_id)
        if bill is None or (record is None and not _is_overdue(runtime, link)):
            continue
        number = record.get("tranid") if record else None
        told = _Read(
            replace(link, document_number=number or link.document_number),
            bill,
            to_decimal(record.get("foreigntotal")) if record else None,
        )
        read.append(told if told.agrees else replace(told, total=await _saved_total(runtime, link)))
    return read


def _is_overdue(runtime: Runtime, link: Link) -> bool:
    return link.written_at is not None and runtime.clock.now() - link.written_at >= _LONGEST_LAG


async def _saved_total(runtime: Runtime, link: Link) -> Decimal | None:
    """The total as the record service has it; None where the bill is gone."""
    try:
        record = await runtime.netsuite.get(link.record_type, link.internal_id, expand=False, lane=LANE)
    except NetSuiteNotFound:
        return None
    return to_decimal(str(record["total"])) if record.get("total") is not None else None


def _sent(tx: Transaction, link: Link) -> Bill | None:
    """The revision that the record should show: the one whose hash the link carries."""
    for intent in reversed(tx.intents.history(link.fact)):
        if intent.payload_hash == link.payload_hash:
            return Bill.model_validate(intent.payload["bill"])
    return None


def _compare(runtime: Runtime, tx: Transaction, read: _Read) -> None:
    fact, bill = read.link.fact, read.bill
    subject = f"{SUBJECT}{fact.business_key}"
    number = read.link.document_number or read.link.internal_id
    if read.agrees:
        keep = [(BILL_DIFFERS, "shipped_quantity")]
        tx.exceptions.clear(
            channel=fact.channel,
            shop=fact.shop,
            subject=subject,
            reason="the bill comes to what it should",
            kinds=(BILL_DIFFERS,),
            keep=keep,
        )
        return
    message = (
        f"{bill.name} ({number}) comes to {read.total} {bill.currency} in NetSuite; shipped was "
        f"{bill.expected_total} {bill.currency}."
        if read.total is not None
        else f"{bill.name} ({number}) of {bill.expected_total} {bill.currency} is no longer in NetSuite. "
        "A replay makes it once more; if it is rightly gone, resolve this."
    )
    tx.exceptions.open(
        runtime.reporter.exception(
            BILL_DIFFERS,
            channel=fact.channel,
            shop=fact.shop,
            subject=subject,
            cause=TOTAL if read.total is not None else DELETED,
            message=message,
        )
    )


def _row(runtime: Runtime, read: _Read) -> dict[str, Any]:
    bill = read.bill
    day: date = bill.tran_date
    return {
        "channel": bill.channel,
        "day": day,
        "order_id": bill.order_id,
        "fulfilment_id": bill.fulfilment_id,
        "record_type": bill.record_type,
        "netsuite_id": read.link.internal_id,
        "tran_id": read.link.document_number,
        "external_id": bill.external_id,
        "expected_total": bill.expected_total,
        "billed_total": None if read.total is None else abs(read.total),
        "currency": bill.currency,
        "read_at": runtime.clock.now(),
    }
