"""A world that settles, and the settlement flow over it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.judge_settlements import (
    SettlementFindings,
    judge_settlements,
    settled_lines,
)
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.settling_truth import Role
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.statements import PAID
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.settlements.flow import RunReport, SettlementsFlow, SettlementsRequest

DAY = 86_400
SOON = SettlementsRequest(budget_s=7200, idle_s=10, read_now=True)


def settling(
    test: Callable[[Rig], Awaitable[None]], options: dict[str, Any] | None = None, **habits: Any
) -> None:
    """Give the test a rig in whose world TikTok settles; nothing else happens but what `habits` say."""
    mix = Mix.plain(settles=True, settlement=replace(SettlementHabits.quiet(), **habits))
    in_world(test, mix=mix, **(options or {}))


def delivered(rig: Rig, shop: str = "vn", *lines: Line | str, **options: Any) -> str:
    """An order that is delivered now."""
    order_id = rig.world.place_order(shop, list(lines) or [Line("SKU-001", 1, "200000")], **options)
    rig.world.move_to(order_id, Status.delivered)
    return order_id


async def pass_days(rig: Rig, days: float) -> None:
    """Let so many days pass."""
    await asyncio.sleep(days * DAY)
    rig.world.catch_up()


async def settle(rig: Rig, request: SettlementsRequest = SOON) -> RunReport:
    """One run of the flow."""
    async with rig.runtime() as runtime:
        return await SettlementsFlow(runtime, "run").run(request)


def journals(rig: Rig) -> list[dict[str, Any]]:
    """Every journal in NetSuite."""
    return list(rig.books.records("journalEntry"))


def posted(record: dict[str, Any]) -> dict[str, D]:
    """What a journal posts by account, debit positive."""
    sums: dict[str, D] = {}
    for line in record["line"]["items"]:
        account = line["account"]["id"]
        amount = D(str(line.get("debit") or 0)) - D(str(line.get("credit") or 0))
        sums[account] = sums.get(account, D(0)) + amount
    return sums


def judged(rig: Rig) -> SettlementFindings:
    """What the judge finds about the payouts that were posted; cleared sales are in several accounts."""
    clearing: dict[str, Role] = dict.fromkeys(("125", "126", "127", "54", "58", "55"), "clearing")
    banks: dict[str, Role] = dict.fromkeys(("128", "129", "130"), "bank")
    reserves: dict[str, Role] = dict.fromkeys(("140", "141", "142"), "reserve")
    roles: dict[str, Role] = {**clearing, **banks, **reserves}
    return judge_settlements(settled_lines(rig.books), rig.world.finance.truth(), roles)


def with_mapping(rig: Rig, *changes: tuple[str, str]) -> None:
    """Let the pipeline find a mapping from now on in which these texts are replaced."""
    text = rig.settings.mapping_path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    use_mapping(rig, text)


def use_mapping(rig: Rig, text: str) -> None:
    """Let the pipeline find this mapping from now on."""
    path = rig.settings.data_dir / "mapping.yaml"
    path.write_text(text)
    rig.settings = replace(rig.settings, mapping_path=path)


def told(rig: Rig, shop: str = "") -> list[tuple[str, str]]:
    """Kind and subject of what is open, but for orders that nobody billed."""
    return sorted(
        (one.kind, one.subject)
        for one in exceptions(rig)
        if one.kind != "settled_order_unbilled" and shop in ("", one.shop)
    )


def payments(rig: Rig, shop: str) -> list[Any]:
    """Payments of a shop that arrived."""
    return [one for one in rig.world.finance.purse.payments(shop) if one.status == PAID]
