"""The settlement flow: what TikTok paid out becomes balanced journals that empty the clearing account.

`defs` is what Dagster shows of it; it is made when it is first asked for.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.settlements.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
