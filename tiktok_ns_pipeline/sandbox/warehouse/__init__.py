"""The seller's warehouse in the books: people who pick, pack and ship what Sales Orders ask for.

Import from here; the modules below are its rooms: `habits` (how people work), `warehouse` (who does
what when), `goods` (what can be picked), `carriers` (ship methods and tracking numbers), `jobs` (what is
remembered), `truth` (what really left).
"""

from tiktok_ns_pipeline.sandbox.warehouse.habits import WarehouseHabits
from tiktok_ns_pipeline.sandbox.warehouse.truth import FirstSteps, Shipped, ShippedLine
from tiktok_ns_pipeline.sandbox.warehouse.warehouse import Warehouse

__all__ = ["FirstSteps", "Shipped", "ShippedLine", "Warehouse", "WarehouseHabits"]
