"""Makes sure, time and again, that TikTok posts to us: what is missing is registered anew.

An entry that TikTok does not list after all, or refuses to take, becomes an exception, one for each
shop and event; it closes when TikTok lists it. While TikTok is away nothing is known, and nothing
changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tiktok_ns_pipeline.flows.shops import mapped_shops
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.errors import TikTokError, TikTokPermissionError, WireError
from tiktok_ns_pipeline.webhooks.events import CHANNEL
from tiktok_ns_pipeline.webhooks.registering import DEFAULT_EVENTS, Registered, register

NOT_REGISTERED = "webhook_not_registered"


@dataclass(slots=True)
class Watched:
    """What was found, counted over shops and events; `trouble` is what could not be found out."""

    listed: int = 0
    renewed: int = 0
    missing: int = 0
    trouble: list[str] = field(default_factory=list[str])


async def keep_registered(
    runtime: Runtime, address: str, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Watched:
    """Have the events that our flows use posted to the address, for every shop."""
    watched = Watched()
    try:
        shops = await mapped_shops(runtime)
        for shop, access in shops:
            try:
                outcomes = await register(
                    runtime.tiktok.webhooks, access, DEFAULT_EVENTS, address, pause=pause
                )
            except TikTokPermissionError as error:
                # This shop alone is closed to us.
                watched.trouble.append(f"{shop.code}: {error}")
                continue
            _note(runtime, watched, shop, outcomes)
    except (TikTokError, WireError) as error:
        watched.trouble.append(str(error))
    return watched


def _note(runtime: Runtime, watched: Watched, shop: Shop, outcomes: Sequence[Registered]) -> None:
    with runtime.ledger.begin() as tx:
        for one in outcomes:
            watched.listed += one.outcome == "was there"
            watched.renewed += one.outcome == "registered"
            if one.outcome in {"was there", "registered"}:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=shop.code,
                    subject=_subject(one),
                    kinds=[NOT_REGISTERED],
                    reason="TikTok lists our address for it",
                )
            else:
                watched.missing += 1
                tx.exceptions.open(_exception(runtime, shop, one))


def _exception(runtime: Runtime, shop: Shop, one: Registered) -> NewException:
    why = one.why or "TikTok accepted our address for it, but does not list it."
    return runtime.reporter.exception(
        NOT_REGISTERED,
        channel=CHANNEL,
        shop=shop.code,
        subject=_subject(one),
        cause=one.event_type,
        message=f"Events {one.event_type} of shop {shop.code} are not posted to us. {why}",
    )


def _subject(one: Registered) -> str:
    return f"webhook {one.event_type}"
