"""What Dagster loads: the definitions of every room, and what they share.

Rooms add themselves by exporting `defs`. Importing this module stays below 1.5 seconds and brings
neither pandas, DuckDB, Arrow nor Alembic: every run imports it before its first line (D B.1).
"""

import dagster as dg

from tiktok_ns_pipeline import (
    billing,
    cancellations,
    fulfilment,
    inventory,
    maintenance,
    orders,
    reconciliation,
    refunds,
    settlements,
    webhooks,
)
from tiktok_ns_pipeline.dagster_support import RuntimeResource

defs = dg.Definitions.merge(
    orders.defs,
    billing.defs,
    cancellations.defs,
    fulfilment.defs,
    inventory.defs,
    refunds.defs,
    settlements.defs,
    reconciliation.defs,
    maintenance.defs,
    webhooks.defs,
    # A step in the run's own process costs 50 ms, in a process of its own two seconds (D B.2).
    dg.Definitions(resources={"runtime": RuntimeResource()}, executor=dg.in_process_executor),
)
