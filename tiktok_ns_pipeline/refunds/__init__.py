"""Refunds and returns: what TikTok gives back becomes Return Authorizations and credits in NetSuite.

`defs` is what Dagster shows of it; it is made when it is first asked for.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.refunds.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
