"""Oracle's functions for SQLite: dates above all (N 3.2, 3.5).

A date lies in a column as *instant text*, `@` and account-local time; everything without the sign is
ordinary text. Functions raise ValueError for what Oracle refuses; the query is then refused.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

_TOKENS = re.compile(
    r'"[^"]*"|YYYY|YY|MONTH|MON|MM|MI|DD|DAY|DY|D|HH24|HH12|HH|SS|AM|PM|Q|FM|[-/.,:; ]|T', re.IGNORECASE
)
_DISPLAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


def instant_text(instant: datetime) -> str:
    """An account-local instant as it lies in a column."""
    return instant.strftime("@%Y-%m-%d %H:%M:%S")


def display_date(value: str) -> str:
    """A date as the account displays it: day and month without leading zeros, no time (N 3.5)."""
    instant = _instant(value)
    return f"{instant.month}/{instant.day}/{instant.year}"


def _instant(value: Any) -> datetime:
    if not isinstance(value, str) or not value.startswith("@"):
        raise ValueError(f"{value!r} is not a date")
    return datetime.fromisoformat(value[1:])


def _to_char(value: Any, pattern: str | None = None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.startswith("@"):
        return display_date(value) if pattern is None else _formatted(_instant(value), pattern)
    if pattern is not None:
        raise ValueError("number formats are not offered")
    return value if isinstance(value, str) else number_text(value)


def number_text(value: float | int) -> str:
    """A number as Oracle prints it; amounts carry binary noise beyond the 14th digit here."""
    return str(value) if isinstance(value, int) else format(_exact(value).normalize(), "f")


def _exact(value: float | int | str) -> Decimal:
    return Decimal(format(round(float(value), 9), ".14g"))


class ExactSum:
    """SUM over amounts without binary noise: what balances, balances."""

    def __init__(self) -> None:
        self._total = Decimal(0)
        self._count = 0

    def step(self, value: Any) -> None:
        """Take a row in."""
        if value is not None:
            self._total += _exact(value)
            self._count += 1

    def inverse(self, value: Any) -> None:
        """Take a row out (windows)."""
        if value is not None:
            self._total -= _exact(value)
            self._count -= 1

    def value(self) -> int | float | None:
        """The sum; null over no values, as in SQL."""
        if not self._count:
            return None
        whole = self._total == self._total.to_integral_value()
        return int(self._total) if whole else float(self._total)

    def finalize(self) -> int | float | None:
        """The sum at the end."""
        return self.value()


_PARTS: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda t: f"{t.year:04}",
    "YY": lambda t: f"{t.year % 100:02}",
    "MONTH": lambda t: calendar.month_name[t.month].ljust(9),
    "MON": lambda t: calendar.month_abbr[t.month],
    "MM": lambda t: f"{t.month:02}",
    "DD": lambda t: f"{t.day:02}",
    "DAY": lambda t: calendar.day_name[t.weekday()].ljust(9),
    "DY": lambda t: calendar.day_abbr[t.weekday()],
    "D": lambda t: str((t.weekday() + 1) % 7 + 1),
    "HH24": lambda t: f"{t.hour:02}",
    "HH12": lambda t: f"{(t.hour - 1) % 12 + 1:02}",
    "HH": lambda t: f"{(t.hour - 1) % 12 + 1:02}",
    "MI": lambda t: f"{t.minute:02}",
    "SS": lambda t: f"{t.second:02}",
    "AM": lambda t: "AM" if t.hour < 12 else "PM",
    "PM": lambda t: "AM" if t.hour < 12 else "PM",
    "Q": lambda t: str((t.month + 2) // 3),
    "FM": lambda t: "",
}
_DIRECTIVES = {
    "YYYY": "%Y",
    "YY": "%y",
    "MONTH": "%B",
    "MON": "%b",
    "MM": "%m",
    "DD": "%d",
    "HH24": "%H",
    "HH12": "%I",
    "HH": "%I",
    "MI": "%M",
    "SS": "%S",
    "AM": "%p",
    "PM": "%p",
    "FM": "",
}


@lru_cache(maxsize=200)
def _tokens(pattern: str) -> tuple[str, ...]:
    tokens = tuple(_TOKENS.findall(pattern))
    if "".join(tokens) != pattern:
        raise ValueError(f"{pattern!r} is not a date format")
    return tokens


def _formatted(instant: datetime, pattern: str) -> str:
    parts = (_PARTS.get(token.upper()) or _literal(token) for token in _tokens(pattern))
    return "".join(part(instant) for part in parts)


def _literal(token: str) -> Callable[[datetime], str]:
    return lambda _: token.strip('"')


def _to_date(text: Any, pattern: str = "MM/DD/YYYY") -> str | None:
    if text is None or (isinstance(text, str) and text.startswith("@")):
        return text
    directives = (_DIRECTIVES.get(token.upper(), token.strip('"')) for token in _tokens(pattern))
    return instant_text(datetime.strptime(str(text), "".join(directives)))  # noqa: DTZ007 - account-local


def _as_date(value: Any) -> Any:
    """Text beside a date column: only the account's display format is understood."""
    if value is None or (isinstance(value, str) and value.startswith("@")):
        return value
    found = _DISPLAY.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r} is not a date of this account")
    month, day, year = map(int, found.groups())
    return instant_text(datetime(year, month, day))  # noqa: DTZ001 - account-local


