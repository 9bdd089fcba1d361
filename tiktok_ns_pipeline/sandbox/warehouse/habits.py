"""How the people of the warehouse work: how often they do what, and how long it takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Delay = tuple[float, float]
"""Least and most seconds."""

_MINUTE, _HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True)
class WarehouseHabits:
    """Probabilities of what makes an order special, and delays at speed 1."""

    partial: float = 0.08
    """One line, or some units of the only line, leave first."""
    several_parcels: float = 0.05
    late_tracking: float = 0.05
    corrected_tracking: float = 0.02
    unpicked: float = 0.02
    """The pick is put back, its fulfilment deleted, and picked again."""
    reopened: float = 0.005
    """The shipment is taken back to packed, and shipped again."""
    no_carrier: float = 0.01
    """The ship method is left empty."""
    unmapped_carrier: float = 0.0
    """The ship method is one that no mapping knows."""
    lost: float = 0.05
    """Of what buyers send back, a parcel never arrives."""
    until_picked: Delay = (10 * _MINUTE, 4 * _HOUR)
    until_packed: Delay = (5 * _MINUTE, 1 * _HOUR)
    until_shipped: Delay = (30 * _MINUTE, 6 * _HOUR)
    until_rest: Delay = (12 * _HOUR, 48 * _HOUR)
    """From one wave to the next."""
    until_tracking: Delay = (1 * _HOUR, 20 * _HOUR)
    until_corrected: Delay = (1 * _HOUR, 24 * _HOUR)
    until_again: Delay = (1 * _HOUR, 6 * _HOUR)
    """From putting back or taking back to doing it again."""

    @classmethod
    def steady(cls, **changed: Any) -> WarehouseHabits:
        """Nothing special ever happens, but for what is `changed`."""
        nothing = cls(
            partial=0.0,
            several_parcels=0.0,
            late_tracking=0.0,
            corrected_tracking=0.0,
            unpicked=0.0,
            reopened=0.0,
            no_carrier=0.0,
            lost=0.0,
        )
        return replace(nothing, **changed)
