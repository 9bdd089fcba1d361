"""Pages of lists: by offset over rows that move, with tokens that say nothing to the caller.

A row may be met twice or missed while the list moves, as at TikTok.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.sandbox.refusals import Refusal

_BAD_PAGE_TOKEN = Refusal(36009004, "The page_token is not valid for this request.", 400)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of rows of one table; a test whose value is None does not count."""

    table: str
    select: str
    sort_field: str
    ascending: bool
    tests: Sequence[tuple[str, Any]]


def among(column: str, values: Sequence[str]) -> list[tuple[str, Any]]:
    """The test that a column has one of some values; without values there is none."""
    return [(f"{column} IN ({','.join('?' * len(values))})", list(values))] if values else []


def page_of(
    database: sqlite3.Connection, listing: Listing, offset: int, limit: int
) -> tuple[list[tuple[Any, ...]], int]:
    """Rows of a page, and how many rows the whole list has."""
    clauses = [clause for clause, value in listing.tests if value is not None]
    values: list[Any] = []
    for _, value in listing.tests:
        values += [] if value is None else value if isinstance(value, list) else [value]
    where = " AND ".join(clauses)
    direction = "ASC" if listing.ascending else "DESC"
    (count,) = database.execute(f"SELECT count(*) FROM {listing.table} WHERE {where}", values).fetchone()
    rows = database.execute(
        f"{listing.select} WHERE {where}"
        f" ORDER BY {listing.sort_field} {direction}, number {direction} LIMIT ? OFFSET ?",
        (*values, limit, offset),
    ).fetchall()
    return rows, count


class PageTokens:
    """Opaque tokens, good for one set of filters only, and full of what URLs escape: + / = (T 0)."""

    def __init__(self, seed: int) -> None:
        self._key = hashlib.sha256(f"pages {seed}".encode()).digest()

    def token(self, offset: int, wanted: object) -> str:
        """The token of the page that begins at `offset`."""
        content = b"\xfb\xff\xbf" + struct.pack(">I", offset) + self._digest(offset, wanted)
        return base64.b64encode(content).decode()

    def offset(self, token: str, wanted: object) -> int:
        """Where the token's page begins; raises Refusal for one of other filters."""
        if not token:
            return 0
        try:
            content = base64.b64decode(token, validate=True)
            (offset,) = struct.unpack(">I", content[3:7])
        except (ValueError, struct.error):
            raise _BAD_PAGE_TOKEN from None
        if content[7:] != self._digest(offset, wanted):
            raise _BAD_PAGE_TOKEN
        return offset

    def _digest(self, offset: int, wanted: object) -> bytes:
        return hmac.digest(self._key, f"{offset} {wanted}".encode(), "sha256")[:9]
