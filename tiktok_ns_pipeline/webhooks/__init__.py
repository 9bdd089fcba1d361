"""Webhooks: TikTok's hints, received, checked and kept until a flow looks.

    receiver.py     the HTTP application that TikTok posts to
    intake.py       stores what was received, many events in one commit
    events.py       pure: a body -> the row that the inbox keeps
    forgeries.py    pure: when wrong signatures are worth a person's attention
    registering.py  tells TikTok where to post, and makes sure that it knows
    watching.py     does so time and again; what stays missing becomes an exception
    automation.py   when

The receiver needs the ledger and the app's secret, nothing else: it may run in another place than the
pipeline, and of what it answers 200 nothing is lost, whatever is killed when.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from tiktok_ns_pipeline.webhooks.automation import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
