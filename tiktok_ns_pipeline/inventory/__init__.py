"""The stock flow: TikTok shows what NetSuite can promise, less what TikTok sold that NetSuite does not know.

`defs` is what Dagster shows of it. It is made when it is first asked for: the flow itself, the
command line and the simulation do without Dagster, which takes a second to import.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.inventory.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
