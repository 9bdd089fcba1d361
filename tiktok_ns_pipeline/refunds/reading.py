"""What the refunds flow knows of an order: its documents in NetSuite, and those of ours in the ledger.

An order's documents are those that carry its id, and those made of its Sales Order directly or in one
more step, whoever made them: a credit made by hand carries no id of the channel's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from string import Template
from typing import Any, Literal

from pydantic import TypeAdapter

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import CREDIT, ITEM_RECEIPT, REFUND_EXCESS, RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, Intent
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.money import exact_decimal
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of, to_decimal
from tiktok_ns_pipeline.refunds.books import Billed, Books, ForeignCredit
from tiktok_ns_pipeline.refunds.document import (
    CHANNEL,
    Credit,
    Excess,
    ItemReceipt,
    RefundDocument,
    ReturnAuthorization,
)

LANE: Lane = "documents"

KINDS = (RETURN_AUTHORIZATION, ITEM_RECEIPT, CREDIT, REFUND_EXCESS)
"""Kinds of facts of this flow."""

_ZERO = Decimal(0)
_BILLS: Mapping[str, Literal["cashSale", "invoice"]] = {"CashSale": "cashSale", "CustInvc": "invoice"}
_CREDITS = frozenset({"CustCred", "CashRfnd"})
_CLOSED, _VOIDED = "H", "V"
TYPES: Mapping[str, type[RefundDocument]] = {
    RETURN_AUTHORIZATION: ReturnAuthorization,
    ITEM_RECEIPT: ItemReceipt,
    CREDIT: Credit,
    REFUND_EXCESS: Excess,
}

_DOCUMENTS = Template("""
SELECT t.id, t.type, t.tranid, t.externalid, t.foreigntotal, t.status,
       TO_CHAR(t.trandate, 'YYYY-MM-DD') AS happened_on,
       tl.createdfrom AS made_from
FROM transaction t
JOIN transactionline tl
  ON tl.transaction = t.id
 AND tl.mainline = 'T'
WHERE t.type IN ('CashSale', 'CustInvc', 'CustCred', 'CashRfnd', 'RtnAuth', 'ItemRcpt')
  AND (t.$order_field = ?
       OR t.id IN (SELECT n.nextdoc FROM nexttransactionlinelink n WHERE n.previousdoc = ?)
       OR t.id IN (SELECT m.nextdoc
                   FROM nexttransactionlinelink n
                   JOIN nexttransactionlinelink m ON m.previousdoc = n.nextdoc
                   WHERE n.previousdoc = ?))
ORDER BY t.id ASC""")


class RefundReader:
    """Reads NetSuite for one run. All methods raise NetSuiteError's subclasses."""

    def __init__(self, netsuite: NetSuiteClient, order_field: str, line_key: str, line_ids: str) -> None:
        """The custom fields that carry TikTok's order id, our key of a line, and TikTok's ids of it."""
        self._netsuite = netsuite
        self._query = _DOCUMENTS.substitute(order_field=order_field)
        self._line_key = line_key
        self._line_ids = line_ids

    async def books(
        self,
        shop: Shop,
        order_id: str,
        sales_order_id: str,
        documents: Sequence[RefundDocument],
        made: frozenset[str],
    ) -> Books:
        """What NetSuite has of an order, beside our own `documents`, of which it has those `made`."""
        try:
            record = await self._netsuite.get("salesOrder", sales_order_id, lane=LANE)
        except NetSuiteNotFound:
            return Books(None, documents=documents, made=made)
        rows = await self._netsuite.suiteql(
            self._query, [order_id, sales_order_id, sales_order_id], lane=LANE
        )
        rows = [row for row in rows if state_of(row) != _VOIDED]
        bills = [
            billed_of(await self._netsuite.get(record_type, row["id"], lane=LANE), record_type)
            for row in rows
            if (record_type := _BILLS.get(row["type"])) is not None
        ]
        ours = {one.external_id for one in documents}
        authorizations = {
            row["id"]: row["externalid"].lower()
            for row in rows
            if row["type"] == "RtnAuth" and row.get("externalid")
        }
        return Books(
            order=SalesOrder.of(record, self._line_key, self._line_ids),
            bills=bills,
            documents=documents,
            made=made,
            foreign=[
                ForeignCredit(
                    row["id"], row.get("tranid", row["id"]), abs(to_decimal(row.get("foreigntotal")) or _ZERO)
                )
                for row in rows
                if row["type"] in _CREDITS and row.get("externalid", "").lower() not in ours
            ],
            received_at=_received(rows, authorizations, documents, shop),
            closed_by_hand=frozenset(
                authorizations[row["id"]]
                for row in rows
                if row["id"] in authorizations and state_of(row) == _CLOSED
            ),
        )


