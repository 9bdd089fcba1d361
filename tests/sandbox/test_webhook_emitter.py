"""The sandbox's webhooks: addresses through the API, events posted as TikTok posts them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.conftest import SetClock
from tests.rigging import in_world
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.tiktok_server import TikTokServer
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.sandbox.webhooks import RETRY_AFTER_S, WebhookEmitter, over_http
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.calling import ShopAccess
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError
from tiktok_ns_pipeline.tiktok.webhook_signature import is_genuine
from tiktok_ns_pipeline.tokens import MemoryTokenStore
from tiktok_ns_pipeline.webhooks.receiver import receiver_app
from tiktok_ns_pipeline.webhooks.registering import DEFAULT_EVENTS, register, unregister

ADDRESS = "https://shop.example.com/webhooks/tiktok"


@dataclass
class Scene:
    """A world whose events go to a receiver that answers as told and keeps what it got."""

    clock: SetClock = field(default_factory=SetClock)
    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = FaultPlan()
        self.world = World(clock=self.clock, faults=self.faults)
        self.emitter = WebhookEmitter(self.world, self.faults, self.deliver)
        self.emitter.default_address = ADDRESS

    async def deliver(self, address: str, headers: dict[str, str], body: bytes) -> int:
        self.got.append((address, headers, body))
        return self.answers.pop(0) if self.answers else 200

    def turn(self, seconds: float = 0) -> int:
        self.clock.forward(seconds=seconds)
        return asyncio.run(self.emitter.run_due())

    @property
    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, _, body in self.got]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_happens_to_an_order_is_posted_as_tiktok_spells_it(scene: Scene) -> None:
    order_id = scene.world.place_order("us", ["SKU-001"])
    scene.world.change_address(order_id)
    scene.world.cancel_order(order_id)
    assert scene.emitter.next_due() is not None
    scene.turn()
    assert scene.emitter.next_due() is None
    by_type = [(body["type"], body["data"].get("order_status")) for body in scene.bodies]
    assert (1, "AWAITING_SHIPMENT") in by_type
    assert (3, None) in by_type
    assert (1, "CANCEL") in by_type
    for address, headers, body in scene.got:
        assert address == ADDRESS
        assert is_genuine(APP_KEY, APP_SECRET, body, headers["Authorization"])
        document = json.loads(body)
        assert document["shop_id"] == "7495000000000000001"
        assert document["data"]["order_id"] == order_id
    assert len({body["tts_notification_id"] for body in scene.bodies}) == len(scene.got)


def test_nobody_is_told_where_nothing_is_registered(scene: Scene) -> None:
    scene.emitter.default_address = None
    scene.world.place_order("us", ["SKU-001"])
    assert scene.turn() == 0
    assert scene.emitter.counts["nowhere"] == 1


@pytest.mark.parametrize("failure", [0, 500, 503, 404, 302])
def test_a_failure_is_tried_again_after_2_minutes_30_minutes_3_hours_and_12_hours(
    scene: Scene, failure: int
) -> None:
    scene.answers = [failure] * 4
    scene.world.place_order("us", ["SKU-001"])
    assert scene.turn() == 1
    for pause in RETRY_AFTER_S:
        assert scene.turn(pause - 1) == 0
        assert scene.turn(1) == 1
    assert scene.emitter.counts["delivered"] == 1
    assert len({body for _, _, body in scene.got}) == 1


def test_after_four_more_tries_the_event_is_lost(scene: Scene) -> None:
    scene.answers = [500] * 9
    scene.world.place_order("us", ["SKU-001"])
    for pause in (0, *RETRY_AFTER_S, 86_400):
        scene.turn(pause)
    assert len(scene.got) == 5
    assert scene.emitter.counts["lost"] == 1


def test_a_refused_signature_counts_as_handled(scene: Scene) -> None:
    scene.answers = [401]
    scene.world.place_order("us", ["SKU-001"])
    scene.turn()
    assert scene.turn(86_400) == 0


def test_an_event_can_be_dropped_doubled_delayed_and_overtaken(scene: Scene) -> None:
    def fault(kind: FaultKind) -> str:
        scene.faults.inject(kind, "tiktok", "webhook 1")
        order_id = scene.world.place_order("us", ["SKU-001"])
        scene.emitter.next_due()  # Here is decided what happens to it.
        return order_id

    def posted(order_id: str) -> int:
        return sum(body["data"]["order_id"] == order_id for body in scene.bodies)

    dropped, doubled = fault(FaultKind.webhook_drop), fault(FaultKind.webhook_duplicate)
    delayed, overtaken = fault(FaultKind.webhook_delay), fault(FaultKind.webhook_reorder)
    scene.turn()
    assert [posted(one) for one in (dropped, delayed, overtaken)] == [0, 0, 0]
    scene.clock.forward(seconds=1)
    later = scene.world.place_order("us", ["SKU-001"])
    scene.turn()
    assert posted(later) == 1
    scene.turn(3600)
    assert [posted(one) for one in (dropped, doubled, delayed, overtaken)] == [0, 2, 1, 1]
    order = [body["data"]["order_id"] for body in scene.bodies]
    assert order.index(later) < order.index(overtaken)
    assert len({body["tts_notification_id"] for body in scene.bodies}) == 4


def test_forged_requests_carry_a_signature_that_is_not_tiktoks(scene: Scene) -> None:
    scene.faults.inject(FaultKind.webhook_forged, "tiktok")
    scene.answers = [401]
    scene.world.place_order("us", ["SKU-001"])
    assert scene.turn() == 2
    genuine = [is_genuine(APP_KEY, APP_SECRET, body, sent["Authorization"]) for _, sent, body in scene.got]
    assert sorted(genuine) == [False, True]
    assert scene.emitter.counts["forged_refused"] + scene.emitter.counts["forged_accepted"] == 1


# Through the API and into a receiver, as one machine


@dataclass
class Machine:
    world: World
    emitter: WebhookEmitter
    client: TikTokClient
    shops: Sequence[ShopAccess]
    ledger: Ledger
    clock: Clock


async def machine(
    clock: VirtualClock, faults: FaultPlan | None = None, directory: Path | None = None
) -> Machine:
    world = World(directory, clock=clock, faults=faults)
    server = TikTokServer(world)
    ledger = Ledger.open("sqlite://", clock, durable=False)
    app = TikTokApp(APP_KEY, APP_SECRET)
    hosts = {"tiktok.sandbox": server, "shop.example.com": receiver_app(ledger, app)}
    http = httpx.AsyncClient(transport=InProcessTransport(hosts))
    login = TikTokLogin(app, MemoryTokenStore(), http, "http://tiktok.sandbox", clock)
    await login.exchange(AUTH_CODE)
    client = TikTokClient(app, login, http, clock, api_base_url="http://tiktok.sandbox")
    emitter = WebhookEmitter(world, world.faults, over_http(http))
    return Machine(world, emitter, client, await client.authorized_shops(), ledger, clock)


def test_what_is_registered_is_listed_per_shop_and_posted_to() -> None:
    async def body(clock: VirtualClock) -> None:
        on = await machine(clock)
        us, uk, _ = on.shops
        done = await register(on.client.webhooks, us, DEFAULT_EVENTS, ADDRESS)
        assert {one.outcome for one in done} == {"registered"}
        listed = {one.event_type: one.address for one in await on.client.webhooks.list(us)}
        assert listed == dict.fromkeys(DEFAULT_EVENTS, ADDRESS)
        assert await on.client.webhooks.list(uk) == ()
        order_id = on.world.place_order("us", ["SKU-001"])
        on.world.place_order("uk", ["SKU-001"])
        assert await on.emitter.run_due() == 1
        with on.ledger.read() as tx:
            (event,) = tx.inbox.take("orders", 10)
        assert event.subject == f"order {order_id}"
        again = await register(on.client.webhooks, us, DEFAULT_EVENTS, ADDRESS)
        assert {one.outcome for one in again} == {"was there"}
        await unregister(on.client.webhooks, us, DEFAULT_EVENTS[1:])
        assert [one.event_type for one in await on.client.webhooks.list(us)] == ["ORDER_STATUS_CHANGE"]

    run_virtual(body)


def test_an_entry_that_is_listed_late_is_waited_for_and_another_address_replaced() -> None:
    async def body(clock: VirtualClock) -> None:
        on = await machine(clock)
        calls, us = on.client.webhooks, on.shops[0]
        await calls.register(us, "PACKAGE_UPDATE", "https://old.example.com/")
        on.world.faults.inject(FaultKind.late_visibility, "tiktok", "webhook ORDER_STATUS_CHANGE", times=2)
        done = await register(calls, us, ["ORDER_STATUS_CHANGE", "PACKAGE_UPDATE"], ADDRESS)
        assert [one.outcome for one in done] == ["registered", "registered"]
        assert [one.before for one in done] == [None, "https://old.example.com/"]

    run_virtual(body)


def test_an_entry_that_never_shows_is_told() -> None:
    async def body(clock: VirtualClock) -> None:
        on = await machine(clock)
        on.world.faults.inject(FaultKind.late_visibility, "tiktok", "webhook", times=100)
        done = await register(on.client.webhooks, on.shops[0], ["PACKAGE_UPDATE"], ADDRESS)
        assert [one.outcome for one in done] == ["not seen"]

    run_virtual(body)


@pytest.mark.parametrize(
    ("event_type", "address"), [("NO_SUCH_EVENT", ADDRESS), ("PACKAGE_UPDATE", "a" * 300), ("", ADDRESS)]
)
def test_what_cannot_be_registered_is_refused(event_type: str, address: str) -> None:
    async def body(clock: VirtualClock) -> None:
        on = await machine(clock)
        with pytest.raises(TikTokError, match="36009004"):
            await on.client.webhooks.register(on.shops[0], event_type, address)

    run_virtual(body)


def test_a_post_to_the_list_of_addresses_is_refused() -> None:
    async def body(clock: VirtualClock) -> None:
        server = TikTokServer(World(clock=clock))
        async with httpx.AsyncClient(transport=InProcessTransport({"tiktok.sandbox": server})) as http:
            answer = await http.post("http://tiktok.sandbox/event/202309/webhooks")
        assert (answer.status_code, answer.json()["code"]) == (405, 36009010)

    run_virtual(body)


def test_registered_addresses_outlive_a_restart_of_the_sandbox(tmp_path: Path) -> None:
    async def body(clock: VirtualClock) -> None:
        on = await machine(clock, directory=tmp_path)
        await register(on.client.webhooks, on.shops[0], ["PACKAGE_UPDATE"], ADDRESS)
        on.world.close()
        again = await machine(clock, directory=tmp_path)
        assert again.emitter.address_of("us", 4) == ADDRESS
        assert again.emitter.address_of("us", 1) is None
        assert again.emitter.address_of("uk", 4) is None
        again.world.close()

    run_virtual(body)


def test_a_receiver_in_the_same_process_keeps_every_event_once_whatever_goes_wrong() -> None:
    kinds = (FaultKind.webhook_duplicate, FaultKind.webhook_reorder, FaultKind.webhook_delay)

    async def body(clock: VirtualClock) -> None:
        faults = FaultPlan(3, {("tiktok", kind): 0.3 for kind in (*kinds, FaultKind.webhook_forged)})
        on = await machine(clock, faults)
        on.emitter.default_address = ADDRESS
        orders = {on.world.place_order("us", ["SKU-001"]) for _ in range(60)}
        while (due := on.emitter.next_due()) is not None:
            await asyncio.sleep(max(due - clock.now().timestamp(), 0))
            await on.emitter.run_due()
        with on.ledger.read() as tx:
            events = tx.inbox.take("orders", 1_000)
        assert {event.subject.removeprefix("order ") for event in events} == orders
        assert len(events) == 60
        assert on.emitter.counts["forged_refused"] > 5
        assert on.emitter.counts["forged_accepted"] == 0
        assert on.emitter.counts["delivered"] > 65

    run_virtual(body)


def test_a_rig_receives_webhooks_beside_its_pipeline() -> None:
    async def body(rig: Rig) -> None:
        async with rig.webhooks() as emitter:
            order_id = rig.world.place_order("us", ["SKU-001"], plan={"AWAITING_SHIPMENT": [(600, "regret")]})
            await asyncio.sleep(700)
            assert emitter.counts["delivered"] >= 2
        rig.world.place_order("us", ["SKU-001"])
        ledger = rig.ledger()
        with ledger.read() as tx:
            assert [event.subject for event in tx.inbox.take("orders", 10)] == [f"order {order_id}"]
            assert f"order {order_id}" in [event.subject for event in tx.inbox.take("closures", 10)]
        ledger.close()

    in_world(body)
