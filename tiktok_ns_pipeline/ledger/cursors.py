"""Cursors: how far an observation has come, and other small durable marks.

A watermark belongs to the run that reads with it, never to the sensor that asked for the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_update

_GET = sa.select(schema.cursors.c.value).where(schema.cursors.c.name == sa.bindparam("of_name"))
_SET = insert_or_update(schema.cursors, key=["name"], changing=["value", "updated_at"])


class Cursors:
    """Named JSON values, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, name: str) -> Any:
        """The stored value, or None."""
        text = self._connection.execute(_GET, {"of_name": name}).scalar()
        return None if text is None else exact_json.loads(text)

    def set(self, name: str, value: Any) -> None:
        """Replace the value."""
        row = {"name": name, "value": exact_json.dumps(value), "updated_at": self._now}
        self._connection.execute(_SET, row)

    def advance(self, name: str, value: str) -> None:
        """Move an ordered text mark forward, never back: the slower of two readers loses nothing."""
        known = self.get(name)
        if known is None or value > known:
            self.set(name, value)
