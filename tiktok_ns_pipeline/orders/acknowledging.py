"""Acknowledge: read back what NetSuite made of a Sales Order, many at a time.

A script, workflow or form of the account may change any value while saving (N 8.11), so the total is
read back and compared with what was sent, to the cent. The document number that comes with it is
what TikTok is told. One SuiteQL call serves up to a thousand orders; an order that SuiteQL does not
show yet is read again next time (N 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.facts import REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.runtime import Runtime

TOTAL_DIFFERS = "total_differs"
"""The kind of exception that a read-back opens, and only a later read-back proves gone."""

DIFFERS = "netsuite_differs"

_BATCH = 1000
_LONGEST_LAG = timedelta(minutes=20)
"""After that, a record that SuiteQL does not show is asked for itself."""

# A sales order's amounts are negative in some columns of the analytics tables (N 3.4): compare sizes.
_READ_BACK = """
SELECT t.id, t.tranid, t.foreigntotal
FROM transaction t
WHERE t.type = 'SalesOrd'
  AND t.id IN ({markers})
ORDER BY t.id ASC
"""


async def acknowledge_sales_orders(runtime: Runtime) -> int:
    """Read back Sales Orders that were written since they were last read. Returns how many were."""
    with runtime.ledger.read() as tx:
        links = tx.links.not_read_back(SALES_ORDER, limit=_BATCH)
        newest = tx.intents.newest(link.fact for link in links)
        sent = {link: _sent(tx, link, newest) for link in links}
    if not links:
        return 0
    records = await _read(runtime, sent)
    vanished = await _vanished(runtime, [link for link in links if link.internal_id not in records])
    with runtime.ledger.begin() as tx:
        _keep(runtime, tx, sent, records)
        for link in vanished:
            tx.exceptions.open(
                _exception(runtime, link, DIFFERS, "deleted", f"{_name(link)} is no longer in NetSuite.")
            )
        tx.links.read_back(vanished)
    return len(records)


async def _read(runtime: Runtime, sent: Mapping[Link, Intent | None]) -> dict[str, dict[str, str]]:
    """Records by internal id, as far as NetSuite shows them."""
    query = _READ_BACK.format(markers=", ".join("?" for _ in sent))
    rows = await runtime.netsuite.suiteql(query, [link.internal_id for link in sent], lane="orders")
    records = {row["id"]: row for row in rows}
    for link, intent in sent.items():
        record = records.get(link.internal_id)
        if record is not None and intent is not None and not _agrees(intent, record.get("foreigntotal")):
            # SuiteQL can lag behind a write; the record service shows what is saved (N 3.5).
            saved = await runtime.netsuite.get("salesOrder", link.internal_id, expand=False, lane="orders")
            record["foreigntotal"] = str(saved.get("total"))
    return records


async def _vanished(runtime: Runtime, unseen: Sequence[Link]) -> list[Link]:
    """Those that SuiteQL goes on not showing, and the record service does not have either."""
    gone: list[Link] = []
    for link in unseen:
        if link.written_at is None or runtime.clock.now() - link.written_at < _LONGEST_LAG:
            continue
        try:
            await runtime.netsuite.get("salesOrder", link.internal_id, expand=False, lane="orders")
        except NetSuiteNotFound:
            gone.append(link)
    return gone


def _keep(
    runtime: Runtime,
    tx: Transaction,
    sent: Mapping[Link, Intent | None],
    records: Mapping[str, Mapping[str, str]],
) -> None:
    """Keep the numbers, plan to tell TikTok, and tell finance of totals that are not what was sent."""
    read = {
        replace(link, document_number=records[link.internal_id].get("tranid") or link.document_number): intent
        for link, intent in sent.items()
        if link.internal_id in records
    }
    tx.links.read_back(list(read))
    numbered = [_reference(link, intent) for link, intent in read.items() if link.document_number and intent]
    tx.intents.plan(numbered)
    troubled = _troubled(tx, list(read))
    for link, intent in read.items():
        if intent is not None:
            _compare(runtime, tx, link, intent, records[link.internal_id].get("foreigntotal"), troubled)


def _sent(tx: Transaction, link: Link, newest: Mapping[FactKey, Intent]) -> Intent | None:
    """The revision that the record should show: the one whose hash the link carries."""
    intent = newest.get(link.fact)
    if intent is not None and intent.payload_hash == link.payload_hash:
        return intent
    return next((i for i in tx.intents.history(link.fact) if i.payload_hash == link.payload_hash), None)


def _owed(intent: Intent) -> Decimal:
    return Decimal(str(intent.payload["document"]["control_total"]))


def _agrees(intent: Intent, stored: str | None) -> bool:
    return stored is not None and abs(Decimal(stored)) == abs(_owed(intent))


def _reference(link: Link, intent: Intent) -> NewIntent:
    """TikTok is to be told the number, and which of our lines each of its lines is."""
    lines = sorted({line for row in intent.payload["document"]["lines"] for line in row["channel_line_ids"]})
    payload = {"document_number": link.document_number, "line_ids": lines}
    fact = FactKey(link.fact.channel, link.fact.shop, REFERENCE, link.fact.business_key)
    return NewIntent("orders", fact, payload, exact_json.fingerprint(payload), "documents")


def _troubled(tx: Transaction, links: Sequence[Link]) -> set[str]:
    """Subjects among these that have unresolved exceptions."""
    by_shop: dict[tuple[str, str], list[str]] = {}
    for link in links:
        by_shop.setdefault((link.fact.channel, link.fact.shop), []).append(_subject(link))
    return {
        subject
        for (channel, shop), subjects in by_shop.items()
        for subject in tx.exceptions.unresolved_among(channel, shop, subjects)
    }


def _compare(
    runtime: Runtime, tx: Transaction, link: Link, intent: Intent, stored: str | None, troubled: set[str]
) -> None:
    if not _agrees(intent, stored):
        currency = intent.payload["document"]["currency"]
        message = (
            f"{_name(link)} has a total of {stored or 'nothing'} {currency} in NetSuite; "
            f"{_owed(intent)} {currency} was sent."
        )
        tx.exceptions.open(_exception(runtime, link, TOTAL_DIFFERS, "total", message, intent))
    elif intent.state == IntentState.APPLIED and _subject(link) in troubled:
        tx.exceptions.clear(
            channel=link.fact.channel,
            shop=link.fact.shop,
            subject=_subject(link),
            reason="the Sales Order has the right total",
            kinds=(TOTAL_DIFFERS,),
        )


def _exception(
    runtime: Runtime, link: Link, kind_name: str, cause: str, message: str, intent: Intent | None = None
) -> NewException:
    return runtime.reporter.exception(
        kind_name,
        channel=link.fact.channel,
        shop=link.fact.shop,
        subject=_subject(link),
        cause=cause,
        message=message,
        dispatch_by=intent.deadline if intent else None,
    )


def _subject(link: Link) -> str:
    return f"order {link.fact.business_key}"


def _name(link: Link) -> str:
    number = link.document_number or link.internal_id
    return f"Order {link.fact.business_key} of shop {link.fact.shop}: Sales Order {number}"
