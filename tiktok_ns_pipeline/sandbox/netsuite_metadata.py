"""What the simulated account says about itself: record types, their fields, its limits (N 2.11, 4.3).

The documents describe this account, custom fields and tax engine included; a mapping can be checked
against them before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import (
    SUITE_TAX_ONLY,
    Field,
    Kind,
    RecordType,
    Schema,
    catalogue,
)

Json = dict[str, Any]

_CATALOG = "/services/rest/record/v1/metadata-catalog"
_SIMPLE: dict[Kind, Json] = {
    Kind.text: {"type": "string"},
    Kind.number: {"type": "number", "format": "double"},
    Kind.integer: {"type": "integer", "format": "int64"},
    Kind.flag: {"type": "boolean"},
    Kind.day: {"type": "string", "format": "date"},
    Kind.instant: {"type": "string", "format": "date-time"},
    Kind.any: {"type": "object"},
}
_POINTER: Json = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "refName": {"type": "string"}, "externalId": {"type": "string"}},
}


def listing(kinds: Iterable[RecordType], base_url: str, query: str) -> Json:
    """The record types with where their descriptions are found."""
    items: list[Json] = []
    for kind in kinds:
        address = f"{base_url}{_CATALOG}/{kind.name}"
        links = [
            {"rel": "canonical", "href": address, "mediaType": "application/json"},
            {"rel": "alternate", "href": address, "mediaType": "application/swagger+json"},
            {"rel": "alternate", "href": address, "mediaType": "application/schema+json"},
            {"rel": "describes", "href": f"{base_url}/services/rest/record/v1/{kind.name}"},
        ]
        items.append({"links": links, "name": kind.name})
    return {"items": items, "links": [{"rel": "self", "href": f"{base_url}{_CATALOG}{query}"}]}


def json_schema(kind: RecordType, has_suite_tax: bool) -> Json:
    """One record type as JSON Schema."""
    return {"$schema": "http://json-schema.org/draft-06/hyper-schema#", **_object(kind.schema, has_suite_tax)}


def openapi(kinds: Iterable[RecordType], has_suite_tax: bool) -> Json:
    """Record types as an OpenAPI document; paths name the operations, not their details."""
    paths: Json = {}
    schemas: Json = {}
    for kind in kinds:
        schemas[kind.name] = _object(kind.schema, has_suite_tax)
        paths[f"/{kind.name}"] = {"get": {}, "post": {}}
        paths[f"/{kind.name}/{{id}}"] = {"get": {}, "patch": {}, "delete": {}}
    return {"openapi": "3.0.1", "paths": paths, "components": {"schemas": schemas}}


def governance_limits(slots: int) -> Json:
    """How many requests may be under way at once, over all integrations of the account."""
    return {
        "accountConcurrencyLimit": slots,
        "accountUnallocatedConcurrencyLimit": slots,
        "integrationConcurrencyLimit": slots,
        "integrationLimitType": "accountLimit",
    }


def _object(schema: Schema, has_suite_tax: bool) -> Json:
    properties = {
        field.name: _property(field, has_suite_tax)
        for field in schema.fields.values()
        if has_suite_tax or field.name not in SUITE_TAX_ONLY
    }
    return {"type": "object", "properties": properties}


def _property(field: Field, has_suite_tax: bool) -> Json:
    described: Json = {"title": field.name}
    if field.name.startswith("cust") and "_" in field.name:
        described["x-ns-custom-field"] = True
    if field.read_only:
        described["readOnly"] = True
    match field.kind:
        case Kind.reference:
            return {**described, **_POINTER, "x-ns-record-type": field.target}
        case Kind.references:
            items = {"type": "array", "items": {**_POINTER, "x-ns-record-type": field.target}}
            return {**described, "type": "object", "properties": {"items": items}}
        case Kind.choice:
            return {**described, **_choice(field)}
        case Kind.sublist:
            line = _object(catalogue().schemas[field.target], has_suite_tax)
            items = {"type": "array", "items": line}
            return {**described, "type": "object", "properties": {"items": items}}
        case Kind.subrecord:
            return {**described, **_object(catalogue().schemas[field.target], has_suite_tax)}
        case kind:
            return {**described, **_SIMPLE[kind], "x-ns-filterable": kind is not Kind.any}


def _choice(field: Field) -> Json:
    code: Json = {"type": "string"}
    if field.choices:
        code["enum"] = sorted(field.choices)
    return {"type": "object", "properties": {"id": code, "refName": {"type": "string"}}}
