"""Read back: what NetSuite has of each claim, compared with what it should be.

Each document is read once more after it was written; a credit must come to what was sent. SuiteQL's answer
can lag behind a write, so a total that differs, and a document that goes on missing, is asked for at the
record service before anybody is told (N 3.5).

What others do to a return is watched in a slower cycle: the warehouse receives goods, somebody closes a
Return Authorization. That wakes its claim. The watch follows the account's own clock with an overlap, and
goes back with it when it is put back (N 3.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from tiktok_ns_pipeline.lake.tables import NETSUITE_REFUNDS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.claims import KnownClaim
from tiktok_ns_pipeline.ledger.facts import CLOSURE, ITEM_RECEIPT, RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import ACCOUNT_TIME_FORMAT, id_of, to_decimal
from tiktok_ns_pipeline.refunds.document import CHANNEL, SUBJECT, Credit, RefundDocument
from tiktok_ns_pipeline.refunds.planning import DELETED, TOTAL
from tiktok_ns_pipeline.refunds.reading import KINDS, LANE, TYPES, state_of
from tiktok_ns_pipeline.refunds.staging import CHANGED, DIFFERS
from tiktok_ns_pipeline.runtime import Runtime

WATCHED = "refunds:netsuite:watched"
"""The cursor that says until when returns were watched: the account's clock, and ours."""

WATCH_EVERY = timedelta(minutes=10)

_OVERLAP = timedelta(minutes=20)
_LONGEST_LAG = timedelta(minutes=20)
"""After that, a document that SuiteQL does not show is asked for itself."""
_BATCH = 500

# Amounts of some analytics tables are negative (N 3.4): sizes are compared.
_READ_BACK = """
SELECT t.id, t.tranid, t.foreigntotal, t.status
FROM transaction t
WHERE t.id IN ({markers})
ORDER BY t.id ASC"""

_CHANGED_RETURNS = """
SELECT t.id, t.type, t.tranid, t.status, t.externalid AS return_name
FROM transaction t
WHERE t.type = 'RtnAuth'
  AND LOWER(t.externalid) LIKE 'tts-%'
  AND t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
  AND t.id > {after}
ORDER BY t.id ASC"""

_CHANGED_RECEIPTS = """
SELECT t.id, t.type, t.tranid, t.status, r.externalid AS return_name
FROM transaction t
JOIN transactionline tl
  ON tl.transaction = t.id
 AND tl.mainline = 'T'
JOIN transaction r
  ON r.id = tl.createdfrom
WHERE t.type = 'ItemRcpt'
  AND r.type = 'RtnAuth'
  AND LOWER(r.externalid) LIKE 'tts-%'
  AND t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
  AND t.id > {after}
ORDER BY t.id ASC"""

_RECORD_TYPES = {
    "RtnAuth": (RETURN_AUTHORIZATION, "returnAuthorization"),
    "ItemRcpt": (ITEM_RECEIPT, "itemReceipt"),
}


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was read back in one go."""

    documents: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What its credits come to in NetSuite, by currency."""

    def __bool__(self) -> bool:
        return self.documents > 0


@dataclass(frozen=True, slots=True)
class _Read:
    """A document and what NetSuite shows of it; without a status it is gone."""

    link: Link
    document: RefundDocument
    status: str | None
    total: Decimal | None

    @property
    def expected(self) -> Decimal | None:
        """What it should come to, where that is read back."""
        return self.document.expected_total if isinstance(self.document, Credit) else None

    @property
    def agrees(self) -> bool:
        """Whether it is there and comes to what it should."""
        if self.status is None:
            return False
        return self.expected is None or (self.total is not None and abs(self.total) == self.expected)


