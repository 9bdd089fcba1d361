"""The seller's warehouse in the books: people who pick, pack and ship what Sales Orders ask for.

Import from here; the modules below are its rooms: `habits` (how people work), `warehouse` (who does
what), `agenda` (when), `goods` (what can be picked), `choices` (what is left to chance), `carriers` (ship
methods and tracking numbers), `labels` (the way to the channel), `jobs` (what is remembered), `truth`
(what left).
"""

from tiktok_ns_pipeline.sandbox.warehouse.habits import WarehouseHabits
from tiktok_ns_pipeline.sandbox.warehouse.labels import Labels
from tiktok_ns_pipeline.sandbox.warehouse.truth import FirstSteps, Shipped, ShippedLine
from tiktok_ns_pipeline.sandbox.warehouse.warehouse import Warehouse

__all__ = ["FirstSteps", "Labels", "Shipped", "ShippedLine", "Warehouse", "WarehouseHabits"]
