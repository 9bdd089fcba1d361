"""`tiktok-ns explain payout` and `tiktok-ns sync settlements`."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tiktok_ns_pipeline.commands.flow_runs import opened_for_run
from tiktok_ns_pipeline.commands.terminal import WRONG, console, fail

if TYPE_CHECKING:
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.settlements.flow import RunReport, SettlementsRequest


def explain_payout(
    payment_id: Annotated[str, typer.Argument(help="TikTok's payment id")],
    orders: Annotated[int, typer.Option(min=0, help="print at most so many orders")] = 20,
) -> None:
    """Print a payout from TikTok to NetSuite: statements, lines, components, orders and the journal.

    Needs all settings. Reads our own records, asks no system and writes nothing.

    Example: tiktok-ns explain payout 3680000000001000003
    """
    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.settlements.standing import explanation, standing_of

    found = standing_of(Settings.from_environment(), SystemClock(), payment_id)
    if not found:
        fail(f"no run has read payment {payment_id}; `tiktok-ns sync settlements` reads what is new now")
    for standing in found:
        for line in explanation(standing, orders):
            console().print(line, markup=False, soft_wrap=True)


def sync_settlements(
    since: Annotated[str | None, typer.Option(help="read from this UTC day on: 2026-11-01")] = None,
    shop: Annotated[list[str] | None, typer.Option(help="only this shop, by its code; repeatable")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="stop after so long")] = None,
) -> None:
    """Run the settlement flow once: read statements and payments, post payouts, pay invoices.

    Needs all settings. What is posted already is found and left alone. Exit code 1 when something could
    not be read.

    Example: tiktok-ns sync settlements --since 2026-11-01 --shop us
    """
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.settlements.flow import SettlementsRequest

    try:
        begin = date.fromisoformat(since) if since else None
    except ValueError:
        raise typer.BadParameter(f"{since!r} is no day; write 2026-11-01") from None
    settings = Settings.from_environment()
    request = SettlementsRequest(
        shops=tuple(shop or ()),
        budget_s=seconds or settings.run_budget_s,
        idle_s=settings.idle_s,
        read_now=True,
        since=begin,
    )
    report = asyncio.run(_run(settings, request))
    _print_report(report)
    if report.trouble:
        raise typer.Exit(WRONG)


async def _run(settings: Settings, request: SettlementsRequest) -> RunReport:
    from tiktok_ns_pipeline.settlements.flow import SettlementsFlow

    async with opened_for_run(settings, request.shops) as (runtime, run_id):
        return await SettlementsFlow(runtime, run_id).run(request)


def _print_report(report: RunReport) -> None:
    seen = report.observed.values()
    rows = [
        ("statements new or changed", sum(one.statements for one in seen)),
        ("transactions read", sum(one.transactions for one in seen)),
        ("payments new or changed", sum(one.payments for one in seen)),
        ("documents planned", report.plan.planned),
        ("waiting", report.plan.waiting),
        ("skipped by rule", report.plan.skipped),
        ("parked", report.plan.parked),
        *((f"  {kind}", count) for kind, count in sorted(report.plan.parked_by_kind.items())),
        *((f"done: {kind}", count) for kind, count in sorted(report.dispatch.applied.items())),
        ("read back in NetSuite", report.read_back),
        ("orders matched", report.matched),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, str(value))
    console().print(table)
    for trouble in dict.fromkeys(report.trouble):
        console().print(f"not read: {trouble}", markup=False, soft_wrap=True)
