"""From a request body to plain fields: names matched, values typed, references checked.

*Plain* is how the books keep a record: a reference is the id, a choice its code, an amount a Decimal,
a day `YYYY-MM-DD`, an instant UTC text, a sublist a list of plain lines. Null stays None and means
that the field is to be cleared.

Invariant: what comes out carries catalogue spellings only and refers to nothing that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from tiktok_ns_pipeline.sandbox.books.catalogue import Field, Kind, Schema, catalogue
from tiktok_ns_pipeline.sandbox.books.errors import invalid_content, invalid_value, refused

NameCheck = Literal["error", "warning", "ignore"]

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_LARGEST = Decimal(10) ** 10  # Quantities and amounts beyond are refused (N 5.4).
_MOST_DECIMALS = 15  # N 8.16


class BodyReader:
    """Reads the bodies of one request.

    `names` says what an unknown property does: refuse, be dropped with a warning, be dropped
    (N 2.5); warnings collect in `unknown`. `exists` tells whether a record of a type has an id.
    `absent` names fields of the catalogue that this account does not have.
    """

    def __init__(
        self,
        exists: Callable[[str, str], bool],
        names: NameCheck = "warning",
        absent: frozenset[str] = frozenset(),
    ) -> None:
        self._exists = exists
        self._names = names
        self._absent = absent
        self.unknown: list[str] = []

    def read(self, schema: Schema, body: object, path: str = "") -> dict[str, Any]:
        """The plain fields of a record, line or subrecord. Raises BookError."""
        if not isinstance(body, Mapping):
            raise invalid_content(f"{path or 'the body'} must be an object.", path)
        plain: dict[str, Any] = {}
        for name, value in cast(Mapping[str, Any], body).items():
            field = schema.fields.get(name.lower())
            if field is None or field.name in self._absent:
                self._unknown(name, path)
            elif value is None:
                plain[field.name] = None
            elif not field.read_only or field.name in {"id", "internalId"}:
                plain[field.name] = self._value(field, value, f"{path}{name}")
        return plain

    def _unknown(self, name: str, path: str) -> None:
        # Links and display texts are what answers carry; sending them back is tolerated.
        if name == "links" or name.endswith("_text"):
            return
        if self._names == "error":
            raise invalid_content(f"{name} is no property of this record.", f"{path}{name}")
        if self._names == "warning":
            self.unknown.append(f"{path}{name}")

    def _value(self, field: Field, value: Any, path: str) -> Any:
        match field.kind:
            case Kind.reference:
                return self._reference(field, value, path)
            case Kind.references:
                return tuple(self._reference(field, one, path) for one in _items(value, path))
            case Kind.sublist:
                return self._lines(catalogue().schemas[field.target], value, path)
            case Kind.subrecord:
                return self.read(catalogue().schemas[field.target], value, f"{path}.")
            case kind:
                return _SIMPLE[kind](field, value, path)

    def _reference(self, field: Field, value: Any, path: str) -> str:
        identifier = _id_of(value)
        # References by external id inside a body are not proven (N 10.7): refused.
        if isinstance(identifier, bool) or not isinstance(identifier, (str, int)):
            raise invalid_value(identifier, field.name, path)
        identifier = str(identifier)
        if not self._exists(field.target, identifier):
            raise invalid_value(identifier, field.name, path)
        return identifier

    def _lines(self, schema: Schema, value: Any, path: str) -> list[dict[str, Any]]:
        return [
            self.read(schema, line, f"{path}.items[{index}].")
            for index, line in enumerate(_items(value, path))
        ]


def _id_of(value: Any) -> Any:
    """`{"id": x}` or a bare x (N 2.1)."""
    return cast(Mapping[str, Any], value).get("id") if isinstance(value, Mapping) else value


def _items(value: Any, path: str) -> list[Any]:
    items: Any = cast(Mapping[str, Any], value).get("items", []) if isinstance(value, Mapping) else None
    if items is None or not isinstance(items, list):
        raise invalid_content(f"{path} must be an object with a list of items.", path)
    return cast(list[Any], items)


def _number(field: Field, value: Any, path: str) -> Decimal | int:
    # Numbers as text are taken by some fields only (field catalogue): refused.
    if isinstance(value, float):
        # Only callers inside Python have floats; they mean what they would write.
        value = Decimal(str(value))
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise invalid_value(value, field.name, path)
    if field.kind is Kind.integer:
        if value != int(value):
            raise invalid_value(value, field.name, path)
        return int(value)
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MOST_DECIMALS or abs(number) > _LARGEST:
        raise invalid_value(value, field.name, path)
    return number


def _flag(field: Field, value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise invalid_value(value, field.name, path)
    return value


def _text(field: Field, value: Any, path: str) -> str | None:
    if not isinstance(value, str):
        raise invalid_value(value, field.name, path)
    if field.longest and len(value) > field.longest:
        raise refused(
            f"The field {field.name} contained more than the maximum number ( {field.longest} )"
            " of characters allowed."
        )
    return value or None


def _choice(field: Field, value: Any, path: str) -> str:
    code = _id_of(value)
    if isinstance(code, bool):
        code = str(code).lower()
    if not isinstance(code, (str, int)) or (field.choices and str(code) not in field.choices):
        raise invalid_value(code, field.name, path)
    return str(code)


def _day(field: Field, value: Any, path: str) -> str:
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise invalid_value(value, field.name, path)
    try:
        return date(*map(int, found.groups())).isoformat()
    except ValueError:
        raise invalid_value(value, field.name, path) from None


def _instant(field: Field, value: Any, path: str) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise invalid_value(value, field.name, path) from None
    if instant.tzinfo is None:
        raise invalid_value(value, field.name, path)
    return instant_text(instant)


_SIMPLE: dict[Kind, Callable[[Field, Any, str], Any]] = {
    Kind.text: _text,
    Kind.number: _number,
    Kind.integer: _number,
    Kind.flag: _flag,
    Kind.day: _day,
    Kind.instant: _instant,
    Kind.choice: _choice,
    Kind.any: lambda field, value, path: value,
}


def instant_text(instant: datetime) -> str:
    """An instant as the record service writes it: UTC with `Z`, whole seconds (N 2.1)."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
