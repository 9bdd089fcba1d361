"""The sandbox on loopback HTTP: TikTok Shop, NetSuite and the control API, each on a port of its own.

`serve` starts the three in the running event loop, with the world's life going on behind them.
`running_sandbox` does so in a thread, for tests and for programs that are not asynchronous.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.control import control_app
from tiktok_ns_pipeline.sandbox.faults import FaultPlan, rates_of
from tiktok_ns_pipeline.sandbox.netsuite_server import netsuite_app
from tiktok_ns_pipeline.sandbox.receiving import Receiving
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import Stockroom, StockroomHabits
from tiktok_ns_pipeline.sandbox.tiktok_server import ServerRules, TikTokServer
from tiktok_ns_pipeline.sandbox.transport import cutting_connections
from tiktok_ns_pipeline.sandbox.warehouse import Labels, Warehouse, WarehouseHabits
from tiktok_ns_pipeline.sandbox.webhooks import WebhookEmitter, over_http
from tiktok_ns_pipeline.sandbox.world import World

HOST = "127.0.0.1"

# How long requests that hang may hold up the end.
_GRACE_S = 1


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What a sandbox is like. `directory` None keeps nothing; `faults` is a plan as `rates_of` reads it."""

    directory: Path | None = None
    seed: int = 0
    speed: float = 1.0
    orders_per_minute: float = 0.0
    netsuite_slots: int = 5
    netsuite_save_s: float = 1.0
    faults: str = ""
    hang_s: float = 120.0
    mix: Mix = field(default_factory=Mix)
    warehouse: bool = False
    """Whether the seller's warehouse works by itself; people can tell it to either way."""
    warehouse_habits: WarehouseHabits = field(default_factory=WarehouseHabits)
    stockroom: StockroomHabits | None = None
    """How people and other channels move stock; None where nobody does."""
    tiktok_rules: ServerRules = field(default_factory=ServerRules)
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports to listen on; 0 takes a free one, `or_free` also where the named one is taken."""

    tiktok: int = 0
    netsuite: int = 0
    control: int = 0
    or_free: bool = False


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the three are to be reached; TikTok's token endpoints share its address."""

    tiktok: str
    netsuite: str
    control: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A world, the seller's books and warehouse, and over that world TikTok's server and webhooks."""

    world: World
    books: Books
    warehouse: Warehouse
    tiktok: TikTokServer
    webhooks: WebhookEmitter
    stockroom: Stockroom | None = None
    receiving: Receiving | None = None

    @property
    def faults(self) -> FaultPlan:
        """The plan that both servers ask."""
        return self.world.faults

    def catch_up(self) -> None:
        """Let happen what people in the warehouse and the stockroom were to do by now."""
        self.warehouse.catch_up()
        if self.stockroom is not None:
            self.stockroom.catch_up()
        if self.receiving is not None:
            self.receiving.catch_up()

    def close(self) -> None:
        """Close all databases."""
        self.warehouse.close()
        self.world.close()
        self.books.close()


class Serving:
    """Three servers at work. `stop` ends them; `until_stopped` waits until somebody does."""

    def __init__(self, urls: Urls, servers: list[uvicorn.Server], tasks: list[asyncio.Task[None]]) -> None:
        self.urls = urls
        self._servers = servers
        self._tasks = tasks
        self._stopping = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Let `until_stopped` return."""
        self._stopping.set()

    async def until_stopped(self) -> None:
        """Wait until the control API or `ask_to_stop` wants the end, then stop."""
        await self._stopping.wait()
        await self.stop()

    async def stop(self) -> None:
        """Answer what is under way, then close the ports."""
        self._stopping.set()
        for server in self._servers:
            server.should_exit = True
        life, webhooks, warehouse, *serving = self._tasks
        for going_on in (life, webhooks, warehouse):
            going_on.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await going_on
        await asyncio.gather(*serving)