async def read_refunds_back(runtime: Runtime, run_id: str) -> ReadBack:
    """Read back what was written since it was last read. Raises NetSuiteError's subclasses."""
    with runtime.ledger.read() as tx:
        links = [link for kind in KINDS for link in tx.links.not_read_back(kind, limit=_BATCH)]
        sent = {link: document for link in links if (document := _sent(tx, link)) is not None}
    if not sent:
        return ReadBack()
    read = await _read(runtime, sent)
    if not read:
        return ReadBack()
    by_shop: dict[str, list[_Read]] = {}
    for each in read:
        by_shop.setdefault(each.link.fact.shop, []).append(each)
    closures: list[FactKey] = []
    for shop, own in by_shop.items():
        claims = _claims(runtime, shop, [each.document.claim_id for each in own])
        rows = [_row(runtime, each, claims) for each in own]
        runtime.lake.land_many(NETSUITE_REFUNDS, rows, shop=shop, run_id=run_id)
        closures += _closures(shop, own, claims)
    with runtime.ledger.begin() as tx:
        tx.links.read_back([each.link for each in read])
        for each in read:
            _compare(runtime, tx, each)
        tx.intents.take_up_again(closures)
    runtime.probe("read back")
    amounts: dict[str, Decimal] = {}
    for each in read:
        if isinstance(each.document, Credit):
            known = amounts.get(each.document.currency, Decimal(0))
            amounts[each.document.currency] = known + abs(each.total or Decimal(0))
    return ReadBack(len(read), amounts)


async def watch_returns(runtime: Runtime, run_id: str, shops: Sequence[str]) -> int:
    """See what others did to Return Authorizations, where it is time; how many claims that wakes.

    Raises NetSuiteError's subclasses.
    """
    with runtime.ledger.read() as tx:
        stored = tx.cursors.get(WATCHED)
    now = runtime.clock.now()
    if stored and now - datetime.fromisoformat(stored["looked_at"]) < WATCH_EVERY:
        return 0
    account_now = await runtime.netsuite.account_now(lane=LANE)
    since = _shifted(min(stored["account_time"] if stored else account_now, account_now), -_OVERLAP)
    changed: dict[str, list[tuple[str, Mapping[str, str]]]] = {}
    for query in (_CHANGED_RETURNS, _CHANGED_RECEIPTS):
        async for row in runtime.netsuite.suiteql_keyset(query, "id", [since], lane=LANE):
            named = re.fullmatch(r"tts-(.+)-ra-([^-]+)", row["return_name"].lower())
            if named is not None:
                changed.setdefault(named[1], []).append((named[2], row))
    news: dict[str, list[dict[str, Any]]] = {}
    for shop in shops:
        own = changed.get(shop.lower(), [])
        rows = _news(runtime, shop, own)
        runtime.lake.land_many(NETSUITE_REFUNDS, rows, shop=shop, run_id=run_id)
        news[shop] = rows
    with runtime.ledger.begin() as tx:
        for shop, rows in news.items():
            tx.claims.wake(CHANNEL, shop, claim_ids=[row["claim_id"] for row in rows])
        tx.cursors.set(WATCHED, {"account_time": account_now, "looked_at": now.isoformat()})
    return sum(len(rows) for rows in news.values())


# Within


def _news(
    runtime: Runtime, shop: str, changed: Iterable[tuple[str, Mapping[str, str]]]
) -> list[dict[str, Any]]:
    """Of the records that changed those whose state is not as it landed."""
    by_id = {row["id"]: (name, row) for name, row in changed}
    if not by_id:
        return []
    claims = _claims(runtime, shop, sorted({name for name, _row_of in by_id.values()}))
    days = {one.day for one in claims.values()}
    columns = ("netsuite_id", "status")
    landed = runtime.lake.current(NETSUITE_REFUNDS, shop=shop, days=days, columns=columns)
    known = {row["netsuite_id"]: row["status"] for row in landed}
    rows: list[dict[str, Any]] = []
    for netsuite_id, (name, row) in by_id.items():
        claim, status = claims.get(name), state_of(row)
        if claim is None or known.get(netsuite_id) == status:
            continue
        kind, record_type = _RECORD_TYPES[row["type"]]
        rows.append(
            {
                **_head(runtime, claim),
                "kind": kind,
                "record_type": record_type,
                "netsuite_id": netsuite_id,
                "tran_id": row.get("tranid"),
                "external_id": row["return_name"].lower() if kind == RETURN_AUTHORIZATION else None,
                "status": status,
            }
        )
    return rows


async def _read(runtime: Runtime, sent: Mapping[Link, RefundDocument]) -> list[_Read]:
    query = _READ_BACK.format(markers=", ".join("?" for _ in sent))
    rows = await runtime.netsuite.suiteql(query, [link.internal_id for link in sent], lane=LANE)
    records = {row["id"]: row for row in rows}
    read: list[_Read] = []
    for link, document in sent.items():
        record = records.get(link.internal_id)
        if record is None and not _is_overdue(runtime, link):
            continue
        told = _Read(
            replace(link, document_number=(record or {}).get("tranid") or link.document_number),
            document,
            state_of(record) if record else None,
            to_decimal(record.get("foreigntotal")) if record else None,
        )
        read.append(told if told.agrees else await _saved(runtime, told))
    return read


