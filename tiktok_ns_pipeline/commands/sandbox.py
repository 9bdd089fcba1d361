"""`tiktok-ns demo`, `simulate` and `sandbox`: both systems without an account at either.

The only commands that know the sandbox; nothing that runs in production imports it.
"""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tiktok_ns_pipeline.commands.terminal import WRONG, console, fail

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.simulation_report import SimulationReport

_FIRST_STOCK = 40
"""What TikTok shows of each SKU before the pipeline has said what there is."""
_HASTE = 20.0
"""With money: how much faster than the rest goes what follows a parcel."""

Seed = Annotated[int, typer.Option(help="equal seeds give equal worlds")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")]


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="no browser: trade in virtual time")] = False,
    days: Annotated[float, typer.Option(min=0.01, help="days of trade (headless)")] = 2.0,
    seed: Seed = 7,
    reset: Annotated[bool, typer.Option("--reset", help="forget what was, begin anew")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="of Dagster's pages, if it is free")] = 3000,
    home: Annotated[Path, typer.Option(help="where the demo keeps everything")] = Path(".demo"),
    orders_per_minute: Annotated[float, typer.Option(min=0, help="how lively the buyers are")] = 30.0,
    speed: Annotated[
        float, typer.Option(min=1, help="how much shorter orders live; 144 holds for 25 s")
    ] = 144.0,
    table: Annotated[
        bool, typer.Option("--table/--no-table", help="live table, or a line now and then")
    ] = True,
    stop_after: Annotated[
        float | None, typer.Option(min=1, help="end by itself after so many seconds")
    ] = None,
) -> None:
    """See buyers' orders at TikTok Shop become Sales Orders, parcels, bills and money, on this machine.

    Needs nothing: both systems are simulated. Starts them, Dagster, buyers and a warehouse, shows a live
    table and the address of Dagster's pages. Ctrl-C stops everything; the next start goes on from there.
    With --headless it trades for some days in virtual time and fails (1) if anything is lost, doubled or
    off by a cent.

    Example: tiktok-ns demo --headless --days 2 --seed 7
    """
    if headless:
        from tiktok_ns_pipeline.sandbox.simulate import simulate as run_simulation

        _print_simulation(run_simulation(seed=seed, days=days, faults="none"), as_json=False)
        return
    from tiktok_ns_pipeline.sandbox.demo.processes import DemoError
    from tiktok_ns_pipeline.sandbox.demo.run import DemoOptions, run_demo

    options = DemoOptions(
        home=home.absolute(),
        seed=seed,
        ui_port=port,
        orders_per_minute=orders_per_minute,
        speed=speed,
        live_table=table,
        stop_after_s=stop_after,
    )
    try:
        run_demo(options, console(), reset=reset)
    except DemoError as error:
        fail(str(error))


