"""`tiktok-ns explain return` and `tiktok-ns sync refunds`."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tiktok_ns_pipeline.commands.flow_runs import opened_for_run
from tiktok_ns_pipeline.commands.terminal import UNUSABLE, WRONG, console, fail, instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiktok_ns_pipeline.refunds.flow import RefundsReport, RefundsRequest
    from tiktok_ns_pipeline.settings import Settings

_ID = re.compile(r"\d{1,32}|unreadable-[0-9a-f]+")


def explain_return(
    return_id: Annotated[str, typer.Argument(help="TikTok's return id, or the id of a cancellation")],
) -> None:
    """Print a return from TikTok to NetSuite: where goods and money are, amounts, documents, what is next.

    Needs all settings. Reads our own records, asks no system and writes nothing.

    Example: tiktok-ns explain return 4035000000000000001
    """
    from datetime import UTC, datetime

    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.refunds.standing import explanation, standing_of
    from tiktok_ns_pipeline.settings import Settings

    wanted = _id(return_id)
    found = standing_of(Settings.from_environment(), SystemClock(), wanted)
    if not found:
        fail(f"no run has read return {wanted}; `tiktok-ns sync refunds --return {wanted}` reads it now")
    for standing in found:
        for line in explanation(standing, datetime.now(UTC)):
            console().print(line, markup=False, soft_wrap=True)


def sync_refunds(
    since: Annotated[str | None, typer.Option(help="changed at or after: 2026-11-01, or 3d ago")] = None,
    order: Annotated[
        list[str] | None, typer.Option(help="TikTok order ids, repeated or with commas: all their returns")
    ] = None,
    return_id: Annotated[
        list[str] | None, typer.Option("--return", help="TikTok return ids, repeated or with commas")
    ] = None,
    shop: Annotated[list[str] | None, typer.Option(help="only this shop, by its code; repeatable")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="stop after so long")] = None,
) -> None:
    """Run the refunds flow once: read returns, make Return Authorizations and credits, read them back.

    Needs all settings. Without options it goes on from where the last run ended; what is posted already
    is found and left alone. Exit code 1 when something could not be read.

    Example: tiktok-ns sync refunds --since 3d --shop us
    """
    from tiktok_ns_pipeline.refunds.flow import RefundsRequest
    from tiktok_ns_pipeline.settings import Settings

    begin = instant(since) if since else None
    orders, returns = _ids(order or ()), _ids(return_id or ())
    settings = Settings.from_environment()
    request = RefundsRequest(
        shops=tuple(shop or ()),
        budget_s=seconds or settings.run_budget_s,
        idle_s=settings.idle_s,
        order_ids=orders,
        return_ids=returns,
        since=begin,
    )
    report = asyncio.run(_run(settings, request))
    _print_report(report)
    if report.trouble:
        raise typer.Exit(WRONG)


def _ids(texts: Sequence[str]) -> tuple[str, ...]:
    """Ids as a person typed them, repeated or with commas."""
    return tuple(dict.fromkeys(_id(one) for text in texts for one in text.replace(",", " ").split()))


def _id(text: str) -> str:
    """An id as a person typed it; ends the command where TikTok calls nothing so."""
    found = text.strip()
    if not _ID.fullmatch(found):
        fail(f"{text!r} is no id of TikTok's; these are digits, such as 4035000000000000001", UNUSABLE)
    return found


async def _run(settings: Settings, request: RefundsRequest) -> RefundsReport:
    from tiktok_ns_pipeline.refunds.flow import RefundsFlow

    async with opened_for_run(settings, request.shops) as (runtime, run_id):
        return await RefundsFlow(runtime, run_id).run(request)


def _print_report(report: RefundsReport) -> None:
    from tiktok_ns_pipeline.refunds.standing import FACTS

    rows = [
        ("returns listed", report.listed),
        ("new or changed", report.returns),
        ("returns and cancellations decided", report.plan.decided),
        ("documents planned", report.plan.planned),
        ("waiting", report.plan.waiting),
        ("parked", report.plan.parked),
        *((f"  {kind}", count) for kind, count in sorted(report.plan.parked_by_kind.items())),
        *((f"done: {FACTS[kind]}", count) for kind, count in sorted(report.dispatch.applied.items())),
        ("read back in NetSuite", report.read_back),
        ("retried", report.dispatch.retried),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, str(value))
    console().print(table)
    for trouble in dict.fromkeys(report.trouble):
        console().print(f"not read: {trouble}", markup=False, soft_wrap=True)
