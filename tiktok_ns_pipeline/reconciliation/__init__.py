"""The proofs: both systems read again and joined by business key, never through our own records.

`defs` is what Dagster shows of them, made when it is first asked for.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.reconciliation.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
