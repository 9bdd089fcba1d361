"""Read back: every document of a payout is read once more and compared with what was sent.

Totals and the lines by account are read in batches by SuiteQL. Its answer can lag behind a write, and
journals that wait for approval have no ledger lines, so what differs or is missing is asked for at the
record service before anybody is told (N 3.5, 5.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.lake.tables import NETSUITE_PAYOUT_JOURNALS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import CREDIT_PAYMENT, CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of, to_decimal
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.applying import journal_of, payment_of
from tiktok_ns_pipeline.settlements.planning import POSTING_DIFFERS, subject_of
from tiktok_ns_pipeline.settlements.reading import LANE
from tiktok_ns_pipeline.settlements.records import by_account

KINDS_READ_BACK = (PAYOUT_JOURNAL, FX_JOURNAL, CUSTOMER_PAYMENT, CREDIT_PAYMENT)
CONTENT = "content"
DELETED = "deleted"
"""Causes of a document that differs."""

_BATCH = 200
_LONGEST_LAG = timedelta(minutes=20)
"""After that, a document that SuiteQL does not show is asked for itself."""
_ZERO = Decimal(0)

_HEADS = """
SELECT t.id, t.tranid, t.foreigntotal, t.exchangerate, t.posting
FROM transaction t
WHERE t.id IN ({markers})
ORDER BY t.id ASC
"""
# The ledger's lines name the account, the document's lines the amount in its own currency.
_LINES = """
SELECT a.transaction AS id, a.transactionline AS line, a.account, tl.foreignamount AS amount
FROM transactionaccountingline a
JOIN transactionline tl
  ON tl.transaction = a.transaction
 AND tl.id = a.transactionline
WHERE a.transaction IN ({markers})
  AND a.accountingbook = 1
ORDER BY a.transaction ASC, a.transactionline ASC
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a document should be."""

    subject: str
    currency: str
    tran_date: date
    total: Decimal
    accounts: Mapping[str, Decimal] | None
    """Debit positive, by account; None where only the total is compared."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document and what NetSuite shows of it; without a total it is gone."""

    link: Link
    intent: Intent
    expected: Expected
    total: Decimal | None
    accounts: Mapping[str, Decimal] | None
    rate: Decimal | None = None
    posts: bool | None = None

    @property
    def differences(self) -> dict[str, tuple[Decimal, Decimal]]:
        """By account what was sent and what is there, where they differ."""
        expected, found = self.expected.accounts, self.accounts
        if expected is None or found is None:
            return {}
        return {
            account: (expected.get(account, _ZERO), found.get(account, _ZERO))
            for account in sorted(expected.keys() | found.keys())
            if expected.get(account, _ZERO) != found.get(account, _ZERO)
        }

    @property
    def agrees(self) -> bool:
        """Whether it is what was sent."""
        is_compared = self.expected.accounts is None or self.accounts is not None
        return self.total == self.expected.total and is_compared and not self.differences


@dataclass(slots=True)
class ReadBack:
    """What was read back in one go."""

    documents: list[ReadDocument] = field(default_factory=list[ReadDocument])

    def amounts(self) -> dict[str, Decimal]:
        """What payouts have posted, by currency."""
        sums: dict[str, Decimal] = {}
        for each in self.documents:
            if each.link.fact.kind == PAYOUT_JOURNAL and each.total is not None:
                currency = each.expected.currency
                sums[currency] = sums.get(currency, _ZERO) + each.total
        return sums


async def read_documents_back(runtime: Runtime, run_id: str) -> ReadBack:
    """Read back what was written since it was last read. Raises NetSuiteError's subclasses."""
    done = ReadBack()
    with runtime.ledger.read() as tx:
        sent = {
            link: intent
            for kind in KINDS_READ_BACK
            for link in tx.links.not_read_back(kind, limit=_BATCH)
            if (intent := _sent(tx, link)) is not None
        }
    if not sent:
        return done
    done.documents = await _read(runtime, sent)
    by_shop: dict[str, list[dict[str, Any]]] = {}
    for each in done.documents:
        by_shop.setdefault(each.link.fact.shop, []).append(_row(runtime, each))
    for shop, rows in by_shop.items():
        runtime.lake.land_many(NETSUITE_PAYOUT_JOURNALS, rows, shop=shop, run_id=run_id)
    with runtime.ledger.begin() as tx:
        tx.links.read_back([each.link for each in done.documents])
        for each in done.documents:
            _compare(runtime, tx, each)
    return done


def expected_of(intent: Intent) -> Expected:
    """What the document of an intent should be."""
    if intent.fact.kind in (CUSTOMER_PAYMENT, CREDIT_PAYMENT):
        payment = payment_of(intent)
        return Expected(subject_of(intent), payment.currency, payment.tran_date, payment.total, None)
    journal = journal_of(intent)
    accounts = by_account(journal.lines)
    if journal.record_type == "deposit":
        total = journal.on_account(str(intent.payload["bank_account_id"]))
    else:
        total = sum((line.amount for line in journal.lines if line.amount > 0), _ZERO)
    return Expected(subject_of(intent), journal.currency, journal.tran_date, total, accounts)