async def _saved(runtime: Runtime, read: _Read) -> _Read:
    """The same as the record service has it, which is never behind."""
    link = read.link
    try:
        record = await runtime.netsuite.get(link.record_type, link.internal_id, expand=False, lane=LANE)
    except NetSuiteNotFound:
        return replace(read, status=None, total=None)
    total = record.get("total")
    return replace(
        read,
        status=id_of(record.get("status")) or read.status or "",
        total=to_decimal(str(total)) if total is not None else None,
    )


def _closures(shop: str, read: Sequence[_Read], claims: Mapping[str, KnownClaim]) -> list[FactKey]:
    """The closures that came too late for what is credited now: they end with it."""
    return [
        FactKey(CHANNEL, shop, CLOSURE, one.document.order_id)
        for one in read
        if isinstance(one.document, Credit)
        and one.document.claim_id in claims
        and claims[one.document.claim_id].source == "cancellation"
    ]


def _is_overdue(runtime: Runtime, link: Link) -> bool:
    return link.written_at is not None and runtime.clock.now() - link.written_at >= _LONGEST_LAG


def _sent(tx: Transaction, link: Link) -> RefundDocument | None:
    """The revision that the record should show: the one whose hash the link carries."""
    for intent in reversed(tx.intents.history(link.fact)):
        if intent.payload_hash == link.payload_hash:
            return TypeAdapter(TYPES[link.fact.kind]).validate_python(intent.payload["document"])
    return None


def _compare(runtime: Runtime, tx: Transaction, read: _Read) -> None:
    document, fact = read.document, read.link.fact
    subject = f"{SUBJECT}{document.claim_id}"
    number = read.link.document_number or read.link.internal_id
    if not isinstance(document, Credit):
        return
    if read.agrees:
        tx.exceptions.clear(
            channel=fact.channel,
            shop=fact.shop,
            subject=subject,
            reason="the credit comes to what it should",
            kinds=(DIFFERS,),
            keep=[(DIFFERS, CHANGED)],
        )
        return
    is_gone = read.status is None
    message = (
        f"{document.name} ({number}) of {document.expected_total} {document.currency} is no longer in "
        "NetSuite. If it is rightly gone, resolve this; else make it once more by hand."
        if is_gone
        else f"{document.name} ({number}) comes to {read.total} {document.currency} in NetSuite; credited "
        f"was {document.expected_total} {document.currency}."
    )
    tx.exceptions.open(
        runtime.reporter.exception(
            DIFFERS,
            channel=fact.channel,
            shop=fact.shop,
            subject=subject,
            cause=DELETED if is_gone else TOTAL,
            message=message,
        )
    )


def _claims(runtime: Runtime, shop: str, names: Sequence[str]) -> dict[str, KnownClaim]:
    with runtime.ledger.read() as tx:
        return {one.claim_id: one for one in tx.claims.find(CHANNEL, shop, list(dict.fromkeys(names)))}


def _head(runtime: Runtime, claim: KnownClaim) -> dict[str, Any]:
    return {
        "channel": CHANNEL,
        "day": claim.day,
        "claim_id": claim.claim_id,
        "order_id": claim.order_id or None,
        "seen_at": runtime.clock.now(),
    }


def _row(runtime: Runtime, read: _Read, claims: Mapping[str, KnownClaim]) -> dict[str, Any]:
    document, link = read.document, read.link
    claim = claims.get(document.claim_id)
    day: date = claim.day if claim else runtime.clock.now().date()
    return {
        "channel": CHANNEL,
        "day": day,
        "claim_id": document.claim_id,
        "order_id": document.order_id,
        "kind": document.kind,
        "record_type": link.record_type,
        "netsuite_id": link.internal_id,
        "tran_id": link.document_number,
        "external_id": link.external_id,
        "status": read.status,
        "expected_total": read.expected,
        "total": None if read.total is None or read.expected is None else abs(read.total),
        "currency": document.currency if isinstance(document, Credit) else None,
        "seen_at": runtime.clock.now(),
    }


def _shifted(account_time: str, by: timedelta) -> str:
    moved = datetime.strptime(account_time, ACCOUNT_TIME_FORMAT) + by  # noqa: DTZ007
    return moved.strftime(ACCOUNT_TIME_FORMAT)
