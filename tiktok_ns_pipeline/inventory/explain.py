"""Why a SKU shows what it shows: every term of its numbers, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tiktok_ns_pipeline.inventory.levels import Level, PartTerms
from tiktok_ns_pipeline.inventory.standing import Standing
from tiktok_ns_pipeline.ledger.stock import Account, Position

_WHOSE: Mapping[Account, str] = {
    "netsuite": "NetSuite's number of item {sku} at location {place}",
    "uncommitted": "sold of item {sku} from warehouse {place}, unknown to NetSuite",
    "tiktok": "TikTok's number of SKU {sku} in warehouse {place}",
    "unseen": "missing of SKU {sku} in warehouse {place} without an order",
}


def explanation(standing: Standing) -> Iterator[str]:
    """Lines of text, most important first."""
    offer = standing.offer
    yield f"SKU {offer.sku_id} ({offer.seller_sku or 'no seller SKU'}) of shop {offer.shop}, {offer.status}"
    if offer.left_alone:
        yield f"Nothing is pushed: {offer.left_alone}"
    for slot in offer.slots:
        shown, level = standing.shown.get(slot), standing.levels.get(slot)
        should = "" if level is None or level.quantity is None else f", should show {level.quantity}"
        shows = "nothing known" if shown is None else shown
        yield f"warehouse {slot.warehouse_id}: TikTok shows {shows}{should}"
        if level is not None:
            yield from _terms(level, standing.names)
    for one in standing.exceptions:
        yield f"exception {one.id} ({one.kind}, {one.state}): {one.message}"
    if standing.intent is not None:
        error = f": {standing.intent.last_error}" if standing.intent.last_error else ""
        yield f"last push: {standing.intent.state}, {standing.intent.updated_at:%Y-%m-%d %H:%M:%S}Z{error}"
    for row in standing.pushes:
        yield (
            f"  {row['pushed_at']:%Y-%m-%d %H:%M:%S}Z {row['level']} to warehouse {row['warehouse_id']}: "
            f"it showed {row['before']}, read back {row['read_back']}"
        )
    if standing.movements:
        yield "newest movements:"
    yield from map(_movement, standing.movements)


def _terms(level: Level, names: Mapping[str, str]) -> Iterator[str]:
    for part in level.parts:
        yield f"  {names.get(part.shelf.item_id, 'item')} (item {part.shelf.item_id}): {_of_part(part)}"
    if level.quantity is None:
        return
    fewest = f"the fewest: {level.scarcest.units}" if level.scarcest else "nothing"
    cap = "" if level.cap is None else f", at most {level.cap}"
    yield f"  {fewest} - {level.buffer} kept back{cap} = {level.undivided}"
    if level.mode == "divided":
        need = max(part.need for part in level.parts)
        yield (
            f"  divided among {len(level.siblings) + 1} listings that share it, since {need} are likely to "
            f"be sold before all numbers are right again: {level.quantity} of {level.undivided}"
        )


def _of_part(part: PartTerms) -> str:
    if part.supply is None:
        return "its stock is not known, so the last level stays"
    available = " + ".join(f"{_plain(units)} at {place}" for place, units in part.supply.available.items())
    sold = sum(part.supply.uncommitted.values(), Decimal(0))
    return (
        f"{available} - {_plain(sold)} sold and unknown to NetSuite = {_plain(part.supply.free)}; "
        f"the shop's {_plain(part.share)} % of it = {part.shared}; "
        f"{_plain(part.quantity)} in one unit: enough for {part.units}"
    )


def _movement(row: Position) -> str:
    whose = _WHOSE[row.key.account].format(sku=row.key.sku, place=row.key.place)
    reference = f" ({row.reference})" if row.reference else ""
    return f"  {row.at:%Y-%m-%d %H:%M:%S}Z {row.movement} {_plain(row.quantity, '+')}: {whose}{reference}"


def _plain(quantity: Decimal, sign: str = "") -> str:
    """Without zeros at the end."""
    return f"{quantity.normalize():{sign}f}" if quantity else "0"