def simulate(
    seed: Seed = 0,
    days: Annotated[float, typer.Option(min=0.01, help="days of trade")] = 1.0,
    orders: Annotated[int | None, typer.Option(min=1, help="about so many orders (400 a day)")] = None,
    faults: Annotated[
        str, typer.Option(help="all, none, or kind=rate,... such as netsuite.http_429=0.1,delay=0.05")
    ] = "all",
    rate: Annotated[float, typer.Option(min=0, max=1, help="how often each kind strikes, with all")] = 0.02,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Run the whole pipeline against a simulated world in virtual time, with everything going wrong.

    Needs nothing. Trade goes on for so many days; then goods come back, and TikTok settles and pays. Compares
    the world's truth with NetSuite's books afterwards; exit code 0 only if nothing is lost, doubled, wrong or
    unfinished.

    Example: tiktok-ns simulate --seed 3 --days 2 --faults all --json
    """
    from tiktok_ns_pipeline.sandbox.simulate import simulate as run_simulation

    try:
        plan = faults if faults in {"all", "none"} else _every_system(faults)
        report = run_simulation(seed=seed, days=days, orders=orders, faults=plan, rate=rate)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    _print_simulation(report, as_json=as_json)


def _every_system(plan: str) -> str:
    """A kind that names no system is meant for every one that can fail so."""
    parts = [part.strip() for part in plan.split(",") if part.strip()]
    return ",".join(
        part if "." in part.partition("=")[0] or part.startswith("all") else f"all.{part}" for part in parts
    )


def _print_simulation(report: SimulationReport, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_dict(), default=str))
    else:
        out = console()
        out.print(_simulation_table(report))
        for what, which in report.offenders.items():
            out.print(f"{what}: {', '.join(which)}", markup=False, soft_wrap=True)
    if not report.is_clean:
        raise typer.Exit(WRONG)


def _simulation_table(report: SimulationReport) -> Table:
    days = f"{report.days:g} day{'' if report.days == 1 else 's'}"
    title = f"{days} of trade, settled within {report.months:g} months, seed {report.seed}"
    table = Table(title=f"{title}, in {report.seconds:.1f} s", title_justify="left")
    table.add_column("what")
    table.add_column("number", justify="right")
    happened = {
        "orders": report.orders,
        "Sales Orders": report.posted,
        "waiting, or cancelled before they were due": report.must_wait,
        "parked, as they should be": report.cannot_be_posted,
        "amended": report.amended,
        "NetSuite calls": report.netsuite_calls,
        "faults": sum(report.faults.values()),
        "crashes": sum(report.crashes.values()),
        "retries": report.retries,
        "looked up after an unclear answer": report.looked_up,
        "levels of stock pushed": report.levels_pushed,
        "units of which TikTok had no more": report.turned_away_units,
        "statements": report.statements,
        "payouts posted, each once": report.payouts,
        "payouts refused, as they should be": report.payouts_refused,
        "returns": report.returns,
        "refunds credited, each once": report.refunds,
    }
    wrong = {
        "lost": report.lost,
        "doubled": report.doubled,
        "wrong cents": report.wrong_cents,
        "wrong quantities": report.wrong_quantities,
        "wrong parcels, closures or bills": sum(report.wrong_follow_ups.values()),
        "wrong levels of stock": report.wrong_levels,
        "oversold units": report.oversold_units,
        "balances of stock that do not add up": report.unbalanced,
        "wrong payouts and clearing accounts": sum(report.wrong_payouts.values()),
        "wrong refunds": sum(report.wrong_refunds.values()),
        "unfinished": report.unconverged,
    }
    for what, number in happened.items():
        table.add_row(what, f"{number:,}")
    table.add_section()
    for what, number in wrong.items():
        table.add_row(what, f"[green]{number}[/]" if number == 0 else f"[bold red]{number}[/]")
    return table


def serve(  # noqa: PLR0913, PLR0917  each is an option of the command
    directory: Annotated[Path | None, typer.Option(help="keep everything here; else in memory only")] = None,
    seed: Seed = 0,
    tiktok_port: Port = 8801,
    netsuite_port: Port = 8802,
    control_port: Port = 8803,
    orders_per_minute: Annotated[float, typer.Option(min=0, help="how lively the buyers are")] = 0.0,
    speed: Annotated[float, typer.Option(min=1, help="how much shorter orders live than they do")] = 1.0,
    save_seconds: Annotated[float, typer.Option(min=0, help="how long NetSuite takes to save")] = 1.0,
    slots: Annotated[int, typer.Option(min=1, help="requests that NetSuite takes at once")] = 5,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="kind=rate, such as delay=0.1 or netsuite.http_429=0.1; repeatable"),
    ] = None,
    warehouse: Annotated[
        bool,
        typer.Option("--warehouse", help="let the seller's warehouse ship, and buyers ask to cancel"),
    ] = False,
    stock: Annotated[
        bool,
        typer.Option("--stock", help="let TikTok run out of stock, and others move it in NetSuite"),
    ] = False,
    money: Annotated[
        bool,
        typer.Option("--money", help="let TikTok settle and pay, soon after, and buyers send back"),
    ] = False,
    environment: Annotated[
        Path | None, typer.Option(help="write the settings for a pipeline here, to be sourced by a shell")
    ] = None,
) -> None:
    """Serve TikTok Shop and NetSuite on this machine, and a control API for the world behind them.

    Needs nothing. `curl` the control address for all that it can do: place orders, let requests fail, move
    the clock, read the truth. Ends by Ctrl-C.

    Example: tiktok-ns sandbox --orders-per-minute 10 --speed 100 --fault all=0.02 --environment sandbox.env
    """
    from tiktok_ns_pipeline.sandbox.demo.settings import write_environment
    from tiktok_ns_pipeline.sandbox.serve import Ports, SandboxOptions, Serving, Urls, open_sandbox
    from tiktok_ns_pipeline.sandbox.serve import serve as serve_sandbox
    from tiktok_ns_pipeline.sandbox.shoppers import Mix
    from tiktok_ns_pipeline.sandbox.stockroom import StockroomHabits

    # Buyers who change their minds often enough to be seen.
    mix = Mix(shipped_by="warehouse", cancelled_late=0.06, cancel_requested=0.06) if warehouse else Mix()
    mix = replace(mix, stock="kept", stock_at_start=_FIRST_STOCK) if stock else mix
    if money:
        settlement = replace(mix.settlement, refunded=0.0)
        mix = replace(mix, returned=0.15, settles=True, settlement=settlement, haste=_HASTE)
    options = SandboxOptions(
        directory=directory,
        seed=seed,
        speed=speed,
        orders_per_minute=orders_per_minute,
        netsuite_slots=slots,
        netsuite_save_s=save_seconds,
        faults=_every_system(",".join(fault or ())),
        mix=mix,
        warehouse=warehouse,
        stockroom=StockroomHabits() if stock else None,
    )

    async def run() -> None:
        serving: Serving = await serve_sandbox(sandbox, Ports(tiktok_port, netsuite_port, control_port))
        for stopping in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stopping, serving.ask_to_stop)
        if environment is not None:
            write_environment(environment, serving.urls, sandbox.books.auth.client_private_key_pem())
        tell(serving.urls)
        await serving.until_stopped()

    def tell(urls: Urls) -> None:
        console().print(
            f"TikTok Shop  {urls.tiktok}\nNetSuite     {urls.netsuite}\ncontrol      {urls.control}"
        )

    try:
        sandbox = open_sandbox(options)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from error
    try:
        asyncio.run(run())
    except OSError as error:
        fail(error.strerror or str(error))
    finally:
        sandbox.close()
