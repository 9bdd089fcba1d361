"""JSON in which an amount stays exact: numbers with decimals are `Decimal`, both ways.

`canonical` is the one form in which documents are hashed and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import simplejson


def loads(text: str | bytes) -> Any:
    """Parse JSON; numbers with decimals become Decimal. Raises ValueError when it is not JSON."""
    return simplejson.loads(text, use_decimal=True)


def dumps(value: Any) -> str:
    """Compact JSON: text kept as it is, Decimal as an exact number, days and instants as ISO text."""
    return _encode(value, sort_keys=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and normalised numbers: equal documents give equal text."""
    return _encode(_normalised(value), sort_keys=True)


def fingerprint(value: Any) -> str:
    """Short stable hash of a document (first 24 hex digits of SHA-256 over `canonical`)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:24]


def fingerprint_of_rows(head: Any, rows: Iterable[Any]) -> str:
    """`fingerprint([head, rows])`, without holding the rows all at once."""
    digest = hashlib.sha256(f"[{canonical(head)},[".encode())
    for number, row in enumerate(rows):
        digest.update(f"{',' if number else ''}{canonical(row)}".encode())
    digest.update(b"]]")
    return digest.hexdigest()[:24]


def _encode(value: Any, *, sort_keys: bool) -> str:
    return simplejson.dumps(
        value,
        use_decimal=True,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=sort_keys,
        allow_nan=False,
        default=_iso,
    )


def _iso(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _normalised(value: Any) -> Any:
    """1.50, 1.5 and 15E-1 are one amount; days and instants become ISO text."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return Decimal(0) if value == 0 else Decimal(format(value.normalize(), "f"))
    if isinstance(value, dict):
        return {key: _normalised(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [_normalised(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
