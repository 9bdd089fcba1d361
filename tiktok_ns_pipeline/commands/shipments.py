"""`tiktok-ns explain shipment` and `tiktok-ns sync shipments`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tiktok_ns_pipeline.commands.flow_runs import opened_for_run
from tiktok_ns_pipeline.commands.terminal import WRONG, console, fail, shown

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.turning import TurnRequest
    from tiktok_ns_pipeline.fulfilment.flow import RunReport
    from tiktok_ns_pipeline.fulfilment.standing import Standing
    from tiktok_ns_pipeline.settings import Settings

_FACTS = {"ship": "parcel told to TikTok", "if": "Item Fulfillment of TikTok's warehouse"}
"""What people call the kinds of facts that the flow makes true."""


def explain_shipment(order_id: Annotated[str, typer.Argument(help="TikTok's order id")]) -> None:
    """Print what NetSuite shipped of an order, what of it TikTok was told, and what is awaited.

    Needs all settings. Stages the newest Item Fulfillments in the lake with the mapping as it is now;
    writes nothing and asks no system.

    Example: tiktok-ns explain shipment 576461413038785752
    """
    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.fulfilment.standing import standing_of
    from tiktok_ns_pipeline.mapping import load_mapping
    from tiktok_ns_pipeline.settings import Settings

    settings = Settings.from_environment()
    found = standing_of(settings, load_mapping(settings.mapping_path), SystemClock(), order_id)
    if not found:
        fail(f"no Item Fulfillment of order {order_id} was read; `tiktok-ns sync shipments` reads now")
    for standing in found:
        _print_standing(console(), standing)


def sync_shipments(
    shop: Annotated[list[str] | None, typer.Option(help="only this shop, by its code; repeatable")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="stop after so long")] = None,
) -> None:
    """Run the shipments flow once: read Item Fulfillments, tell TikTok of parcels, and the other way.

    Needs all settings. It goes on from where the last run ended. Exit code 1 when something could not be
    read.

    Example: tiktok-ns sync shipments --shop us
    """
    from tiktok_ns_pipeline.flows.turning import TurnRequest
    from tiktok_ns_pipeline.settings import Settings

    settings = Settings.from_environment()
    request = TurnRequest(
        shops=tuple(shop or ()), budget_s=seconds or settings.run_budget_s, idle_s=settings.idle_s
    )
    report = asyncio.run(_run(settings, request))
    _print_report(console(), report)
    if report.trouble:
        raise typer.Exit(WRONG)


async def _run(settings: Settings, request: TurnRequest) -> RunReport:
    from tiktok_ns_pipeline.fulfilment.flow import FulfilmentFlow

    async with opened_for_run(settings, request.shops) as (runtime, run_id):
        return await FulfilmentFlow(runtime, run_id).run(request)


def _print_report(out: Console, report: RunReport) -> None:
    rows: list[tuple[str, Any]] = [
        ("Item Fulfillments new or changed", report.observed),
        ("packages new or changed", report.packages),
        *((f"orders {outcome}", count) for outcome, count in sorted(report.plan.orders.items())),
        *((f"  {kind}", count) for kind, count in sorted(report.plan.parked_by_kind.items())),
        ("parcels planned", report.plan.planned),
        ("corrections planned", report.plan.revised),
        ("withdrawn", report.plan.withdrawn),
        *(
            (f"done: {_FACTS.get(kind, kind)}", count)
            for kind, count in sorted(report.dispatch.applied.items())
        ),
        ("retried", report.dispatch.retried),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print(table)
    for trouble in dict.fromkeys(report.trouble):
        out.print(f"not read: {trouble}", markup=False, soft_wrap=True)


def _print_standing(out: Console, standing: Standing) -> None:
    def say(text: str) -> None:
        out.print(text, markup=False, soft_wrap=True)

    for each in standing.fulfilments:
        state = (
            "gone" if each.is_gone else {"A": "picked", "B": "packed", "C": "shipped"}.get(each.status, "?")
        )
        numbers = ", ".join(each.tracking) or "no tracking number"
        say(
            f"{each.name}: {state}, {each.carrier or 'no ship method'}, {numbers}, "
            f"saved {shown(each.modified_at)}"
        )
    if standing.staged is None:
        say(f"The mapping does not know shop {standing.shop}: nothing is told.")
    else:
        say(f"{standing.staged.outcome}: {standing.staged.reason or 'all that left is to be told'}")
        for parcel in standing.staged.shipments:
            say(f"parcel {parcel.key}: {parcel.tracking} with units {', '.join(parcel.unit_ids)}")
    for intent in standing.intents:
        error = f": {intent.last_error}" if intent.last_error else ""
        say(
            f"{_FACTS.get(intent.fact.kind, intent.fact.kind)} {intent.fact.business_key}, revision "
            f"{intent.revision}: {intent.state}, {shown(intent.updated_at)}{error}"
        )
    for exception in standing.exceptions:
        say(f"exception {exception.id} ({exception.kind}, {exception.state}): {exception.message}")
