"""From plain fields to the JSON of the record service (N 2.1, 2.3).

Links come first, then the properties in alphabetical order regardless of case; what is empty is left
out; references carry a link in lower case, choices carry code and name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import Field, Kind, RecordType, Schema, catalogue
from tiktok_ns_pipeline.sandbox.books.store import Record

Json = dict[str, Any]

# Names of codes: by "type.field", else by field.
_CHOICES: dict[str, dict[str, str]] = {
    "salesOrder.status": {
        "A": "Pending Approval",
        "B": "Pending Fulfillment",
        "C": "Cancelled",
        "D": "Partially Fulfilled",
        "E": "Pending Billing/Partially Fulfilled",
        "F": "Pending Billing",
        "G": "Billed",
        "H": "Closed",
    },
    "itemFulfillment.status": {"A": "Picked", "B": "Packed", "C": "Shipped"},
    "invoice.status": {"A": "Open", "B": "Paid In Full", "V": "Voided"},
    "cashSale.status": {"A": "Unapproved", "B": "Not Deposited", "C": "Deposited"},
    "returnAuthorization.status": {
        "A": "Pending Approval",
        "B": "Pending Receipt",
        "C": "Cancelled",
        "D": "Partially Received",
        "E": "Pending Refund/Partially Received",
        "F": "Pending Refund",
        "G": "Refunded",
        "H": "Closed",
    },
    "creditMemo.status": {"A": "Open", "B": "Fully Applied", "V": "Voided"},
    "customerPayment.status": {"A": "Unapproved", "B": "Not Deposited", "C": "Deposited", "R": "Rejected"},
    "returnAuthorization.orderStatus": {"A": "Pending Approval", "B": "Pending Receipt"},
    "journalEntry.status": {"A": "Pending Approval", "B": "Approved for Posting", "V": "Voided"},
    "orderStatus": {"A": "Pending Approval", "B": "Pending Fulfillment"},
    "shipStatus": {"A": "Picked", "B": "Packed", "C": "Shipped"},
    "approvalStatus": {"1": "Pending Approval", "2": "Approved", "3": "Rejected", "11": "Open"},
    "commitInventory": {"1": "Available Qty", "2": "Complete Qty", "3": "Do Not Commit"},
    "country": {"US": "United States", "GB": "United Kingdom", "VN": "Vietnam", "FR": "France"},
    "weightUnit": {"1": "lb", "2": "oz", "3": "kg", "4": "g"},
}
# Choices that are backed by a list without a record type: they carry empty links (N 2.1).
_LISTED = {"country", "emailPreference", "language", "undepFunds"}


def choice_name(type_name: str, field: str, code: str) -> str:
    """What the user interface calls a code."""
    names = _CHOICES.get(f"{type_name}.{field}") or _CHOICES.get(field) or {}
    return names.get(code, code)


def display_name(record: Record) -> str:
    """What a reference to a record shows."""
    if record.type.is_transaction:
        return f"{record.type.label} #{record.get('tranId')}"
    if record.type.name == "account":
        return f"{record.get('acctNumber')} {record.get('acctName')}"
    if record.type.name == "currency":
        return record.get("symbol")
    if record.type.name == "customer":
        return _customer_name(record)
    return record.get("itemId") or record.get("name") or record.id


def _customer_name(record: Record) -> str:
    name = record.get("companyName") or f"{record.get('firstName')} {record.get('lastName')}"
    return name if record.get("entityId") == name else f"{record.get('entityId')} {name}"


def address_text(address: Mapping[str, Any]) -> str:
    """An address as it is printed."""
    place = " ".join(filter(None, (address.get("city"), address.get("state"), address.get("zip"))))
    lines = [address.get(name) for name in ("attention", "addressee", "addr1", "addr2", "addr3")]
    country = choice_name("", "country", address["country"]) if address.get("country") else None
    return "\n".join(filter(None, [*lines, place, country]))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Writes records for a caller who reached the service at `base_url`.

    `find` follows references; `expand` writes sublists and subrecords out; `simple` writes codes as
    bare text.
    """

    base_url: str
    find: Callable[[str, str], Record | None]
    expand: bool = False
    simple: bool = False

    def link(self, path: str) -> list[Json]:
        """A self link; `path` begins at the record type."""
        return [{"rel": "self", "href": f"{self.base_url}/services/rest/record/v1/{path}", "method": "GET"}]

    def record(self, record: Record, query: str = "", only: Sequence[str] = ()) -> Json:
        """A whole record, or the body fields `only`. `query` is echoed in its self link."""
        path = f"{record.type.path}/{record.id}"
        fields: Json = {"id": record.id, **record.fields}
        for name in ("shippingAddress", "billingAddress"):
            if name in fields:
                fields[f"{name}_text"] = address_text(fields[name])
        if record.type.is_transaction and "item" in fields:
            fields.setdefault("billingAddress_text", "")
        if record.type.group == "item":
            fields["itemType"] = record.type.code
            fields["internalId"] = int(record.id)
        if only:
            wanted = {name.lower() for name in only}
            fields = {name: value for name, value in fields.items() if name.lower() in wanted}
        body: Json = {"links": self.link(path + query)}
        self._write(body, record.type.schema, fields, path, record.type.name)
        return body

    def sublist(self, record: Record, field: Field, lines: Sequence[Mapping[str, Any]]) -> Json:
        """One sublist as an address of its own: links to its lines, or the lines if expanded."""
        return self._sublist(field, lines, f"{record.type.path}/{record.id}/{field.name}", alone=True)

    def line(self, schema: Schema, line: Mapping[str, Any], path: str) -> Json:
        """One line or subrecord as an address of its own."""
        body: Json = {"links": self.link(path)}
        self._write(body, schema, _with_address_text(schema, line), path, schema.name)
        return body

    def _write(self, body: Json, schema: Schema, fields: Mapping[str, Any], path: str, owner: str) -> None:
        for name in sorted(fields, key=str.lower):
            value = fields[name]
            field = schema.fields.get(name.lower())
            if value is None or name.startswith("_"):
                continue
            body[name] = value if field is None else self._value(field, value, path, owner)

    def _value(self, field: Field, value: Any, path: str, owner: str) -> Any:
        match field.kind:
            case Kind.reference:
                return self._reference(field.target, value)
            case Kind.choice:
                return self._choice(field.name, value, owner)
            case Kind.sublist:
                return self._sublist(field, value, f"{path}/{field.name}", alone=False)
            case Kind.subrecord:
                return self._subrecord(field, value, f"{path}/{field.name}")
            case Kind.references:
                return self._references(field, value, f"{path}/{field.name}")
            case _:
                return value

    def _reference(self, target: str, identifier: str) -> Json:
        record = self.find(target, identifier)
        if record is None:
            return {"links": [], "id": identifier}
        return {**self._pointer(record.type, identifier), "refName": display_name(record)}

    def _pointer(self, kind: RecordType, identifier: str) -> Json:
        # Custom forms have no record behind them; periods have, though it cannot be listed.
        links = [] if kind.name == "customForm" else self.link(f"{kind.path}/{identifier}")
        return {"links": links, "id": identifier}

    def _choice(self, name: str, code: str, owner: str) -> Any:
        if self.simple:
            return code
        shown: Json = {"links": []} if name in _LISTED else {}
        return {**shown, "id": code, "refName": choice_name(owner, name, code)}

    def _sublist(self, field: Field, lines: Sequence[Mapping[str, Any]], path: str, *, alone: bool) -> Json:
        schema = catalogue().schemas[field.target]
        body: Json = {"links": self.link(path)}
        if not self.expand and not alone:
            return body
        if not lines:
            return {**body, "count": 0, "hasMore": False, "items": [], "offset": 0, "totalResults": 0}
        if alone and not self.expand:
            items = [{"links": self.link(line_path(schema, line, i, path))} for i, line in enumerate(lines)]
        else:
            items = [
                self.line(schema, line, line_path(schema, line, index, path))
                for index, line in enumerate(lines)
            ]
        return {**body, "items": items, "totalResults": len(lines)}

    def _subrecord(self, field: Field, value: Mapping[str, Any], path: str) -> Json:
        if not self.expand:
            return {"links": self.link(path)}
        return self.line(catalogue().schemas[field.target], value, path)

    def _references(self, field: Field, value: Sequence[str], path: str) -> Json:
        body: Json = {"links": self.link(path)}
        if self.expand:
            body["items"] = [self._reference(field.target, one) for one in value]
            body["totalResults"] = len(value)
        return body


def line_path(schema: Schema, line: Mapping[str, Any], index: int, path: str) -> str:
    """Address of a line: by its key, or by its place where the sublist has none."""
    return f"{path}/{line.get(schema.key, index + 1) if schema.key else index + 1}"


def _with_address_text(schema: Schema, line: Mapping[str, Any]) -> Mapping[str, Any]:
    if schema.name == "address":
        return {"addrText": address_text(line), "override": False, **line}
    if "addressBookAddress" in line:
        return {**line, "addressBookAddress_text": address_text(line["addressBookAddress"])}
    return line
