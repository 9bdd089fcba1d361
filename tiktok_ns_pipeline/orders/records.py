"""Bodies of NetSuite records, made from documents. Pure; names of fields per N 5.

A body says only what we decide: what it leaves out, NetSuite's form and preferences decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.netsuite.values import lines_of, ref
from tiktok_ns_pipeline.orders.document import Address, Customer, SalesOrderDocument, SalesOrderLine

CUSTOM_PRICE = "-1"
"""Price level «Custom»: our rate stands, no price list recomputes it (N 2.13)."""


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The account's custom fields, by mapping."""

    order_id: str
    shop: str
    payload_hash: str
    fulfilment: str
    line_ids: str
    line_key: str


def sales_order_body(
    document: SalesOrderDocument, customer_id: str, payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    """The body that creates the Sales Order (N 5.4)."""
    body: dict[str, Any] = {
        "externalId": document.external_id,
        "entity": ref(customer_id),
        "subsidiary": ref(document.subsidiary_id),
        "currency": ref(document.currency_id),
        "tranDate": document.tran_date.isoformat(),
        "otherRefNum": document.other_ref_num,
        "memo": document.memo,
        "orderStatus": ref(document.order_status),
        fields.order_id: document.order_id,
        fields.shop: document.shop,
        fields.payload_hash: payload_hash,
        fields.fulfilment: document.fulfilment,
        **document.custom_fields,
        "item": {
            "items": [_line_body(line, index, document, fields) for index, line in enumerate(document.lines)]
        },
    }
    optional = {
        "customForm": document.form_id,
        "location": document.location_id,
        "department": document.department_id,
        "class": document.class_id,
    }
    body |= {name: ref(value) for name, value in optional.items() if value is not None}
    if document.exchange_rate is not None:
        body["exchangeRate"] = document.exchange_rate
    if document.shipping_address is not None:
        body["shippingAddress"] = address_body(document.shipping_address)
    if document.tax_mode == "suitetax":
        body |= _tax_details(document)
    return body


def amendment_body(
    document: SalesOrderDocument, record: Mapping[str, Any], payload_hash: str, fields: FieldNames
) -> dict[str, Any]:
    """The body that brings an unfulfilled Sales Order to a newer revision.

    Sent with `replace=item`, so every line that shall stay is named: ours by the key of the line they
    were made as, foreign ones by their number alone and thereby unchanged (N 2.7).
    """
    existing = lines_of(record, "item")
    numbers = {str(line[fields.line_key]): line["line"] for line in existing if line.get(fields.line_key)}
    lines: list[dict[str, Any]] = []
    for index, line in enumerate(document.lines):
        line_body = _line_body(line, index, document, fields)
        if line.key in numbers:
            line_body = {"line": numbers[line.key], **line_body}
        lines.append(line_body)
    foreign = [{"line": line["line"]} for line in existing if not line.get(fields.line_key)]
    body: dict[str, Any] = {fields.payload_hash: payload_hash, "item": {"items": lines + foreign}}
    if document.shipping_address is not None:
        # Without this a default address of the customer would stay (N 2.13).
        body["shipAddressList"] = None
        body["shippingAddress"] = address_body(document.shipping_address)
    if document.tax_mode == "suitetax":
        body |= _tax_details(document)
    return body


def customer_body(customer: Customer, external_id: str, fields: FieldNames) -> dict[str, Any]:
    """The body that creates a customer (N 5.2): a company, since neither a bucket nor a buyer whose name
    is masked is a person."""
    body: dict[str, Any] = {
        "externalId": external_id,
        "entityId": external_id.upper(),
        "companyName": customer.name,
        "isPerson": False,
        "subsidiary": ref(customer.subsidiary_id),
        "currency": ref(customer.currency_id),
    }
    if customer.email:
        body["email"] = customer.email
    return body


def address_body(address: Address) -> dict[str, Any]:
    """A one-off address (N 5.3); what the channel did not tell is left out."""
    fields = {
        "addressee": address.addressee,
        "addr1": address.addr1,
        "addr2": address.addr2,
        "addr3": address.addr3,
        "city": address.city,
        "state": address.state,
        "zip": address.zip,
        "addrPhone": address.phone,
    }
    body: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if address.country:
        body["country"] = ref(address.country)
    return body


def _line_body(
    line: SalesOrderLine, index: int, document: SalesOrderDocument, fields: FieldNames
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "item": ref(line.item_id),
        "price": ref(CUSTOM_PRICE),
        "rate": line.rate,
        "amount": line.amount,
        fields.line_key: line.key,
        fields.line_ids: ",".join(line.channel_line_ids),
        **line.custom_fields,
    }
    if line.kind != "discount":
        # A discount item has an amount and no quantity (N 2.13).
        body["quantity"] = line.quantity
    optional = {
        "location": line.location_id,
        "department": line.department_id,
        "class": line.class_id,
        "taxCode": line.tax_code_id if document.tax_mode == "legacy" else None,
    }
    body |= {name: ref(value) for name, value in optional.items() if value is not None}
    if line.description:
        body["description"] = line.description
    if line.units_id:
        body["units"] = line.units_id
    if document.tax_mode == "legacy" and line.tax_code_id:
        body |= {"tax1Amt": line.tax_amount, "grossAmt": line.amount + line.tax_amount}
    if document.tax_mode == "suitetax":
        body["taxDetailsReference"] = _tax_reference(index)
    return body


def _tax_details(document: SalesOrderDocument) -> dict[str, Any]:
    """Our tax stands instead of the engine's (N 2.13: SuiteTax override)."""
    details = [
        {
            "taxDetailsReference": _tax_reference(index),
            "taxType": ref(document.tax_type_id or ""),
            "taxCode": ref(line.tax_code_id),
            "taxBasis": line.amount,
            "taxRate": line.tax_rate or Decimal(0),
            "taxAmount": line.tax_amount,
        }
        for index, line in enumerate(document.lines)
        if line.tax_code_id
    ]
    return {"taxDetailsOverride": True, "taxDetails": {"items": details}}


def _tax_reference(index: int) -> str:
    return f"LINE_{index + 1}"
