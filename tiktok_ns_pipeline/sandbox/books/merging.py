"""How a change meets what is there: header fields and the lines of a sublist (N 2.5, 2.7).

An element that carries the key of a line changes that line, one without key becomes a new line. Unless
the caller asks for replacement, lines that are not mentioned stay; a sublist without key only grows.
That is why a repeated write without keys doubles an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import Kind, Schema, catalogue
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Merged:
    """A sublist after a change."""

    lines: list[Line]
    given: dict[int, Mapping[str, Any]]
    """What the request said about a line, by its place in `lines`."""
    dropped: list[Line]
    last_number: int
    """Highest line number ever used, for sublists keyed by `line`."""


def merged_header(schema: Schema, old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Header fields after a change: what is given wins, null clears, the rest stays.

    Subrecords are merged field by field; sublists keep their old lines here.
    """
    fields = dict(old)
    for name, value in given.items():
        kind = schema.fields[name.lower()].kind
        if kind is Kind.sublist:
            continue
        if value is None:
            fields.pop(name, None)
        elif kind is Kind.subrecord:
            fields[name] = _without_nulls({**fields.get(name, {}), **value})
        else:
            fields[name] = value
    return fields


def merged_lines(
    schema: Schema, old: Sequence[Line], given: Sequence[Line], *, replace: bool, last_number: int, path: str
) -> Merged:
    """Lines of a sublist after a change. Raises BookError when a key names no line."""
    by_key = {str(line[schema.key]): index for index, line in enumerate(old)} if schema.key else {}
    changed: dict[int, tuple[Line, Mapping[str, Any]]] = {}
    added: list[tuple[Line, Mapping[str, Any]]] = []
    order: list[tuple[Line, Mapping[str, Any]]] = []
    for index, element in enumerate(given):
        key = element.get(schema.key) if schema.key else None
        if key is None or (not old and schema.key == "line"):
            last_number += 1
            line = _without_nulls(element)
            if schema.key == "line":
                line["line"] = last_number
            entry = (line, element)
            added.append(entry)
        elif str(key) in by_key:
            position = by_key[str(key)]
            entry = (_without_nulls({**old[position], **element}), element)
            changed[position] = entry
        elif schema.key == "line":
            raise invalid_value(key, schema.key, f"{path}.items[{index}].{schema.key}")
        else:
            entry = (_without_nulls(element), element)
            added.append(entry)
        order.append(entry)
    if replace:
        entries = order
        dropped = [line for index, line in enumerate(old) if index not in changed]
    else:
        entries = [changed.get(index, (dict(line), {})) for index, line in enumerate(old)] + added
        dropped = []
    said = {index: element for index, (_, element) in enumerate(entries) if element}
    return Merged([line for line, _ in entries], said, dropped, last_number)


def merged_sublists(
    schema: Schema, old: Mapping[str, Any], given: Mapping[str, Any], replace: frozenset[str], skip: str = ""
) -> dict[str, Any]:
    """All sublists after a change, but for the one called `skip`."""
    result: dict[str, Any] = {}
    for name, elements in given.items():
        field = schema.fields[name.lower()]
        if field.kind is not Kind.sublist or name == skip:
            continue
        line_schema = catalogue().schemas[field.target]
        lines: list[Line] = [] if elements is None else old.get(name) or []
        merged = merged_lines(
            line_schema, lines, elements or [], replace=name in replace, last_number=len(lines), path=name
        )
        result[name] = merged.lines
    return result


def _without_nulls(fields: Mapping[str, Any]) -> Line:
    return {name: value for name, value in fields.items() if value is not None}
