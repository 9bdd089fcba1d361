"""Analytical state: append-only Parquet files and the DuckDB that reads them (DESIGN 3).

`Lake` is the one door; `tables` declares what can be in it.
"""

from tiktok_ns_pipeline.lake.compaction import Compaction
from tiktok_ns_pipeline.lake.following import Following
from tiktok_ns_pipeline.lake.lake import Lake, Landing
from tiktok_ns_pipeline.lake.landing import LandingError
from tiktok_ns_pipeline.lake.tables import ACCOUNT_WIDE, TABLES, Column, Table

__all__ = [
    "ACCOUNT_WIDE",
    "TABLES",
    "Column",
    "Compaction",
    "Following",
    "Lake",
    "Landing",
    "LandingError",
    "Table",
]
