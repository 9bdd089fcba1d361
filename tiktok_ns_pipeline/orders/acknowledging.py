"""Acknowledge: read back what NetSuite made of a Sales Order, many at a time.

A script, workflow or form of the account may change any value while saving (N 8.11), so the total is
read back and compared with what was sent, to the cent. The document number that comes with it is
what TikTok is told. One SuiteQL call serves up to a thousand orders; an order that SuiteQL does not
show yet is read again next time (N 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.mapping.exception_kinds import kind_named
from tiktok_ns_pipeline.orders.applying import REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.runtime import Runtime

_BATCH = 1000

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
    if not links:
        return 0
    query = _READ_BACK.format(markers=", ".join("?" for _ in links))
    rows = await runtime.netsuite.suiteql(query, [link.internal_id for link in links], lane="orders")
    records = {row["id"]: row for row in rows}
    shown = [link for link in links if link.internal_id in records]
    with runtime.ledger.begin() as tx:
        intents = tx.intents.newest(link.fact for link in shown)
        sent = [(link, _sent(tx, link, intents)) for link in shown]
        read = [
            replace(link, document_number=records[link.internal_id].get("tranid") or link.document_number)
            for link in shown
        ]
        tx.links.read_back(read)
        tx.intents.plan(
            [
                _reference(link, intent)
                for link, (_old, intent) in zip(read, sent, strict=True)
                if link.document_number and intent
            ]
        )
        troubled = _troubled(tx, shown)
        for link, intent in sent:
            if intent is not None:
                _compare(runtime, tx, link, intent, records[link.internal_id], troubled)
    return len(shown)


def _sent(tx: Transaction, link: Link, newest: Mapping[FactKey, Intent]) -> Intent | None:
    """The revision that the record should show: the one whose hash the link carries."""
    intent = newest.get(link.fact)
    if intent is not None and intent.payload_hash == link.payload_hash:
        return intent
    return next((i for i in tx.intents.history(link.fact) if i.payload_hash == link.payload_hash), None)


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
        by_shop.setdefault((link.fact.channel, link.fact.shop), []).append(f"order {link.fact.business_key}")
    return {
        subject
        for (channel, shop), subjects in by_shop.items()
        for subject in tx.exceptions.unresolved_among(channel, shop, subjects)
    }


def _compare(
    runtime: Runtime,
    tx: Transaction,
    link: Link,
    intent: Intent,
    record: Mapping[str, str],
    troubled: set[str],
) -> None:
    owed = Decimal(str(intent.payload["document"]["control_total"]))
    currency = intent.payload["document"]["currency"]
    stored = record.get("foreigntotal")
    subject = f"order {link.fact.business_key}"
    if stored is not None and abs(Decimal(stored)) == abs(owed):
        if intent.state == IntentState.APPLIED and subject in troubled:
            tx.exceptions.clear(
                channel=link.fact.channel,
                shop=link.fact.shop,
                subject=subject,
                reason="the Sales Order has the right total",
                kinds=("total_differs",),
            )
        return
    kind = kind_named("total_differs")
    tx.exceptions.open(
        NewException(
            kind=kind.name,
            channel=link.fact.channel,
            shop=link.fact.shop,
            subject=subject,
            cause="total",
            message=f"Order {link.fact.business_key} of shop {link.fact.shop}: Sales Order "
            f"{record.get('tranid') or link.internal_id} has a total of {stored or 'nothing'} {currency} in "
            f"NetSuite; {owed} {currency} was sent.",
            what_to_do=kind.what_to_do,
            owner=runtime.mapping.owner_of(kind.name),
            severity=kind.severity,
            due_at=kind.due_at(runtime.clock.now(), intent.deadline),
        )
    )
