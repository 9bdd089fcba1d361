"""Why a SKU shows what it shows: every term of its numbers, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tiktok_ns_pipeline.inventory.levels import Level
from tiktok_ns_pipeline.inventory.standing import Standing


def explanation(standing: Standing) -> Iterator[str]:
    """Lines of text, most important first."""
    offer = standing.offer
    yield f"SKU {offer.sku_id} ({offer.seller_sku or 'no seller SKU'}) of shop {offer.shop}, {offer.status}"
    if offer.left_alone:
        yield f"Nothing is pushed: {offer.left_alone}"
    for slot in offer.slots:
        shown = standing.shown.get(slot)
        yield f"warehouse {slot.warehouse_id}: TikTok shows {'nothing known' if shown is None else shown}"
        if (level := standing.levels.get(slot)) is not None:
            yield from _terms(level)
    if standing.intent is not None:
        error = f": {standing.intent.last_error}" if standing.intent.last_error else ""
        yield f"last push: {standing.intent.state}, {standing.intent.updated_at:%Y-%m-%d %H:%M:%S}Z{error}"
    for row in standing.pushes:
        yield (
            f"pushed {row['level']} to warehouse {row['warehouse_id']} at "
            f"{row['pushed_at']:%Y-%m-%d %H:%M:%S}Z "
            f"(it showed {row['before']}, read back {row['read_back']})"
        )
    for each in standing.movements:
        yield (
            f"{each.at:%Y-%m-%d %H:%M:%S}Z {each.key.account} {each.key.sku} at {each.key.place}: "
            f"{each.movement} "
            f"{each.quantity:+f} {each.reference}".rstrip()
        )
    for one in standing.exceptions:
        yield f"exception {one.id} ({one.kind}, {one.state}): {one.message}"


def _terms(level: Level) -> Iterator[str]:
    for part in level.parts:
        if part.supply is None:
            yield f"  item {part.shelf.item_id}: its stock is not known, so the last level stays"
            continue
        stock = part.supply.available
        available = " + ".join(f"{units:f} at {place}" for place, units in stock.items())
        sold = sum(part.supply.uncommitted.values())
        yield (
            f"  item {part.shelf.item_id}: {available} - {sold:f} sold and unknown to "
            f"NetSuite = {part.supply.free:f}; {part.share:f} % of it is {part.shared}; "
            f"by {part.quantity:f} in one unit {part.units}"
        )
        if part.mode == "divided":
            yield f"  divided among those who share it: {part.need} are likely to be sold in flight"
    cap = "" if level.cap is None else f", at most {level.cap}"
    yield f"  less {level.buffer} kept back{cap}: should show {level.quantity}"