async def _read(runtime: Runtime, sent: Mapping[Link, Intent]) -> list[ReadDocument]:
    ids = [link.internal_id for link in sent]
    markers = ", ".join("?" for _ in ids)
    heads = {
        row["id"]: row
        for row in await runtime.netsuite.suiteql(_HEADS.format(markers=markers), ids, lane=LANE)
    }
    lines: dict[str, dict[str, Decimal]] = {}
    for row in await runtime.netsuite.suiteql(_LINES.format(markers=markers), ids, lane=LANE):
        accounts = lines.setdefault(row["id"], {})
        amount = to_decimal(row.get("amount")) or _ZERO
        accounts[row["account"]] = accounts.get(row["account"], _ZERO) + amount
    read: list[ReadDocument] = []
    for link, intent in sent.items():
        head = heads.get(link.internal_id)
        if head is None and not _is_overdue(runtime, link):
            continue
        total = to_decimal(head.get("foreigntotal")) if head else None
        told = ReadDocument(
            replace(link, document_number=(head or {}).get("tranid") or link.document_number),
            intent,
            expected_of(intent),
            None if total is None else abs(total),
            lines.get(link.internal_id),
            to_decimal(head.get("exchangerate")) if head else None,
            head.get("posting") == "T" if head else None,
        )
        read.append(told if told.agrees else await _as_saved(runtime, told))
    return read


async def _as_saved(runtime: Runtime, told: ReadDocument) -> ReadDocument:
    """As the record service has it."""
    link = told.link
    try:
        record = await runtime.netsuite.get(link.record_type, link.internal_id, lane=LANE)
    except NetSuiteNotFound:
        return replace(told, total=None, accounts=None)
    if link.record_type != "journalEntry":
        total = to_decimal(str(record["total"])) if record.get("total") is not None else told.total
        return replace(told, total=total, accounts=_deposited(record) if told.expected.accounts else None)
    accounts: dict[str, Decimal] = {}
    total = _ZERO
    for line in lines_of(record, "line"):
        debit, credit = _amount(line, "debit"), _amount(line, "credit")
        account = id_of(line.get("account")) or ""
        accounts[account] = accounts.get(account, _ZERO) + debit - credit
        total += debit
    return replace(told, total=total, accounts=accounts)


def _deposited(record: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a Deposit posts by account, debit positive."""
    accounts = {id_of(record.get("account")) or "": _amount(record, "total")}
    for sublist, sign in (("other", -1), ("cashback", 1)):
        for line in lines_of(record, sublist):
            account = id_of(line.get("account")) or ""
            accounts[account] = accounts.get(account, _ZERO) + sign * _amount(line, "amount")
    return {account: amount for account, amount in accounts.items() if amount}


def _amount(line: Mapping[str, Any], name: str) -> Decimal:
    value = line.get(name)
    return _ZERO if value is None else Decimal(str(value))


def _is_overdue(runtime: Runtime, link: Link) -> bool:
    return link.written_at is not None and runtime.clock.now() - link.written_at >= _LONGEST_LAG


def _sent(tx: Transaction, link: Link) -> Intent | None:
    """The revision that the record should show: the one whose hash the link carries."""
    history: Sequence[Intent] = tx.intents.history(link.fact)
    return next((one for one in reversed(history) if one.payload_hash == link.payload_hash), None)


def _compare(runtime: Runtime, tx: Transaction, read: ReadDocument) -> None:
    fact, expected = read.link.fact, read.expected
    cause = f"{fact.kind}:{CONTENT if read.total is not None else DELETED}"
    if read.agrees:
        tx.exceptions.clear(
            channel=fact.channel,
            shop=fact.shop,
            subject=expected.subject,
            reason="the document is as it was sent",
            kinds=(POSTING_DIFFERS,),
            keep=[
                (one.kind, one.cause)
                for one in tx.exceptions.list(
                    kinds=(POSTING_DIFFERS,), shop=fact.shop, subject=expected.subject
                )
                if not one.cause.startswith(f"{fact.kind}:")
            ],
        )
        return
    number = read.link.document_number or read.link.internal_id
    told = "; ".join(
        f"account {account}: {found} instead of {sent}" for account, (sent, found) in read.differences.items()
    )
    message = (
        f"{read.link.external_id} ({number}) is no longer in NetSuite. If it is rightly gone, resolve this."
        if read.total is None
        else f"{read.link.external_id} ({number}) comes to {read.total} {expected.currency} in NetSuite; "
        f"sent was {expected.total} {expected.currency}. {told}"
    )
    tx.exceptions.open(
        runtime.reporter.exception(
            POSTING_DIFFERS,
            channel=fact.channel,
            shop=fact.shop,
            subject=expected.subject,
            cause=cause,
            message=message.strip()[:1_000],
        )
    )


def _row(runtime: Runtime, read: ReadDocument) -> dict[str, Any]:
    link, expected = read.link, read.expected
    differences = {account: [sent, found] for account, (sent, found) in read.differences.items()}
    return {
        "channel": link.fact.channel,
        "kind": link.fact.kind,
        "key": link.fact.business_key,
        "record_type": link.record_type,
        "netsuite_id": link.internal_id,
        "tran_id": link.document_number,
        "external_id": link.external_id,
        "tran_date": expected.tran_date,
        "currency": expected.currency,
        "expected_total": expected.total,
        "posted_total": read.total,
        "differences": exact_json.dumps(differences) if differences else None,
        "is_posting": read.posts,
        "exchange_rate": read.rate,
        "read_at": runtime.clock.now(),
        "day": expected.tran_date,
    }
