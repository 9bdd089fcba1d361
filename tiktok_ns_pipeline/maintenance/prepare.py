"""Prepares an instance: both databases at this version of the code, the pools with their limits.

    python -m tiktok_ns_pipeline.maintenance.prepare

Run once before the other processes of a deployment start, and again with every new version; running
it more often changes nothing. Needs DAGSTER_HOME, and TNS_DATABASE_URL or TNS_DATA_DIR.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import dagster as dg

from tiktok_ns_pipeline.dagster_support import POOLS, ensure_pools


def prepare(instance: dg.DagsterInstance, ledger_url: str, tell: Callable[[str], None]) -> None:
    """Bring Dagster's database and the ledger's to this version and write the pools' limits."""
    from tiktok_ns_pipeline.ledger import Ledger

    instance.upgrade(tell)
    ensure_pools(instance)
    tell("pools: " + ", ".join(f"{pool} {limit}" for pool, limit in POOLS.items()))
    Ledger.open(ledger_url).close()
    tell("the ledger is at this version")


def main() -> None:
    """Prepare what the environment names."""
    from tiktok_ns_pipeline.settings import database_url

    def tell(text: str) -> None:
        sys.stdout.write(f"{text}\n")

    with dg.DagsterInstance.get() as instance:
        prepare(instance, database_url(), tell)


if __name__ == "__main__":
    main()