def _trunc(value: Any, unit: Any = None) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        scale = 10 ** int(unit or 0)
        return int(value * scale) / scale if unit else int(value)
    instant = _instant(value).replace(hour=0, minute=0, second=0)
    match str(unit or "DD").upper():
        case "DD" | "DDD":
            return instant_text(instant)
        case "MM" | "MON" | "MONTH":
            return instant_text(instant.replace(day=1))
        case "YYYY" | "YEAR" | "YY":
            return instant_text(instant.replace(month=1, day=1))
        case "Q":
            return instant_text(instant.replace(month=(instant.month - 1) // 3 * 3 + 1, day=1))
        case _:
            raise ValueError(f"{unit!r} is no unit to cut a date to")


def _shift(left: Any, right: Any, sign: int) -> Any:
    """`date +/- days`, `date - date` in days."""
    if left is None or right is None:
        return None
    if isinstance(left, str) and left.startswith("@"):
        if isinstance(right, str) and right.startswith("@"):
            return (_instant(left) - _instant(right)) / timedelta(days=1)
        return instant_text(_instant(left) + sign * timedelta(days=float(right)))
    return instant_text(_instant(right) + timedelta(days=float(left)))


def _add_months(value: Any, months: Any) -> Any:
    if value is None:
        return None
    instant = _instant(value)
    year, month = divmod(instant.year * 12 + instant.month - 1 + int(months), 12)
    was_last = instant.day == calendar.monthrange(instant.year, instant.month)[1]
    last = calendar.monthrange(year, month + 1)[1]
    return instant_text(
        instant.replace(year=year, month=month + 1, day=last if was_last else min(instant.day, last))
    )


def _last_day(value: Any) -> Any:
    if value is None:
        return None
    instant = _instant(value)
    return instant_text(instant.replace(day=calendar.monthrange(instant.year, instant.month)[1]))


def _to_number(value: Any) -> Any:
    return None if value is None else float(value)


def _instr(text: Any, part: Any, start: int = 1) -> Any:
    if text is None or part is None:
        return None
    return str(text).find(str(part), int(start) - 1) + 1


def _regexp(pattern: Any, text: Any) -> Any:
    return None if text is None else int(re.search(str(pattern), str(text)) is not None)


def _range(now: str, name: str, edge: str) -> str:
    """The named relative dates that are needed to tell today and yesterday."""
    days = {"TODAY": 0, "DAGO1": 1, "YESTERDAY": 1}[name.upper()]
    start = _instant(_trunc(now)) - timedelta(days=days)
    return instant_text(
        start if edge.upper() == "START" else start + timedelta(hours=23, minutes=59, seconds=59)
    )


# (name, number of arguments, function)
FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("TO_CHAR", 1, _to_char),
    ("TO_CHAR", 2, _to_char),
    ("TO_DATE", 1, _to_date),
    ("TO_DATE", 2, _to_date),
    ("TO_TIMESTAMP", 2, _to_date),
    ("TRUNC", 1, _trunc),
    ("TRUNC", 2, _trunc),
    ("ADD_MONTHS", 2, _add_months),
    ("LAST_DAY", 1, _last_day),
    ("TO_NUMBER", 1, _to_number),
    ("INSTR", 2, _instr),
    ("INSTR", 3, _instr),
    ("REGEXP", 2, _regexp),
    ("NS_SHIFT", 3, _shift),
    ("NS_AS_DATE", 1, _as_date),
    ("NS_RANGE", 3, _range),
)
