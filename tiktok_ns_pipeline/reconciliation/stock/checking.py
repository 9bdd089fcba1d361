"""What a proof of stock means for those who watch it: two questions.

`stock_levels_agree`: TikTok shows what may be shown. `no_oversold_skus`: NetSuite holds what TikTok has
sold. A question that had nothing to look at, or a side that could not be read, is `not_run`, which is
not the same as passed; but what was found in one shop is found, whatever became of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tiktok_ns_pipeline.reconciliation.answering import CheckOutcome, Listing, RowT
from tiktok_ns_pipeline.reconciliation.stock.model import Cover, Level, StockProof, Verdict

_NAMED_ORDERS = 20

_GRAVEST = (Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS, Verdict.CANNOT_BE_CHECKED)


def stock_levels_agree(proof: StockProof) -> CheckOutcome[Level]:
    """Every level that we push is what may be shown."""
    looked_at = [level for level in proof.levels if level.slot.standing in ("published", "unclear")]
    return _answer(
        LEVELS,
        "stock_levels_agree",
        proof,
        looked_at=len(looked_at),
        wrong=[level for level in looked_at if level.is_wrong],
        nothing="no shop publishes a listing's stock",
        good="levels at TikTok are what may be shown, or move just now",
        bad=_units_told(proof),
    )


def no_oversold_skus(proof: StockProof) -> CheckOutcome[Cover]:
    """NetSuite holds the goods of all open orders."""
    return _answer(
        COVERS,
        "no_oversold_skus",
        proof,
        looked_at=sum(cover.available is not None for cover in proof.covers),
        wrong=proof.oversold,
        nothing="no open order wants anything of which NetSuite keeps stock",
        good="items that open orders want are there",
        bad="items were sold beyond what NetSuite holds",
    )


CHECKS: tuple[Callable[[StockProof], CheckOutcome[Any]], ...] = (stock_levels_agree, no_oversold_skus)
"""All questions."""


def _answer(
    listing: Listing[RowT],
    name: str,
    proof: StockProof,
    *,
    looked_at: int,
    wrong: Sequence[RowT],
    nothing: str,
    good: str,
    bad: str,
) -> CheckOutcome[RowT]:
    if proof.is_not_run:
        return CheckOutcome(name, "not_run", proof.statement)
    if wrong:
        rows = tuple(listing.worst_first(wrong))
        names = tuple(listing.name(row) for row in rows)
        table = listing.markdown(rows)
        return CheckOutcome(name, "failed", f"{len(rows)} of {looked_at} {bad}", rows, names, table)
    if proof.unread:
        return CheckOutcome(name, "not_run", f"not all shops could be read: {', '.join(proof.unread)}")
    if not looked_at:
        return CheckOutcome(name, "not_run", f"nothing to look at: {nothing}")
    return CheckOutcome(name, "passed", f"{looked_at} {good}")


def _units_told(proof: StockProof) -> str:
    beyond = proof.units(Verdict.SHOWS_MORE_THAN_EXISTS)
    hidden = proof.units(Verdict.SHOWS_LESS)
    return (
        f"levels at TikTok are not what may be shown: {beyond:,} units are shown that do not exist, "
        f"{hidden:,} could be sold and are not shown"
    )


def _level_gravity(level: Level) -> tuple[int, int, tuple[str, str, str]]:
    """What can be sold and does not exist comes first, then what is lost; the key makes it stable."""
    return _GRAVEST.index(level.verdict), -abs(level.difference), level.slot.key


def _called(level: Level) -> str:
    return level.slot.seller_sku or level.slot.sku_id


def _level_cells(level: Level) -> tuple[str, ...]:
    slot = level.slot
    return (
        slot.shop,
        " ".join(filter(None, (slot.seller_sku, slot.sku_id))),
        slot.warehouse_id,
        level.verdict.replace("_", " "),
        "" if slot.shown is None else f"{slot.shown:,}",
        "" if level.may_show is None else f"{level.may_show:,}",
        f"{level.difference:+,}" if level.difference else "",
        level.note,
    )


def _cover_cells(cover: Cover) -> tuple[str, ...]:
    item_id, pool = cover.stock
    more = len(cover.orders) - _NAMED_ORDERS
    return (
        item_id,
        ", ".join(pool),
        f"{cover.oversold:f}",
        "" if cover.available is None else f"{cover.available:f}",
        f"{cover.claimed:f}",
        f"{cover.backordered:f}",
        ", ".join(cover.orders[:_NAMED_ORDERS]) + (f" and {more} more" if more > 0 else ""),
    )


LEVELS: Listing[Level] = Listing(
    "stock_reconciliation",
    ("shop", "SKU", "warehouse", "verdict", "shown", "may be shown", "difference", "note"),
    cells=_level_cells,
    name=lambda level: f"{level.slot.shop}/{_called(level)}/{level.slot.warehouse_id}",
    worst_first=lambda levels: sorted(levels, key=_level_gravity),
)

COVERS: Listing[Cover] = Listing(
    "stock_reconciliation",
    ("item", "locations", "oversold", "available", "claimed", "backordered", "orders"),
    cells=_cover_cells,
    name=lambda cover: f"item {cover.stock[0]} at {', '.join(cover.stock[1])}",
    worst_first=lambda covers: sorted(covers, key=lambda cover: (-cover.oversold, cover.stock)),
)
