"""How far warehouse and finance are with a Sales Order, as its record says.

Pure. The lines count what Item Fulfillments did with them: picked, packed, fulfilled (shipped), billed
(N 5.4). What has *begun* of an order is the furthest of it; the mapping's cutoff says from where on an
order is left alone. What was shipped or billed is always beyond it.

A count that is not stated says nothing: then the record's state decides (N 2.12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tiktok_ns_pipeline.netsuite.values import id_of, lines_of

Begun = Literal["nothing", "picked", "packed", "shipped", "billed"]
Cutoff = Literal["picked", "packed", "shipped"]

_ORDER: tuple[Begun, ...] = ("nothing", "picked", "packed", "shipped", "billed")
_COUNTS: tuple[tuple[str, Begun], ...] = (
    ("quantityBilled", "billed"),
    ("quantityFulfilled", "shipped"),
    ("quantityPacked", "packed"),
    ("quantityPicked", "picked"),
)
_BEGUN_BY_STATUS: Mapping[str, Begun] = {"D": "shipped", "E": "shipped", "F": "shipped", "G": "billed"}
"""Partially fulfilled, pending billing, billed."""
_CLOSED = frozenset({"C", "H"})
_GOODS = frozenset({"InvtPart", "NonInvtPart", "Kit", "Assembly"})
"""Item types that leave a warehouse; the rest of a Sales Order are charges and discounts."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a Sales Order is."""

    begun: Begun
    is_closed: bool
    open_lines: tuple[int, ...]
    """Numbers of the lines that are not closed."""
    untouched_goods: tuple[int, ...]
    """Of those, goods of which nothing is on its way out."""

    def is_beyond(self, cutoff: Cutoff) -> bool:
        """Whether the order is left alone."""
        return _ORDER.index(self.begun) >= _ORDER.index(cutoff)


def progress_of(record: Mapping[str, Any]) -> Progress:
    """Read a Sales Order that was fetched with its lines. Raises ValueError for one that was not."""
    lines = lines_of(record, "item")
    still_open = [line for line in lines if not line.get("isClosed")]
    status = id_of(record.get("status")) or ""
    return Progress(
        begun=_begun(lines, status),
        is_closed=status in _CLOSED or not still_open,
        open_lines=tuple(int(line["line"]) for line in still_open),
        untouched_goods=tuple(
            int(line["line"])
            for line in still_open
            if id_of(line.get("itemType")) in _GOODS and _begun_of(line) == "nothing"
        ),
    )


def _begun(lines: list[dict[str, Any]], status: str) -> Begun:
    furthest = _furthest(_begun_of(line) for line in lines)
    if furthest == "nothing" and all("quantityFulfilled" in line for line in lines):
        # Goods that somebody closed leave a charge behind, which alone is «pending billing».
        return "nothing"
    return _furthest((furthest, _BEGUN_BY_STATUS.get(status, "nothing")))


def _furthest(begun: Iterable[Begun]) -> Begun:
    return _ORDER[max((_ORDER.index(one) for one in begun), default=0)]


def _begun_of(line: Mapping[str, Any]) -> Begun:
    for name, begun in _COUNTS:
        if Decimal(str(line.get(name) or 0)) > 0:
            return begun
    return "nothing"
