"""Stock per item and location, and what open orders hold of it.

*On hand* is what lies there, *committed* what open order lines hold, *available* the difference,
*backordered* what they would like and do not get. Whoever ordered first is served first.

Invariant: at each place, committed is the lesser of what is on hand (never below zero) and what
open lines ask for.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from decimal import Decimal

Place = tuple[str, str]
"""Item id and location id."""

Holder = tuple[str, int]
"""Order id and line number."""

_NONE = Decimal(0)


@dataclass(slots=True)
class _Demand:
    asked: Decimal
    committed: Decimal = _NONE


@dataclass(slots=True)
class Position:
    """What lies at one place, and who wants it (in order of arrival)."""

    on_hand: Decimal = _NONE
    committed: Decimal = _NONE
    demands: dict[Holder, _Demand] = field(default_factory=dict[Holder, _Demand])
    short: dict[Holder, None] = field(default_factory=dict[Holder, None])
    """Holders that got less than they ask for, in order of arrival."""

    @property
    def available(self) -> Decimal:
        """What a new order would get."""
        return self.on_hand - self.committed

    @property
    def backordered(self) -> Decimal:
        """What is asked for beyond what is there."""
        return sum((self.demands[one].asked - self.demands[one].committed for one in self.short), _NONE)


class Stock:
    """All positions. `changed` collects places and order ids whose figures moved."""

    def __init__(self, file: sqlite3.Connection | None) -> None:
        self.changed_places: set[Place] = set()
        self.changed_orders: set[str] = set()
        self._file = file
        self._positions: dict[Place, Position] = {}
        if file is not None:
            for item, location, on_hand in file.execute("SELECT item, location, on_hand FROM stock"):
                self._positions[item, location] = Position(Decimal(on_hand))
                self.changed_places.add((item, location))

    def position(self, item: str, location: str) -> Position:
        """What lies at a place; an empty position where nothing was ever set."""
        return self._positions.get((item, location)) or Position()

    def positions(self, item: str) -> dict[str, Position]:
        """Positions of an item by location."""
        return {place: one for (held, place), one in self._positions.items() if held == item}

    def committed(self, place: Place, holder: Holder) -> Decimal:
        """What an order line holds at a place."""
        position = self._positions.get(place)
        demand = position.demands.get(holder) if position else None
        return demand.committed if demand else _NONE

    def set_on_hand(self, item: str, location: str, quantity: Decimal) -> None:
        """State what lies at a place, in stock units; commitments follow."""
        place = (item, location)
        position = self._positions.setdefault(place, Position())
        position.on_hand = quantity
        self.changed_places.add(place)
        if self._file is not None:
            self._file.execute("INSERT OR REPLACE INTO stock VALUES (?, ?, ?)", (*place, str(quantity)))
        self._release_excess(position)
        self._serve(position)

    def move(self, item: str, location: str, quantity: Decimal) -> None:
        """Add to what lies at a place (negative: it left)."""
        self.set_on_hand(item, location, self.position(item, location).on_hand + quantity)

    def ask(self, place: Place, holder: Holder, quantity: Decimal) -> None:
        """State what an order line wants at a place from now on; zero withdraws it."""
        position = self._positions.get(place)
        if position is None:
            if not quantity:
                return
            position = self._positions[place] = Position()
        self.changed_places.add(place)
        demand = position.demands.get(holder)
        if quantity <= 0:
            if demand is not None:
                self._forget(position, holder, demand)
        else:
            if demand is None:
                demand = position.demands[holder] = _Demand(_NONE)
            self._ask_for(position, holder, demand, quantity)
        self._serve(position)

    def _forget(self, position: Position, holder: Holder, demand: _Demand) -> None:
        position.committed -= demand.committed
        del position.demands[holder]
        position.short.pop(holder, None)
        self.changed_orders.add(holder[0])

    def _ask_for(self, position: Position, holder: Holder, demand: _Demand, quantity: Decimal) -> None:
        demand.asked = quantity
        if demand.committed > quantity:
            position.committed -= demand.committed - quantity
            demand.committed = quantity
        if demand.committed < quantity:
            position.short[holder] = None
        else:
            position.short.pop(holder, None)
        self.changed_orders.add(holder[0])

    def _serve(self, position: Position) -> None:
        while position.short and position.available > 0:
            holder = next(iter(position.short))
            demand = position.demands[holder]
            given = min(position.available, demand.asked - demand.committed)
            demand.committed += given
            position.committed += given
            self.changed_orders.add(holder[0])
            if demand.committed == demand.asked:
                del position.short[holder]

    def _release_excess(self, position: Position) -> None:
        excess = position.committed - max(position.on_hand, _NONE)
        for holder in reversed(list(position.demands) if excess > 0 else []):
            if excess <= 0:
                return
            demand = position.demands[holder]
            taken = min(excess, demand.committed)
            demand.committed -= taken
            position.committed -= taken
            excess -= taken
            if taken:
                position.short[holder] = None
                self.changed_orders.add(holder[0])