def open_sandbox(options: SandboxOptions) -> Sandbox:
    """A sandbox that nobody serves yet; opened on the same directory it goes on where it ended."""
    faults = FaultPlan(options.seed, rates_of(options.faults), hang_s=options.hang_s)
    # The books stay on the base clock, on which their callers sign in.
    books = Books(
        options.directory,
        options.clock,
        slots=options.netsuite_slots,
        save_seconds=options.netsuite_save_s,
        seed_number=options.seed,
    )
    world = World(
        options.directory,
        seed=options.seed,
        clock=options.clock,
        speed=options.speed,
        books=books,
        orders_per_minute=options.orders_per_minute,
        faults=faults,
        mix=options.mix,
    )
    emitter = WebhookEmitter(world, faults, over_http(httpx.AsyncClient()))
    labels = Labels(world)
    warehouse = Warehouse(
        books,
        world.clock,
        options.seed,
        options.warehouse_habits,
        directory=options.directory,
        speed=options.speed,
        works=options.warehouse,
        label_needed=labels.needed,
        buy_label=labels.buy,
    )
    stockroom = None
    if options.stockroom is not None:
        stockroom = Stockroom(books, world.clock, options.seed, options.stockroom, speed=options.speed)
    receiving = None
    if options.warehouse:
        receiving = Receiving(
            world, books, options.seed, speed=world.later_speed, lost=options.warehouse_habits.lost
        )
    tiktok = TikTokServer(world, options.tiktok_rules)
    return Sandbox(world, books, warehouse, tiktok, emitter, stockroom, receiving)


async def serve(sandbox: Sandbox, ports: Ports | None = None) -> Serving:
    """Start the three servers and the world's life; gives back once they answer.

    Raises OSError naming the port that is taken.
    """
    ports = ports or Ports()
    wanted = (ports.tiktok, ports.netsuite, ports.control)
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(_listening(port, ports.or_free)) for port in wanted]
        opened.pop_all()
    urls = Urls(*(f"http://{HOST}:{one.getsockname()[1]}" for one in sockets))
    servers: list[uvicorn.Server] = []
    tasks = [
        asyncio.create_task(sandbox.world.run(), name="world"),
        asyncio.create_task(sandbox.webhooks.run(), name="webhooks"),
        asyncio.create_task(sandbox.warehouse.run(), name="warehouse"),
    ]
    serving = Serving(urls, servers, tasks)
    # A world whose life ended by an error is no sandbox any more; `stop` raises it.
    for task in tasks:
        task.add_done_callback(lambda _: serving.ask_to_stop())
    world, books = sandbox.world, sandbox.books
    apps = (
        cutting_connections(sandbox.tiktok),
        cutting_connections(netsuite_app(books, world.faults, books.clock, sandbox.catch_up)),
        control_app(
            world, books, sandbox.tiktok.tokens, sandbox.webhooks, sandbox.warehouse, serving.ask_to_stop
        ),
    )
    for app, listening in zip(apps, sockets, strict=True):
        server = _QuietServer(_config(app))
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve(sockets=[listening])))
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn has only this flag
        await asyncio.sleep(0.01)
    return serving


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers on loopback."""

    sandbox: Sandbox
    urls: Urls


@contextlib.contextmanager
def running_sandbox(
    options: SandboxOptions | None = None, ports: Ports | None = None
) -> Generator[RunningSandbox]:
    """A sandbox served from a thread until the block ends."""
    sandbox = open_sandbox(options or SandboxOptions())
    served: list[Serving] = []
    failed: list[Exception] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        try:
            served.append(await serve(sandbox, ports))
        finally:
            ready.set()
        await served[0].until_stopped()

    def work() -> None:
        try:
            loop.run_until_complete(run())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="sandbox")
    thread.start()
    ready.wait()
    try:
        if served:
            yield RunningSandbox(sandbox, served[0].urls)
    finally:
        if served:
            loop.call_soon_threadsafe(served[0].ask_to_stop)
        thread.join()
        loop.close()
        sandbox.close()
    if failed:
        raise failed[0]


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        # Date is the world's, and the servers write it.
        date_header=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
    )


def _listening(port: int, or_free: bool) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if or_free:
            return socket.create_server((HOST, 0))
        raise OSError(errno.EADDRINUSE, f"port {port} on {HOST} is taken; choose another one, or 0") from None
