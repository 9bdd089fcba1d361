"""Stock per item and location, and what open orders hold of it.

*On hand* is what lies there, *committed* what open order lines hold, *available* the difference,
*backordered* what they would like and do not get. Whoever ordered first is served first. *In transit*
is under way to a place from another one, *on order* is bought and has not come yet; neither can be
promised.

Invariants: at each place, committed is the lesser of what is on hand (never below zero) and what open
lines ask for; what one operation changed becomes history at one instant, all of it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tiktok_ns_pipeline.sandbox.books.store import REMEMBERED

Place = tuple[str, str]
"""Item id and location id."""

Holder = tuple[str, int]
"""Order id and line number."""

_NONE = Decimal(0)


class Figures(NamedTuple):
    """What is shown of a place, in stock units."""

    on_hand: Decimal = _NONE
    committed: Decimal = _NONE
    backordered: Decimal = _NONE
    in_transit: Decimal = _NONE
    on_order: Decimal = _NONE

    @property
    def available(self) -> Decimal:
        """What a new order would get."""
        return self.on_hand - self.committed


class Effect(NamedTuple):
    """What a document adds to a place, in stock units."""

    on_hand: Decimal = _NONE
    in_transit: Decimal = _NONE
    on_order: Decimal = _NONE


@dataclass(frozen=True, slots=True)
class Earlier:
    """What differs between now and an earlier instant: how it was then."""

    places: Mapping[Place, Figures | None]
    """None where nothing was known of a place."""
    committed: Mapping[tuple[Place, Holder], Decimal]


@dataclass(slots=True)
class _Demand:
    asked: Decimal
    committed: Decimal = _NONE


@dataclass(slots=True)
class Position:
    """What lies at one place, and who wants it (in order of arrival)."""

    on_hand: Decimal = _NONE
    committed: Decimal = _NONE
    asked: Decimal = _NONE
    in_transit: Decimal = _NONE
    on_order: Decimal = _NONE
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
        return self.asked - self.committed

    @property
    def held_by(self) -> dict[str, Decimal]:
        """What orders hold of it, by order id."""
        held: dict[str, Decimal] = {}
        for (order, _), demand in self.demands.items():
            held[order] = held.get(order, _NONE) + demand.committed
        return held

    @property
    def figures(self) -> Figures:
        """All that is shown of the place."""
        return Figures(self.on_hand, self.committed, self.backordered, self.in_transit, self.on_order)


class Stock:
    """All positions. `changed` collects places and order ids whose figures moved."""

    def __init__(self, file: sqlite3.Connection | None) -> None:
        self.changed_places: set[Place] = set()
        self.changed_orders: set[str] = set()
        self._file = file
        self._positions: dict[Place, Position] = {}
        self._locations: dict[str, list[str]] = {}
        self._before: dict[Place, Figures | None] = {}
        self._held_before: dict[tuple[Place, Holder], Decimal] = {}
        self._history: deque[tuple[datetime, Earlier]] = deque()
        if file is not None:
            for item, location, on_hand in file.execute("SELECT item, location, on_hand FROM stock"):
                self._at((item, location)).on_hand = Decimal(on_hand)
                self.changed_places.add((item, location))

    def position(self, item: str, location: str) -> Position:
        """What lies at a place; an empty position where nothing was ever set."""
        return self._positions.get((item, location)) or Position()

    def positions(self, item: str) -> dict[str, Position]:
        """Positions of an item by location."""
        return {place: self._positions[item, place] for place in self._locations.get(item, ())}

    def places(self) -> Iterator[tuple[Place, Position]]:
        """Every place with what lies there."""
        yield from self._positions.items()

    def committed(self, place: Place, holder: Holder) -> Decimal:
        """What an order line holds at a place."""
        position = self._positions.get(place)
        demand = position.demands.get(holder) if position else None
        return demand.committed if demand else _NONE

    def set_on_hand(self, item: str, location: str, quantity: Decimal) -> None:
        """State what lies at a place, in stock units; commitments follow."""
        self.add((item, location), Effect(quantity - self.position(item, location).on_hand))

    def add(self, place: Place, effect: Effect) -> None:
        """Let a document's effect on a place happen; commitments follow."""
        position = self._changing(place)
        position.in_transit += effect.in_transit
        position.on_order += effect.on_order
        position.on_hand += effect.on_hand
        if self._file is not None:
            row = (*place, str(position.on_hand))
            self._file.execute("INSERT OR REPLACE INTO stock VALUES (?, ?, ?)", row)
        self._release_excess(place, position)
        self._serve(place, position)

    def ask(self, place: Place, holder: Holder, quantity: Decimal) -> None:
        """State what an order line wants at a place from now on; zero withdraws it."""
        if quantity <= 0 and place not in self._positions:
            return
        position = self._changing(place)
        demand = position.demands.get(holder)
        if quantity <= 0:
            if demand is not None:
                self._forget(place, position, holder, demand)
        else:
            if demand is None:
                demand = position.demands[holder] = _Demand(_NONE)
            self._ask_for(place, position, holder, demand, quantity)
        self._serve(place, position)

    def remember(self, at: datetime) -> None:
        """All that changed since the last time changed at this instant."""
        if self._before:
            self._history.append((at, Earlier(self._before, self._held_before)))
            self._before, self._held_before = {}, {}
        while self._history and self._history[0][0] < at - REMEMBERED:
            self._history.popleft()

    def forget_changes(self) -> None:
        """What there is has always been so: nothing of it becomes history."""
        self._before, self._held_before = {}, {}

    def earlier(self, instant: datetime) -> Earlier:
        """How the places that changed after an instant were then."""
        places: dict[Place, Figures | None] = {}
        committed: dict[tuple[Place, Holder], Decimal] = {}
        for at, before in self._history:
            if at > instant:
                for place, figures in before.places.items():
                    places.setdefault(place, figures)
                for key, quantity in before.committed.items():
                    committed.setdefault(key, quantity)
        return Earlier(places, committed)

    def _at(self, place: Place) -> Position:
        position = self._positions.get(place)
        if position is None:
            position = self._positions[place] = Position()
            self._locations.setdefault(place[0], []).append(place[1])
        return position

    def _changing(self, place: Place) -> Position:
        """The position of a place whose figures are about to change."""
        known = place in self._positions
        position = self._at(place)
        self._before.setdefault(place, position.figures if known else None)
        self.changed_places.add(place)
        return position

    def _hold(
        self, place: Place, position: Position, holder: Holder, demand: _Demand, quantity: Decimal
    ) -> None:
        """An order line holds so much from now on."""
        self._held_before.setdefault((place, holder), demand.committed)
        position.committed += quantity - demand.committed
        demand.committed = quantity
        self.changed_orders.add(holder[0])

    def _forget(self, place: Place, position: Position, holder: Holder, demand: _Demand) -> None:
        self._hold(place, position, holder, demand, _NONE)
        position.asked -= demand.asked
        del position.demands[holder]
        position.short.pop(holder, None)

    def _ask_for(
        self, place: Place, position: Position, holder: Holder, demand: _Demand, quantity: Decimal
    ) -> None:
        position.asked += quantity - demand.asked
        demand.asked = quantity
        self._hold(place, position, holder, demand, min(demand.committed, quantity))
        if demand.committed < quantity:
            position.short[holder] = None
        else:
            position.short.pop(holder, None)

    def _serve(self, place: Place, position: Position) -> None:
        while position.short and position.available > 0:
            holder = next(iter(position.short))
            demand = position.demands[holder]
            given = min(position.available, demand.asked - demand.committed)
            self._hold(place, position, holder, demand, demand.committed + given)
            if demand.committed == demand.asked:
                del position.short[holder]

    def _release_excess(self, place: Place, position: Position) -> None:
        """Who ordered last goes without first."""
        excess = position.committed - max(position.on_hand, _NONE)
        if excess <= 0:
            return
        for holder in reversed(list(position.demands)):
            demand = position.demands[holder]
            taken = min(excess, demand.committed)
            if taken:
                self._hold(place, position, holder, demand, demand.committed - taken)
                excess -= taken
            if not excess:
                break
        position.short = {
            holder: None for holder, demand in position.demands.items() if demand.committed < demand.asked
        }
