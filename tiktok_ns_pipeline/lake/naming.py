"""Names of the lake's files.

`table=<table>/shop=<shop>/day=<day>/<instant>-<unique>.parquet`, the instant being the landing's in
UTC, so that names of one folder sort by age. Beside a compacted file lies
`<instant>-<unique>.replaces`, the names of the files that it stands for.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from uuid import uuid4

from tiktok_ns_pipeline.lake.tables import Table

DATA = ".parquet"
REPLACES = ".replaces"

_STAMP = "%Y%m%dT%H%M%S%fZ"

_SHOP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def folder(table: Table, shop: str | None = None, day: date | None = None) -> str:
    """Folder of a table, of one shop in it, or of one shop's day. Raises ValueError for odd shop codes."""
    path = f"table={table.name}"
    if shop is None:
        return path
    if not _SHOP.fullmatch(shop):
        raise ValueError(f"{shop!r} is no shop code; use letters, digits, '-' and '_'")
    path = f"{path}/shop={shop}"
    return path if day is None else f"{path}/day={day.isoformat()}"


def stem(instant: datetime) -> str:
    """A new unique file name without its ending."""
    return f"{stamp(instant)}-{uuid4().hex}"


def stamp(instant: datetime) -> str:
    """An instant as names spell it; sorts as the instants do."""
    return instant.astimezone(UTC).strftime(_STAMP)


def landed_by(path: str, instant: datetime) -> bool:
    """Whether the file had landed by an instant."""
    return name_of(path).split("-")[0] <= stamp(instant)


def landed_at(path: str) -> datetime:
    """When the file landed."""
    return datetime.strptime(name_of(path).split("-")[0], _STAMP).replace(tzinfo=UTC)


def folder_of(path: str) -> str:
    """The folder that a file lies in."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """A file's name without its folder."""
    return path.rpartition("/")[2]


def day_of(path: str) -> date:
    """The business day that a file is filed under."""
    return date.fromisoformat(folder_of(path).rpartition("day=")[2])
