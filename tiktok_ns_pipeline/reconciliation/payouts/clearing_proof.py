"""The proof of the clearing accounts: read everything on them, and what TikTok settled, and explain the rest.

An account may serve several shops; it is proved as a whole. The whole history of the account is read, and
of TikTok every statement that one of its documents names: an old mistake stays in a balance for ever, so no
window can be drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from string import Template
from typing import Any

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import CLEARING_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Entry, Item, items_of
from tiktok_ns_pipeline.reconciliation.payouts.model import Settlement
from tiktok_ns_pipeline.reconciliation.payouts.proof import statement_row
from tiktok_ns_pipeline.reconciliation.payouts.reading import (
    CARRIED,
    in_portions,
    list_statements,
    read_settlements,
)
from tiktok_ns_pipeline.reconciliation.payouts.sides import accounts_of, is_fx_journal, names_in
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources
from tiktok_ns_pipeline.reconciliation.results import NotRun

_READINGS = 2

ENTRIES = """
SELECT t.id, t.type, t.tranid, t.externalid, t.memo, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS tran_date,
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
  AND t.id > {after}
GROUP BY t.id, t.type, t.tranid, t.externalid, t.memo, TO_CHAR(t.trandate, 'YYYY-MM-DD'), c.symbol,
         $order_field
ORDER BY t.id ASC"""

BALANCES = """
SELECT c.symbol AS currency, SUM(tl.foreignamount) AS amount
FROM transactionaccountingline a
JOIN transactionline tl
  ON tl.transaction = a.transaction
 AND tl.id = a.transactionline
JOIN transaction t ON t.id = a.transaction
LEFT JOIN currency c ON c.id = t.currency
WHERE a.account = ?
  AND a.accountingbook = 1
  AND a.posting = 'T'
GROUP BY c.symbol
ORDER BY c.symbol ASC"""

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


async def prove_clearing(sources: Sequence[Sources], lake: Lake, run_id: str) -> ClearingProof:
    """Prove the clearing account that these shops share, and land what it is made of. Raises ValueError for
    shops that share none."""
    accounts = {found.clearing for one in sources if (found := accounts_of(one.shop)) is not None}
    if len(accounts) != 1:
        raise ValueError("a clearing account is proved for the shops that share it")
    account, first = accounts.pop(), sources[0]
    shops = tuple(one.shop.code for one in sources)
    day = first.clock.now().astimezone(UTC).date()
    try:
        proof = await _proved(account, sources)
    except SideUnread as unread:
        at = first.clock.now()
        proof = ClearingProof(account, shops, {}, (), at, at, NotRun(unread.side, unread.reason))
    else:
        rows = [_row(item, proof) for item in proof.items]
        lake.land(CLEARING_RECONCILIATION, rows, shop=first.shop.code, day=day, run_id=run_id)
    told = statement_row(
        first, "clearing", proof.statement, proof.not_run, len(proof.items), len(proof.wrong)
    )
    lake.land(SETTLEMENT_PROOFS, [told], shop=first.shop.code, day=day, run_id=run_id)
    return proof


def by_account(sources: Iterable[Sources]) -> list[list[Sources]]:
    """The shops that post payouts, those with the same clearing account together."""
    found: defaultdict[str, list[Sources]] = defaultdict(list)
    for one in sources:
        accounts = accounts_of(one.shop)
        if accounts is not None:
            found[accounts.clearing].append(one)
    return list(found.values())


async def _proved(account: str, sources: Sequence[Sources]) -> ClearingProof:
    proof = await _read(account, sources)
    for _ in range(_READINGS - 1):
        if proof.is_explained:
            break
        # The account moves while it is read; what is wrong must stand in a second look.
        proof = await _read(account, sources)
    return proof


async def _read(account: str, sources: Sequence[Sources]) -> ClearingProof:
    first = sources[0]
    tiktok_read_at = netsuite_read_at = first.clock.now()
    rows = [row async for row in _entries(first, account)]
    balances = await _balances(first, account)
    applied = await _applied(first, [row["id"] for row in rows if row["type"] in _APPLIES])
    nameless = [row["id"] for row in rows if not row.get("order_id") and row["type"] in _OF_ORDERS]
    origins = await _origins(first, nameless)
    rows = [{**row, "order_id": origins[row["id"]]} if row["id"] in origins else row for row in rows]
    entries = [_entry(row, applied.get(row["id"], {}), sources) for row in rows]
    statements: list[Settlement] = []
    dated = [date.fromisoformat(row["tran_date"]) for row in rows]
    named = {name for entry in entries for name in entry.payout_names}
    if named:
        today = first.clock.now().astimezone(UTC).date()
        for one in sources:
            listed = await list_statements(one, min(dated) - CARRIED, today)
            wanted = [each for each in listed if each.id in named or each.payment_id in named]
            statements += await read_settlements(one, wanted)
    return ClearingProof(
        account,
        tuple(one.shop.code for one in sources),
        balances,
        items_of(entries, statements),
        tiktok_read_at,
        netsuite_read_at,
    )


async def _entries(sources: Sources, account: str) -> AsyncIterator[dict[str, str]]:
    text = Template(ENTRIES).substitute(order_field=_order_field(sources))
    try:
        async for row in sources.netsuite.suiteql_keyset(text, "id", [account], lane="bulk"):
            yield row
    except NetSuiteError as failure:
        raise SideUnread("netsuite", str(failure)) from failure


async def _balances(sources: Sources, account: str) -> dict[str, Decimal]:
    try:
        rows = await sources.netsuite.suiteql(BALANCES, [account], lane="bulk")
    except NetSuiteError as failure:
        raise SideUnread("netsuite", str(failure)) from failure
    sums = {row.get("currency", ""): to_decimal(row.get("amount")) or Decimal(0) for row in rows}
    return {currency: amount for currency, amount in sums.items() if amount}


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
    )


def _order_field(sources: Sources) -> str:
    field = sources.mapping.custom_fields.body.order_id
    return f"t.{field}" if field else "NULL"


def _row(item: Item, proof: ClearingProof) -> dict[str, Any]:
    return {
        "account": proof.account,
        "subject": item.subject,
        "reason": item.reason.value,
        "is_explained": item.is_explained,
        "currency": item.currency,
        "amount": item.amount,
        "documented": item.documented,
        "settled": item.settled,
        "documents": ", ".join(item.documents) or None,
        "tiktok_read_at": proof.tiktok_read_at,
        "netsuite_read_at": proof.netsuite_read_at,
    }


def not_run_clearing(account: str, shops: Sequence[str], reason: str, at: datetime) -> ClearingProof:
    """The result of a proof that could not take place, which is not a clean one."""
    return ClearingProof(account, tuple(shops), {}, (), at, at, NotRun("tiktok", reason))
