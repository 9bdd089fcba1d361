"""Bodies of NetSuite records, made from the documents of a claim. Pure; names of fields per N 2.8, 5.7.

What is made of another record mentions each of its lines, those that are left out with nothing: what
happens to a line that is not mentioned is not certain (N 2.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.netsuite.values import lines_of, ref
from tiktok_ns_pipeline.refunds.document import (
    Credit,
    Excess,
    ItemReceipt,
    ReturnAuthorization,
    ShareLine,
    TaxShare,
)

_CUSTOM_PRICE = "-1"
_PENDING_RECEIPT = "B"


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The account's custom fields, by mapping."""

    order_id: str
    shop: str
    payload_hash: str
    line_key: str


def authorization_body(
    authorization: ReturnAuthorization, payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    """The body of the transform of the Sales Order: approved, waiting for the goods."""
    lines = [_part_body(line, line.order_line) for line in authorization.lines]
    lines += [{"orderLine": number, "quantity": Decimal(0)} for number in authorization.left_out]
    lines += [{"orderLine": number, "amount": Decimal(0)} for number in authorization.left_out_amounts]
    return {
        **_head(authorization, payload_hash, fields),
        "orderStatus": ref(_PENDING_RECEIPT),
        "item": {"items": lines},
        **_taxes_body(authorization.lines, has_details=authorization.has_tax_details),
    }


def closing_body(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body that closes a Return Authorization, as read; None where it is closed (N 2.12)."""
    lines = [line["line"] for line in lines_of(record, "item") if not line.get("isClosed")]
    return {"item": {"items": [{"line": line, "isClosed": True} for line in lines]}} if lines else None


def receipt_body(
    receipt: ItemReceipt, authorization: Mapping[str, Any], payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    """The body of the transform of the Return Authorization, as read."""
    numbers = line_numbers(authorization)
    lines = [
        {
            "orderLine": numbers[line.order_line],
            "itemReceive": True,
            "quantity": line.quantity,
            **({"location": ref(line.location_id)} if line.location_id else {}),
        }
        for line in receipt.lines
    ]
    return {**_head(receipt, payload_hash, fields), "item": {"items": lines}}


def credit_of_return_body(
    credit: Credit, authorization: Mapping[str, Any], payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    """The body of the transform of the Return Authorization, as read."""
    numbers = line_numbers(authorization)
    lines = [_part_body(line, numbers[line.order_line]) for line in credit.lines]
    taken = {line.order_line for line in credit.lines}
    lines += [
        {"orderLine": number, "quantity": Decimal(0)}
        for order_line, number in numbers.items()
        if order_line not in taken
    ]
    return {
        **_credit_head(credit, payload_hash, fields),
        "item": {"items": lines},
        **_taxes_body(credit.lines, has_details=credit.has_tax_details),
    }


def credit_alone_body(credit: Credit, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    """The body of a credit that is made of no other record: money without goods (N 6 no. 6)."""
    body: dict[str, Any] = {
        **_credit_head(credit, payload_hash, fields),
        "entity": ref(credit.customer_id or ""),
        "currency": ref(credit.currency_id),
        "item": {"items": [_money_body(line, fields) for line in credit.lines]},
        **_taxes_body(credit.lines, has_details=credit.has_tax_details),
    }
    if credit.exchange_rate is not None:
        body["exchangeRate"] = credit.exchange_rate
    return body


def excess_body(excess: Excess, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    """The body of the Journal Entry: out of clearing, into the account for what was never billed."""
    lines = [
        {"account": ref(excess.account_id), "debit": excess.amount, "memo": excess.memo},
        {"account": ref(excess.clearing_account_id), "credit": excess.amount, "memo": excess.memo},
    ]
    return {
        **_head(excess, payload_hash, fields),
        "tranDate": excess.tran_date.isoformat(),
        "subsidiary": ref(excess.subsidiary_id),
        "currency": ref(excess.currency_id),
        "line": {"items": lines},
    }


def line_numbers(authorization: Mapping[str, Any]) -> dict[int, int]:
    """The number of a Return Authorization's line, as read, by that of the Sales Order's line."""
    return {
        int(line["orderLine"]): int(line["line"])
        for line in lines_of(authorization, "item")
        if line.get("orderLine") is not None
    }


def _head(
    document: ReturnAuthorization | ItemReceipt | Credit | Excess, payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    return {
        "externalId": document.external_id,
        "memo": document.memo,
        fields.order_id: document.order_id,
        fields.shop: document.shop,
        fields.payload_hash: payload_hash,
    }


def _credit_head(credit: Credit, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    body = {**_head(credit, payload_hash, fields), "tranDate": credit.tran_date.isoformat()}
    if credit.record_type == "cashRefund":
        return body | {"account": ref(credit.account_id or "")}
    # The payout decides what becomes of it; applied to some invoice, it would pay another order's.
    return body | {"autoApply": False}


def _part_body(line: ShareLine, number: int) -> dict[str, Any]:
    body: dict[str, Any] = {"orderLine": number, "amount": line.amount}
    if line.quantity is not None:
        body["quantity"] = line.quantity
    return body | _line_tax(line)


def _money_body(line: ShareLine, fields: FieldNames) -> dict[str, Any]:
    body: dict[str, Any] = {
        "item": ref(line.item_id),
        "quantity": Decimal(1),
        "price": ref(_CUSTOM_PRICE),
        "rate": line.amount,
        "amount": line.amount,
        fields.line_key: line.key,
    }
    if line.location_id:
        body["location"] = ref(line.location_id)
    if line.legacy_tax_code_id:
        body["taxCode"] = ref(line.legacy_tax_code_id)
    return body | _line_tax(line)


def _line_tax(line: ShareLine) -> dict[str, Any]:
    if line.legacy_tax_code_id:
        return {"tax1Amt": line.tax}
    return {"taxDetailsReference": line.taxes[0].reference} if line.taxes else {}


def _taxes_body(lines: Iterable[ShareLine], *, has_details: bool) -> dict[str, Any]:
    if not has_details:
        return {}
    taxes = [_tax_body(tax) for line in lines for tax in line.taxes]
    return {"taxDetailsOverride": True, "taxDetails": {"items": taxes}}


def _tax_body(tax: TaxShare) -> dict[str, Any]:
    return {
        "taxDetailsReference": tax.reference,
        "taxType": ref(tax.type_id),
        "taxCode": ref(tax.code_id),
        "taxBasis": tax.basis,
        "taxRate": tax.rate,
        "taxAmount": tax.amount,
    }
