"""The bodies that make the documents of a payout. Pure; names of fields per N 5.6 to 5.9."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger.facts import CUSTOMER_PAYMENT
from tiktok_ns_pipeline.netsuite.values import ref
from tiktok_ns_pipeline.settlements.document import CHANNEL, JournalLine, PayoutJournal


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The account's custom fields, by mapping."""

    shop: str
    payload_hash: str


class ClearedPart(BaseModel):
    """How much of an Invoice or Credit Memo is paid, in its currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_id: str
    order_id: str
    amount: Decimal = Field(gt=0)


class ClearingPayment(BaseModel):
    """A customer payment out of the clearing account for Invoices that a payout covers, or a customer
    refund out of it for Credit Memos of refunds that it covers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str = CHANNEL
    shop: str
    kind: Literal["pay", "crpay"]
    key: str
    """`<payment id>.<number>`."""
    external_id: str = Field(pattern=r"^[a-z0-9_.-]{1,100}$")
    customer_id: str
    subsidiary_id: str
    currency: str
    currency_id: str
    account_id: str
    """The clearing account."""
    payment_option_id: str | None = None
    """Of a customer refund."""
    exchange_rate: Decimal | None = None
    true_date: date
    tran_date: date
    memo: str
    parts: tuple[ClearedPart, ...]

    @property
    def record_type(self) -> str:
        """Of NetSuite."""
        return "customerPayment" if self.kind == CUSTOMER_PAYMENT else "customerRefund"

    @property
    def total(self) -> Decimal:
        """What is paid in all."""
        return sum((part.amount for part in self.parts), Decimal(0))

    def fingerprint(self) -> str:
        """Hash of all that decides the record."""
        return exact_json.fingerprint(self.model_dump())


def journal_body(journal: PayoutJournal, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    """The body that creates a Journal Entry."""
    body = _head(journal, payload_hash, fields)
    body["subsidiary"] = ref(journal.subsidiary_id)
    body["currency"] = ref(journal.currency_id)
    if journal.approval != "account":
        body["approved"] = journal.approval == "approved"
    body["line"] = {"items": [_journal_line(line) for line in journal.lines]}
    return body


def deposit_body(
    deposit: PayoutJournal, payload_hash: str, fields: FieldNames, bank_account_id: str
) -> dict[str, Any]:
    """The body that creates a bank Deposit: what is credited comes in, what is debited is taken off.

    total = other - cashback (N 5.9), which is what the bank's line comes to.
    """
    others = [line for line in deposit.lines if line.account_id != bank_account_id]
    body = _head(deposit, payload_hash, fields)
    body["account"] = ref(bank_account_id)
    body["subsidiary"] = ref(deposit.subsidiary_id)
    # A line of receivables needs an entity, which cash back cannot have: it stays among the others.
    taken_off = [line for line in others if line.amount > 0 and line.entity_id is None]
    comes_in = [line for line in others if line not in taken_off]
    body["other"] = {"items": [{**_segments(line), "amount": -line.amount} for line in comes_in]}
    if taken_off:
        body["cashback"] = {"items": [{**_segments(line), "amount": line.amount} for line in taken_off]}
    return body


def payment_body(payment: ClearingPayment, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    """The body that creates a customer payment or refund and applies it to its documents only."""
    body: dict[str, Any] = {
        "externalId": payment.external_id,
        "customer": ref(payment.customer_id),
        "currency": ref(payment.currency_id),
        "tranDate": payment.tran_date.isoformat(),
        "memo": payment.memo,
        fields.shop: payment.shop,
        fields.payload_hash: payload_hash,
        "account": ref(payment.account_id),
        "apply": {
            "items": [
                {"doc": ref(part.document_id), "apply": True, "amount": part.amount} for part in payment.parts
            ]
        },
    }
    if payment.kind == CUSTOMER_PAYMENT:
        # Out of what TikTok owes, and not into funds that wait to be deposited (N 5.6).
        body |= {"undepFunds": ref("false"), "autoApply": False, "payment": payment.total}
    elif payment.payment_option_id is not None:
        body["paymentOption"] = ref(payment.payment_option_id)
    if payment.exchange_rate is not None:
        body["exchangeRate"] = payment.exchange_rate
    return body


def by_account(lines: Sequence[JournalLine]) -> dict[str, Decimal]:
    """What lines post to each account, debit positive; accounts that come out even are left out."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.account_id] = sums.get(line.account_id, Decimal(0)) + line.amount
    return {account: amount for account, amount in sums.items() if amount}


def _head(journal: PayoutJournal, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    body: dict[str, Any] = {
        "externalId": journal.external_id,
        "tranDate": journal.tran_date.isoformat(),
        "memo": journal.memo,
        fields.shop: journal.shop,
        fields.payload_hash: payload_hash,
    }
    if journal.exchange_rate is not None:
        body["exchangeRate"] = journal.exchange_rate
    return body


def _journal_line(line: JournalLine) -> dict[str, Any]:
    # A zero on the other side is refused (N 5.8).
    side = {"debit": line.amount} if line.amount > 0 else {"credit": -line.amount}
    return {**_segments(line), **side}


def _segments(line: JournalLine) -> dict[str, Any]:
    body: dict[str, Any] = {"account": ref(line.account_id), "memo": line.memo}
    for name, value in (
        ("department", line.department_id),
        ("class", line.class_id),
        ("location", line.location_id),
        ("entity", line.entity_id),
    ):
        if value is not None:
            body[name] = ref(value)
    return body