def documents_of(
    tx: Transaction, shop: str, claim_ids: Iterable[str]
) -> tuple[list[RefundDocument], frozenset[str]]:
    """The documents of claims that stand, and the external ids of those that NetSuite has."""
    facts = [FactKey(CHANNEL, shop, kind, name) for name in sorted(set(claim_ids)) for kind in KINDS]
    return documents_among(tx, tx.intents.newest(facts))


def documents_among(
    tx: Transaction, newest: Mapping[FactKey, Intent]
) -> tuple[list[RefundDocument], frozenset[str]]:
    """The same of all facts whose newest intents these are."""
    links = tx.links.find_many(newest)
    documents: list[RefundDocument] = []
    for fact, last in newest.items():
        link = links.get(fact)
        intent = last
        if last.state not in OPEN and link is not None:
            history = reversed(tx.intents.history(fact))
            intent = next((one for one in history if one.payload_hash == link.payload_hash), last)
        elif last.state not in OPEN:
            continue
        documents.append(TypeAdapter(TYPES[fact.kind]).validate_python(intent.payload["document"]))
    return documents, frozenset(link.external_id for link in links.values())


def billed_of(record: Mapping[str, Any], record_type: Literal["cashSale", "invoice"]) -> Billed:
    """A bill of a Sales Order, as read with its lines; its tax is in details or on the lines."""
    taxed: dict[str, Decimal] = {}
    for detail in lines_of(record, "taxDetails"):
        reference = str(detail.get("taxDetailsReference"))
        taxed[reference] = taxed.get(reference, _ZERO) + _number(detail.get("taxAmount"))
    lines: dict[int, tuple[Decimal, Decimal]] = {}
    for line in lines_of(record, "item"):
        if line.get("orderLine") is None:
            continue
        legacy = line.get("tax1Amt")
        tax = (
            _number(legacy) if legacy is not None else taxed.get(str(line.get("taxDetailsReference")), _ZERO)
        )
        amount, before = lines.get(int(line["orderLine"]), (_ZERO, _ZERO))
        lines[int(line["orderLine"])] = (amount + _number(line.get("amount")), before + tax)
    rate = record.get("exchangeRate")
    return Billed(
        id=str(record["id"]),
        record_type=record_type,
        account_id=id_of(record.get("account")) if record_type == "cashSale" else None,
        exchange_rate=None if rate is None else _number(rate),
        lines=lines,
    )


def _received(
    rows: Iterable[Mapping[str, str]],
    authorizations: Mapping[str, str],
    documents: Iterable[RefundDocument],
    shop: Shop,
) -> dict[str, datetime]:
    """When goods of our Return Authorizations came first, by claim."""
    claims = {one.external_id: one.claim_id for one in documents if isinstance(one, ReturnAuthorization)}
    received: dict[str, datetime] = {}
    for row in rows:
        claim = claims.get(authorizations.get(row.get("made_from", ""), ""))
        if row["type"] == "ItemRcpt" and claim is not None:
            day = datetime.combine(datetime.fromisoformat(row["happened_on"]), time(), shop.zone)
            received[claim] = min(received.get(claim, day), day)
    return received


def state_of(row: Mapping[str, str]) -> str:
    """The letter of a status, which some accounts write after the type (N 3.4)."""
    return row.get("status", "").rpartition(":")[2]


def _number(value: object) -> Decimal:
    return _ZERO if value is None else exact_decimal(value)  # pyright: ignore[reportArgumentType]
