"""Undoing what NetSuite does to values on the wire.

SuiteQL turns every value into text, leaves out what is NULL, and tells time on the account's own clock
(N 3.1, 3.5). The record service wraps references and enumerations in objects and sublists in
collections (N 2.1, 2.3). These helpers read both; each gives None for a value that is not there, since
unknown is not zero, and raises ValueError for one that is not what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, cast

ACCOUNT_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def to_decimal(text: str | None) -> Decimal | None:
    """A number of a SuiteQL row, exactly as written; None when the column was NULL (N 3.1)."""
    if text is None:
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number as SuiteQL writes it") from None
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return number


def to_bool(text: str | None) -> bool | None:
    """A flag of a SuiteQL row, `T` or `F`; None when the column was NULL (N 3.1)."""
    if text is None:
        return None
    if text not in ("T", "F"):
        raise ValueError(f"{text!r} is not a flag as SuiteQL writes it (T or F)")
    return text == "T"


def to_instant(text: str | None, offset: timedelta | tzinfo) -> datetime | None:
    """An instant in UTC from account-local text in `ACCOUNT_TIME_FORMAT` (N 3.5).

    `offset` is the account's distance from UTC (`NetSuiteClient.account_utc_offset`) or its time zone.
    An offset measured now is an hour off for a time beyond a change of daylight saving.
    """
    if text is None:
        return None
    zone = timezone(offset) if isinstance(offset, timedelta) else offset
    return datetime.strptime(text, ACCOUNT_TIME_FORMAT).replace(tzinfo=zone).astimezone(UTC)


def to_account_time(instant: datetime, offset: timedelta | tzinfo) -> str:
    """An instant as the account's own clock shows it, for a bound in a query (N 3.5)."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    zone = timezone(offset) if isinstance(offset, timedelta) else offset
    return instant.astimezone(zone).strftime(ACCOUNT_TIME_FORMAT)


def ref(internal_id: str | int) -> dict[str, str]:
    """A reference to a record, or an enumeration's value, as a body carries it (N 2.1)."""
    return {"id": str(internal_id)}


def id_of(value: Any) -> str | None:
    """The id in a reference or an enumeration of a record that was read; None when it is absent (N 2.1)."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        inner: Any = cast("Mapping[str, Any]", value).get("id")
        return None if inner is None else str(inner)
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{type(value).__name__} is not a reference")


def lines_of(record: Mapping[str, Any], sublist: str) -> list[dict[str, Any]]:
    """The lines of an expanded sublist, none when the record carries no such sublist (N 2.3).

    Raises ValueError when the record was read without expansion: its lines are then unknown, not none.
    """
    collection: Any = record.get(sublist)
    if collection is None:
        return []
    if not isinstance(collection, Mapping) or "items" not in collection:
        raise ValueError(f"the sublist {sublist} was not expanded; read the record with expand=True")
    return list(cast("Mapping[str, Any]", collection)["items"])
