"""Customers, items and other lists: what a save demands and completes (N 5.2, 5.10, 5.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.errors import duplicate_entity, duplicate_record, missing
from tiktok_ns_pipeline.sandbox.books.merging import merged_header, merged_sublists
from tiktok_ns_pipeline.sandbox.books.store import Record

# Record type: fields that must have a value, with the labels of the form.
_NEEDED: dict[str, tuple[tuple[str, str], ...]] = {
    "inventoryItem": (
        ("itemId", "Item Name/Number"),
        ("taxSchedule", "Tax Schedule"),
        ("assetAccount", "Asset Account"),
        ("cogsAccount", "COGS Account"),
        ("subsidiary", "Subsidiary"),
    ),
    "kitItem": (("itemId", "Item Name/Number"), ("member", "Member Items"), ("subsidiary", "Subsidiary")),
    "nonInventorySaleItem": (("itemId", "Item Name/Number"), ("incomeAccount", "Income Account")),
    "serviceSaleItem": (("itemId", "Item Name/Number"), ("incomeAccount", "Income Account")),
    "otherChargeSaleItem": (("itemId", "Item Name/Number"), ("incomeAccount", "Income Account")),
    "discountItem": (("itemId", "Item Name/Number"), ("account", "Account")),
    "assemblyItem": (("itemId", "Item Name/Number"), ("member", "Components")),
    "account": (("acctName", "Name"), ("acctType", "Type"), ("subsidiary", "Subsidiary")),
    "location": (("name", "Name"), ("subsidiary", "Subsidiary")),
    "subsidiary": (("name", "Name"), ("country", "Country"), ("currency", "Currency")),
    "currency": (("name", "Name"), ("symbol", "ISO Code"), ("exchangeRate", "Exchange Rate")),
    "salesTaxItem": (("itemId", "Tax Name"), ("rate", "Rate")),
    "shipItem": (("itemId", "Display Name"),),
}


def saved_master(
    desk: Desk,
    kind: RecordType,
    old: Record | None,
    given: Mapping[str, Any],
    replace: frozenset[str] = frozenset(),
) -> Record:
    """An entity, item or list record after a create or a change. Raises BookError; commits nothing."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    body.update(merged_sublists(kind.schema, old.fields if old else {}, given, replace))
    for name in [name for name, value in body.items() if value == []]:
        del body[name]
    body.setdefault("isInactive", False)
    now = desk.now_text()
    if kind.name == "customer":
        _complete_customer(desk, body, old)
        body.setdefault("dateCreated", now)
        _number_addresses(desk, body)
    else:
        if kind.group == "list" and kind.name not in _NEEDED:
            _need(body, (("name", "Name"),))
        _need(body, _NEEDED.get(kind.name, ()))
        if kind.group == "item":
            body.setdefault("createdDate", now)
            _unique_name(desk, kind, body["itemId"], old)
    desk.check_external_id(kind, body.get("externalId"), old.id if old else None)
    body["lastModifiedDate"] = now
    return Record(kind, old.id if old else desk.new_id(kind), body)


def _need(body: Mapping[str, Any], fields: tuple[tuple[str, str], ...]) -> None:
    labels = [label for name, label in fields if not body.get(name)]
    if labels:
        raise missing(*labels)


def _complete_customer(desk: Desk, body: dict[str, Any], old: Record | None) -> None:
    body.setdefault("isPerson", False)
    if body["isPerson"]:
        _need(body, (("firstName", "First Name"), ("lastName", "Last Name")))
        name = f"{body['firstName']} {body['lastName']}"
    else:
        _need(body, (("companyName", "Company Name"),))
        name = body["companyName"]
    _need(body, (("subsidiary", "Subsidiary"),))
    subsidiary = desk.the("subsidiary", body["subsidiary"])
    body.setdefault("currency", subsidiary.get("currency"))
    body.setdefault("entityId", name)
    body.setdefault("addressBook", [])
    _unique_name(desk, old.type if old else None, body["entityId"], old)


def _unique_name(desk: Desk, kind: RecordType | None, name: str, old: Record | None) -> None:
    """Names of entities and of items are unique among their kind."""
    is_entity = kind is None or kind.group == "entity"
    holder = desk.store.id_by_name("entity" if is_entity else "item", name)
    if holder is not None and (old is None or holder != old.id):
        raise duplicate_entity() if is_entity else duplicate_record()


def _number_addresses(desk: Desk, body: dict[str, Any]) -> None:
    for entry in body.get("addressBook", ()):
        if "internalId" not in entry:
            entry["internalId"] = entry["id"] = desk.store.next_number("address", 680_001)
            entry["addressId"] = str(entry["id"])
