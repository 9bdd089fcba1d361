"""The body that makes a bill of its Sales Order. Pure; names of fields per N 2.8, 5.6.

Every line with anything left to bill is mentioned, those of other shipments with nothing: what happens
to a line that is not mentioned is not certain (N 2.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.billing.document import Bill, BillLine, TaxShare
from tiktok_ns_pipeline.netsuite.values import ref


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The account's custom fields, by mapping."""

    order_id: str
    shop: str
    payload_hash: str


def bill_body(bill: Bill, payload_hash: str, fields: FieldNames) -> dict[str, Any]:
    """The body of the transform of the Sales Order."""
    body: dict[str, Any] = {
        "externalId": bill.external_id,
        "tranDate": bill.tran_date.isoformat(),
        "memo": bill.memo,
        fields.order_id: bill.order_id,
        fields.shop: bill.shop,
        fields.payload_hash: payload_hash,
        "item": {"items": [_line_body(line) for line in bill.lines]},
    }
    if bill.account_id is not None:
        # Into the clearing account, and not into those funds that wait to be deposited (N 5.6).
        body |= {"account": ref(bill.account_id), "undepFunds": ref("false")}
    if bill.taxes is not None:
        body |= {
            "taxDetailsOverride": True,
            "taxDetails": {"items": [_tax_body(tax) for tax in bill.taxes]},
        }
    return body


def _line_body(line: BillLine) -> dict[str, Any]:
    body: dict[str, Any] = {"orderLine": line.order_line}
    if line.quantity is not None:
        body["quantity"] = line.quantity
    if line.quantity is None or not line.is_empty:
        body["amount"] = line.amount
    if line.tax_reference is not None:
        body["taxDetailsReference"] = line.tax_reference
    if line.says_tax and not line.is_empty:
        body["tax1Amt"] = line.tax
    return body


def _tax_body(tax: TaxShare) -> dict[str, Any]:
    return {
        "taxDetailsReference": tax.reference,
        "taxType": ref(tax.type_id),
        "taxCode": ref(tax.code_id),
        "taxBasis": tax.basis,
        "taxRate": tax.rate,
        "taxAmount": tax.amount,
    }
