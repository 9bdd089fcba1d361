"""Housekeeping: small files of the lake are put together, Dagster's own history is kept from growing.

`defs` is what Dagster shows of it, made when it is first asked for.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.maintenance.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
