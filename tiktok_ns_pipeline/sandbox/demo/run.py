"""The demo from start to end: processes up, consent given, a table while it runs, all processes down.

Ctrl-C and SIGTERM end it in good order; so does a process that ends by itself, which is told.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console
from rich.live import Live

from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET
from tiktok_ns_pipeline.sandbox.demo.figures import (
    IN_THE_SALE,
    LOCATIONS,
    WATCHED_ITEMS,
    FigureReader,
    Figures,
)
from tiktok_ns_pipeline.sandbox.demo.home import LOCATION, DemoHome
from tiktok_ns_pipeline.sandbox.demo.processes import (
    STOPPING,
    DemoError,
    Processes,
    end_leftovers,
    free_ports,
)
from tiktok_ns_pipeline.sandbox.serve import HOST, Urls
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin

_LOOK_EVERY_S = 1.0
_LINE_EVERY_S = 5.0
_FIRST_ORDERS = 8
_FEW = 150
STRAY = "SUMMER-HAT"
"""What the first order sells that no NetSuite item is, until a person maps it."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose. `stop_after_s` ends the demo by itself."""

    home: Path
    seed: int = 7
    ui_port: int = 3000
    orders_per_minute: float = 30.0
    speed: float = 144.0
    live_table: bool = True
    stop_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Ports:
    """Where the processes listen."""

    ui: int
    code: int
    tiktok: int
    netsuite: int
    control: int
    webhooks: int

    @property
    def urls(self) -> Urls:
        return Urls(*(f"http://{HOST}:{port}" for port in (self.tiktok, self.netsuite, self.control)))


_FLASH_SALE = json.dumps({"skus": [IN_THE_SALE], "buyers_per_second": 3, "seconds": 90})


class _Stopped(BaseException):
    """A person or the system wants the end."""


def run_demo(options: DemoOptions, out: Console, *, reset: bool = False) -> None:
    """Run the demo until somebody stops it. Raises DemoError when it cannot go on."""
    home = DemoHome(options.home)
    with home.held(), _told_to_stop():
        try:
            _run(home, options, out, reset=reset)
        except _Stopped:
            out.print("Stopped. `make demo` goes on from here, `make demo-reset` begins anew.")


def _run(home: DemoHome, options: DemoOptions, out: Console, *, reset: bool) -> None:
    if ended := end_leftovers(home.processes):
        out.print(f"Ended {ended} processes that an earlier demo left behind.")
    if reset:
        home.forget()
    ports = _Ports(*free_ports(options.ui_port, 0, 0, 0, 0, 0))
    home.prepare(ports.code)
    processes = Processes(home.processes, home.logs, home.process_environment(ports.urls))
    try:
        out.print("Starting TikTok Shop, NetSuite and Dagster ...")
        _start(processes, home, options, ports)
        for line in (
            f"Dagster's pages: [bold]http://{HOST}:{ports.ui}[/]",
            f"The simulated world: curl {ports.urls.control} tells what can be done to it",
            f"In another terminal: source {home.environment_file} && tiktok-ns exceptions list",
            f"An order that sells {STRAY} is parked: put `{STRAY}: SKU-001` under `items` of {home.mapping}, "
            "and it is posted by itself within a minute.",
            f"A flash sale: curl {ports.urls.control}/flash-sales -d '{_FLASH_SALE}'",
        ):
            out.print(line, soft_wrap=True)
        _watch(processes, home, options, ports, out)
    finally:
        with _undisturbed():
            processes.stop()


def _start(processes: Processes, home: DemoHome, options: DemoOptions, ports: _Ports) -> None:
    """Start all in an order in which each finds what it needs."""
    python = sys.executable
    sandbox = processes.start("sandbox", _sandbox_command(home, options, ports))
    # Before any other of Dagster's: two that make its database at once break it.
    processes.run_through("prepare", [python, "-m", "tiktok_ns_pipeline.sandbox.demo.prepare_dagster"])
    grpc = ["-m", "dagster", "api", "grpc", "-h", HOST, "-p", str(ports.code)]
    module = ["--location-name", LOCATION, "-m", "tiktok_ns_pipeline.definitions"]
    code = processes.start("code", [python, *grpc, *module])
    processes.wait_for_port(sandbox, ports.control)
    _consent(home, ports.urls)
    # Before buyers come by themselves.
    _let_some_order(ports.urls)
    rate = {"orders_per_minute": options.orders_per_minute}
    httpx.post(f"{ports.urls.control}/rate", json=rate).raise_for_status()
    _receive_webhooks(processes, home, ports)
    processes.wait_for_port(code, ports.code)
    workspace = ["-w", str(home.workspace)]
    processes.start("daemon", [python, "-m", "dagster._daemon", "run", *workspace])
    serve = ["-m", "dagster_webserver", "-h", HOST, "-p", str(ports.ui)]
    pages = processes.start("webserver", [python, *serve, *workspace])
    processes.wait_for_port(pages, ports.ui)


