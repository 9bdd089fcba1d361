"""The closures flow: what TikTok cancelled is closed in NetSuite, or was never posted.

`defs` is what Dagster shows of it. It is made when it is first asked for: the flow itself, the
command line and the simulation do without Dagster, which takes a second to import.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.cancellations.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
