"""JSON in which an amount stays exact: numbers with decimals are `Decimal`, both ways.

`canonical` is the one form in which documents are hashed and compared.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import simplejson


def loads(text: str | bytes) -> Any:
    """Parse JSON; numbers with decimals become Decimal. Raises ValueError when it is not JSON."""
    return simplejson.loads(text, use_decimal=True)


def dumps(value: Any) -> str:
    """Compact JSON, UTF-8 text kept as it is, Decimal written as an exact number."""
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and normalised numbers: equal documents give equal text."""
    return simplejson.dumps(
        _normalised(value), use_decimal=True, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
    )


def fingerprint(value: Any) -> str:
    """Short stable hash of a document (first 24 hex digits of SHA-256 over `canonical`)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:24]


def _normalised(value: Any) -> Any:
    """1.50, 1.5 and 15E-1 are one amount."""
    if isinstance(value, Decimal):
        return Decimal(0) if value == 0 else Decimal(format(value.normalize(), "f"))
    if isinstance(value, dict):
        return {key: _normalised(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [_normalised(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
