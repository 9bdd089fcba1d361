"""What staging makes of one order: a document, or why there is none.

- *staged*: the Sales Order that should exist;
- *waiting*: TikTok's order is not ready; nothing is wrong and nobody has to do anything;
- *skipped*: no Sales Order shall exist, by a recorded rule;
- *parked*: something is wrong that a person has to decide or mend.

Every outcome names the order and its version, so that it can be kept, explained and replayed alone.
Texts carry no buyer's data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.orders.document import SalesOrderDocument

CHANNEL = "tiktok"

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LONGEST_STATUS = 40
_LATEST_EPOCH = 4_102_444_800  # the year 2100; a larger number is no time in seconds


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that was decided, and the rule that decided it."""

    what: str
    value: str
    rule: str
    source: str
    """Part of the mapping, or section of the reference, that holds the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderVersion:
    """Which version of which order an outcome is about."""

    shop: str
    """Shop code of the mapping; whatever the caller named where the mapping has none such."""
    order_id: str
    status: str
    """As TikTok told it; empty where it told none."""
    update_time: datetime | None
    dispatch_by: datetime | None = None
    """When the order must be handed to the carrier (T 3.3: rts_sla_time)."""
    channel: str = CHANNEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged(OrderVersion):
    """The Sales Order that should exist."""

    document: SalesOrderDocument
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(OrderVersion):
    """Not ready; looked at again when the order changes."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(OrderVersion):
    """No Sales Order shall exist."""

    reason: str
    rule: str
    decisions: tuple[Decision, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked(OrderVersion):
    """Something is wrong."""

    problems: tuple[Problem, ...]
    decisions: tuple[Decision, ...] = field(default=())

    @property
    def reason(self) -> str:
        """All that is wrong, in business words."""
        return " ".join(problem.message for problem in self.problems)


Outcome = Staged | Waiting | Skipped | Parked


def readable_order_id(raw: object) -> str:
    """The order's id; `unreadable-<hash>` of an order that has none, so that it can still be named.

    The name under which the order landed (`lake.orders`), wherever that can be an id at all.
    """
    try:
        name = order_name(raw)
    except (TypeError, ValueError, RecursionError):
        name = ""  # no JSON, so it never landed
    if _ID.fullmatch(name):
        return name
    digest = hashlib.sha256(repr(raw).encode("utf-8", "backslashreplace")).hexdigest()
    return f"unreadable-{digest[:24]}"


def raw_version(raw: object) -> tuple[str, datetime | None]:
    """Status and update_time of an order that cannot be read as a whole, as far as they can be."""
    status, updated = _get(raw, "status"), _get(raw, "update_time")
    instant = None
    if isinstance(updated, int) and not isinstance(updated, bool) and 0 < updated < _LATEST_EPOCH:
        instant = from_epoch(updated)
    return readable_status(status), instant


def readable_status(status: object) -> str:
    """A status that can be stored and shown, whatever TikTok sent in its place."""
    return (clean_text(status, _LONGEST_STATUS) or "") if isinstance(status, str) else ""


def _get(raw: object, key: str) -> object:
    return cast("Mapping[str, object]", raw).get(key) if isinstance(raw, Mapping) else None