def _receive_webhooks(processes: Processes, home: DemoHome, ports: _Ports) -> None:
    """The receiver, and where TikTok is told to post."""
    cli = [sys.executable, "-m", "tiktok_ns_pipeline.cli", "webhooks"]
    receiver = processes.start("webhooks", [*cli, "serve", "--host", HOST, "--port", str(ports.webhooks)])
    processes.wait_for_port(receiver, ports.webhooks)
    processes.run_through("register", [*cli, "register", f"http://{HOST}:{ports.webhooks}/webhooks/tiktok"])


def _sandbox_command(home: DemoHome, options: DemoOptions, ports: _Ports) -> list[str]:
    chosen = {
        "directory": home.sandbox,
        "seed": options.seed,
        "tiktok-port": ports.tiktok,
        "netsuite-port": ports.netsuite,
        "control-port": ports.control,
        "speed": options.speed,
        "slots": 8,
        "environment": home.sandbox_environment_file,
    }
    given = [text for name, value in chosen.items() for text in (f"--{name}", str(value))]
    lively = ["--warehouse", "--stock", "--money"]
    return [sys.executable, "-m", "tiktok_ns_pipeline.cli", "sandbox", *lively, *given]


def _consent(home: DemoHome, urls: Urls) -> None:
    """The seller consents, as in a browser, and the code is exchanged for tokens."""

    async def exchange(code: str) -> None:
        async with httpx.AsyncClient() as http:
            store = ledger.token_store(home.encryption_key())
            await TikTokLogin(
                TikTokApp(APP_KEY, APP_SECRET), store, http, urls.tiktok, SystemClock()
            ).exchange(code)

    answer = httpx.post(f"{urls.control}/auth-codes").raise_for_status()
    ledger = Ledger.open(home.database_url)
    try:
        asyncio.run(exchange(answer.json()["auth_code"]))
    finally:
        ledger.close()


def _let_some_order(urls: Urls) -> None:
    """A world in which nobody has ordered yet gets its first buyers, and one order that has to be parked.

    Of the SKUs that the table shows there is little enough to see it fall.
    """
    if httpx.get(f"{urls.control}/stats").raise_for_status().json()["orders"]:
        return
    for item_id in WATCHED_ITEMS:
        for location_id in LOCATIONS:
            few = {"item_id": item_id, "location_id": location_id, "on_hand": _FEW}
            httpx.post(f"{urls.control}/stock", json=few).raise_for_status()
    stray = {"shop": "us", "lines": [{"sku": STRAY, "price": "14.90"}]}
    for wish in ({"draw": _FIRST_ORDERS}, stray):
        httpx.post(f"{urls.control}/orders", json=wish).raise_for_status()


def _watch(processes: Processes, home: DemoHome, options: DemoOptions, ports: _Ports, out: Console) -> None:
    """Show what goes on until told to stop."""
    ledger = Ledger.open(home.database_url)
    reader = FigureReader(ports.urls.control, f"http://{HOST}:{ports.ui}", ledger)
    ends = time.monotonic() + options.stop_after_s if options.stop_after_s else None
    title = f"TikTok Shop -> NetSuite, Dagster at http://{HOST}:{ports.ui}, Ctrl-C stops"
    try:
        with _shower(options, out, title) as show:
            while ends is None or time.monotonic() < ends:
                processes.check()
                show(reader.read())
                time.sleep(_LOOK_EVERY_S)
    except httpx.HTTPError as error:
        processes.check()
        raise DemoError(f"the sandbox does not answer ({type(error).__name__}); see {home.logs}") from error
    finally:
        reader.close()
        ledger.close()


@contextmanager
def _shower(options: DemoOptions, out: Console, title: str) -> Generator[Callable[[Figures], None]]:
    """How figures are shown: a live table on a terminal, else a line now and then."""
    if options.live_table and out.is_terminal:
        with Live(console=out, auto_refresh=False, transient=False) as live:
            yield lambda figures: live.update(figures.display(title), refresh=True)
        return
    shown_at = 0.0

    def line(figures: Figures) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= _LINE_EVERY_S:
            shown_at = time.monotonic()
            out.print(f"{time.strftime('%H:%M:%S')} {figures.line()}", soft_wrap=True)

    yield line


@contextmanager
def _told_to_stop() -> Generator[None]:
    """Signals that mean the end raise _Stopped wherever the program is."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {each: signal.signal(each, stop) for each in STOPPING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _undisturbed() -> Generator[None]:
    """Signals wait: what is being ended is ended whole, which takes seconds at most."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in STOPPING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
