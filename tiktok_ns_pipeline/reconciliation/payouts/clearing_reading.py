"""What NetSuite says of a clearing account: its documents, what each posts and for which orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from string import Template

from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.reconciliation.payouts.clearing import Entry
from tiktok_ns_pipeline.reconciliation.payouts.clearing_history import Balance, Month
from tiktok_ns_pipeline.reconciliation.payouts.reading import in_portions
from tiktok_ns_pipeline.reconciliation.payouts.sides import is_fx_journal, names_in
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources

# Of every document: no account is older.
_BEGINNING = "1990-01-01 00:00:00"

ENTRIES = """
SELECT t.id, t.type, t.tranid, t.externalid, t.memo, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS tran_date,
       TO_CHAR(t.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS modified_at,
       c.symbol AS currency, $order_field AS order_id, SUM(tl.foreignamount) AS amount
FROM transactionaccountingline a
JOIN transactionline tl
  ON tl.transaction = a.transaction
 AND tl.id = a.transactionline
JOIN transaction t ON t.id = a.transaction
LEFT JOIN currency c ON c.id = t.currency
WHERE a.account = ?
  AND a.accountingbook = 1
  AND a.posting = 'T'
  AND t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
  AND t.id > {after}
GROUP BY t.id, t.type, t.tranid, t.externalid, t.memo, TO_CHAR(t.trandate, 'YYYY-MM-DD'),
         TO_CHAR(t.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS'), c.symbol, $order_field
ORDER BY t.id ASC"""

BALANCES = """
SELECT c.symbol AS currency, TO_CHAR(t.trandate, 'YYYY-MM') AS month, SUM(tl.foreignamount) AS amount,
       COUNT(DISTINCT t.id) AS documents
FROM transactionaccountingline a
JOIN transactionline tl
  ON tl.transaction = a.transaction
 AND tl.id = a.transactionline
JOIN transaction t ON t.id = a.transaction
LEFT JOIN currency c ON c.id = t.currency
WHERE a.account = ?
  AND a.accountingbook = 1
  AND a.posting = 'T'
GROUP BY c.symbol, TO_CHAR(t.trandate, 'YYYY-MM')
ORDER BY c.symbol ASC, month ASC"""

APPLIED = """
SELECT k.nextdoc AS id, k.previousdoc AS applied, k.foreignamount AS amount, $order_field AS order_id
FROM previoustransactionlinelink k
JOIN transaction t ON t.id = k.previousdoc
WHERE k.linktype = 'Payment'
  AND k.nextdoc IN ($markers)
ORDER BY k.nextdoc ASC, k.previousdoc ASC"""

# A document that a person made of an order may not name it itself.
ORIGINS = """
SELECT DISTINCT tl.transaction AS id, $order_field AS order_id
FROM transactionline tl
JOIN transaction t ON t.id = tl.createdfrom
WHERE tl.transaction IN ($markers)
  AND $order_field IS NOT NULL
ORDER BY id ASC"""

_APPLIES = {"CustPymt": 1, "CustRfnd": -1}
"""Documents that pay others: what they bring to the account for each."""
_OF_ORDERS = frozenset({"CashSale", "CashRfnd"})


async def read_documents(
    sources: Sequence[Sources], account: str, since: str | None
) -> list[tuple[Entry, str]]:
    """What posts to the account and was changed since an instant in the account's own time, or ever, with
    the instant of each one's last change. Raises SideUnread."""
    first = sources[0]
    rows = [row async for row in _changed(first, account, since or _BEGINNING)]
    applied = await _applied(first, [row["id"] for row in rows if row["type"] in _APPLIES])
    nameless = [row["id"] for row in rows if not row.get("order_id") and row["type"] in _OF_ORDERS]
    origins = await _origins(first, nameless)
    rows = [{**row, "order_id": origins[row["id"]]} if row["id"] in origins else row for row in rows]
    return [(_entry(row, applied.get(row["id"], {}), sources), row["modified_at"]) for row in rows]


async def read_balances(sources: Sources, account: str) -> dict[Month, Balance]:
    """What posts to the account by currency and month, as one query sums it. Raises SideUnread."""
    try:
        rows = await sources.netsuite.suiteql(BALANCES, [account], lane="bulk")
    except NetSuiteError as failure:
        raise SideUnread("netsuite", str(failure)) from failure
    return {
        (row.get("currency", ""), row["month"]): (
            to_decimal(row.get("amount")) or Decimal(0),
            int(row["documents"]),
        )
        for row in rows
    }


async def _changed(sources: Sources, account: str, since: str) -> AsyncIterator[dict[str, str]]:
    text = Template(ENTRIES).substitute(order_field=_order_field(sources))
    try:
        async for row in sources.netsuite.suiteql_keyset(text, "id", [account, since], lane="bulk"):
            yield row
    except NetSuiteError as failure:
        raise SideUnread("netsuite", str(failure)) from failure


async def _applied(sources: Sources, ids: Sequence[str]) -> dict[str, dict[str, Decimal]]:
    """What payments have applied, by payment and order."""
    rows = await in_portions(sources, APPLIED, ids, order_field=_order_field(sources))
    origins = await _origins(sources, [row["applied"] for row in rows if not row.get("order_id")])
    found: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        order_id = row.get("order_id") or origins.get(row["applied"])
        if order_id:
            parts = found.setdefault(row["id"], {})
            amount = abs(to_decimal(row.get("amount")) or Decimal(0))
            parts[order_id] = parts.get(order_id, Decimal(0)) + amount
    return found


async def _origins(sources: Sources, ids: Sequence[str]) -> dict[str, str]:
    """The order of each document that was made of one which names it."""
    if not sources.mapping.custom_fields.body.order_id:
        return {}
    rows = await in_portions(sources, ORIGINS, sorted(set(ids)), order_field=_order_field(sources))
    return {row["id"]: row["order_id"] for row in rows}


def _entry(row: Mapping[str, str], applied: Mapping[str, Decimal], sources: Sequence[Sources]) -> Entry:
    amount = to_decimal(row.get("amount")) or Decimal(0)
    is_payout = row["type"] in ("Journal", "Deposit")
    parts: dict[str, Decimal] = {}
    if row["type"] in _APPLIES:
        parts = {order: part * _APPLIES[row["type"]] for order, part in applied.items()}
    elif row.get("order_id"):
        parts = {row["order_id"]: amount}
    names = {name for one in sources for name in names_in(row, one.shop.code)} if is_payout else set[str]()
    return Entry(
        netsuite_id=row["id"],
        name=row.get("tranid") or row["id"],
        currency=row.get("currency", ""),
        amount=amount,
        order_parts=parts,
        payout_names=frozenset(names),
        is_exchange=any(is_fx_journal(row.get("externalid"), one.shop.code) for one in sources),
        dated=date.fromisoformat(row["tran_date"]),
    )


def _order_field(sources: Sources) -> str:
    field = sources.mapping.custom_fields.body.order_id
    return f"t.{field}" if field else "NULL"
