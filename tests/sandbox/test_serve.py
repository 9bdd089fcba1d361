import asyncio
import contextlib
import socket
import time
from pathlib import Path

import httpx
import pytest

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE
from tiktok_ns_pipeline.sandbox.serve import Ports, SandboxOptions, open_sandbox, running_sandbox, serve
from tiktok_ns_pipeline.sandbox.shoppers import Mix

TOKEN = {
    "app_key": APP_KEY,
    "app_secret": APP_SECRET,
    "auth_code": AUTH_CODE,
    "grant_type": "authorized_code",
}


@contextlib.contextmanager
def running(**options):
    wanted = SandboxOptions(netsuite_save_s=0.0, hang_s=0.5, **options)
    with running_sandbox(wanted) as run, httpx.Client(base_url=run.urls.control) as control:
        yield run, control


def ok(answer: httpx.Response):
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def test_the_three_servers_answer_on_free_ports():
    with running() as (run, control):
        assert "POST /orders" in ok(control.get("/"))
        token = httpx.get(f"{run.urls.tiktok}/api/v2/token/get", params=TOKEN).json()
        assert token["code"] == 0
        assert httpx.get(f"{run.urls.netsuite}/services/rest/record/v1/salesOrder").status_code == 401


def test_a_person_can_place_pay_change_and_cancel_orders():
    with running() as (_, control):
        wish = {"shop": "uk", "lines": ["SKU-001", {"sku": "SKU-002", "quantity": 2, "price": "3.50"}]}
        (order_id,) = ok(control.post("/orders", json={**wish, "status": "UNPAID"}))["order_ids"]
        assert ok(control.post(f"/orders/{order_id}/pay"))["status"] == "ON_HOLD"
        assert ok(control.post(f"/orders/{order_id}/release"))["should_be_posted"] is True
        ok(control.post(f"/orders/{order_id}/address"))
        assert ok(control.get(f"/orders/{order_id}"))["has_updated_recipient_address"] is True
        truth = ok(control.post(f"/orders/{order_id}/cancel", json={"line_id": "any"}))
        assert truth["quantities"] == {"SKU-001": ["1", "Each"], "SKU-002": ["1", "Each"]}
        assert ok(control.post(f"/orders/{order_id}/cancel"))["status"] == "CANCELLED"
        (told,) = ok(control.get("/truth", params={"order_id": order_id}))
        assert (told["should_be_posted"], told["may_be_posted"]) == (False, True)


def test_the_clock_the_rate_and_the_faults_can_be_turned():
    with running(mix=Mix.plain()) as (run, control):
        before = run.sandbox.world.now()
        ok(control.post("/orders", json={"draw": 5}))
        ok(control.post("/clock", json={"advance_s": 7200}))
        assert (run.sandbox.world.now() - before).total_seconds() >= 7200
        ok(
            control.post(
                "/faults", json={"system": "tiktok", "kind": "http_429", "match": "/token/", "times": 1}
            )
        )
        refused = httpx.get(f"{run.urls.tiktok}/api/v2/token/get", params=TOKEN)
        assert (refused.status_code, refused.json()["code"]) == (429, 36009002)
        stats = ok(control.get("/stats"))
        assert sum(sum(by_status.values()) for by_status in stats["orders"].values()) == 5
        assert stats["faults"] == {"tiktok.http_429": 1}
        ok(control.post("/rate", json={"orders_per_minute": 6000}))
        ok(control.post("/clock", json={"advance_s": 10}))
        assert sum(1 for _ in run.sandbox.world.truth()) > 100


def test_stock_and_records_of_the_books_can_be_changed():
    with running() as (run, control):
        assert ok(control.post("/stock", json={"item_id": "301", "location_id": "6", "on_hand": "7"})) == {
            "on_hand": "7"
        }
        saved = run.sandbox.books.create("customer", {"companyName": "Sample Ltd", "subsidiary": {"id": "1"}})
        ok(control.delete(f"/netsuite/customer/{saved.record.id}"))
        assert control.delete(f"/netsuite/customer/{saved.record.id}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/orders", {"lines": []}, 400, "needs lines"),
        ("/orders", {"lines": ["SKU-001"], "shop": "fr"}, 400, "no shop 'fr'"),
        ("/orders", {"lines": ["SKU-001"], "colour": "red"}, 400, "colour"),
        ("/orders/1/cancel", {}, 404, "no order 1"),
        ("/faults", {"system": "tiktok", "kind": "concurrency_400"}, 400, "cannot fail by"),
        ("/clock", {"advance_s": -1}, 400, "advance_s"),
        ("/stock", {"item_id": "1", "location_id": "6", "on_hand": "1"}, 404, "no item 1"),
    ],
)
def test_what_cannot_be_done_is_answered_in_words(path, body, status, says):
    with running() as (_, control):
        answer = control.post(path, json=body)
        assert answer.status_code == status
        assert says in answer.json()["error"]


def test_a_fresh_code_is_good_for_one_exchange():
    with running() as (run, control):
        code = ok(control.post("/auth-codes"))["auth_code"]
        url = f"{run.urls.tiktok}/api/v2/token/get"
        answers = [httpx.get(url, params={**TOKEN, "auth_code": code}).json()["code"] for _ in range(2)]
        assert answers == [0, 36004004]


def test_dates_of_answers_are_the_worlds():
    with running() as (run, control):
        ok(control.post("/clock", json={"advance_s": 86_400 * 400}))
        date = httpx.get(f"{run.urls.tiktok}/nowhere").headers.get_list("date")
        assert len(date) == 1
        assert str(run.sandbox.world.now().year) in date[0]


def test_a_cut_connection_reaches_a_real_client_as_one():
    with running() as (run, control):
        ok(
            control.post(
                "/faults", json={"system": "tiktok", "kind": "cut_before_commit", "match": "/nowhere"}
            )
        )
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{run.urls.tiktok}/nowhere")
        assert httpx.get(f"{run.urls.tiktok}/nowhere").status_code == 404


def test_the_world_goes_on_by_itself_and_ends_when_told():
    with running(mix=Mix.plain(), orders_per_minute=600, speed=1_000_000) as (run, control):
        deadline = time.monotonic() + 30
        while not any("COMPLETED" in statuses for statuses in run.sandbox.world.stats().values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ok(control.post("/shutdown"))


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path):
    with running(directory=tmp_path) as (run, control):
        (order_id,) = ok(control.post("/orders", json={"lines": ["SKU-001"]}))["order_ids"]
        ok(control.post("/clock", json={"advance_s": 3600}))
        tokens = httpx.get(f"{run.urls.tiktok}/api/v2/token/get", params=TOKEN).json()["data"]
    with running(directory=tmp_path) as (run, control):
        assert ok(control.get(f"/orders/{order_id}"))["id"] == order_id
        ahead = run.sandbox.world.now() - run.sandbox.world.clock.base.now()
        assert 3599 < ahead.total_seconds() < 3601
        refresh = {**TOKEN, "refresh_token": tokens["refresh_token"], "grant_type": "refresh_token"}
        again = httpx.get(f"{run.urls.tiktok}/api/v2/token/refresh", params=refresh).json()
        assert again["code"] == 0
        (second,) = ok(control.post("/orders", json={"lines": ["SKU-001"]}))["order_ids"]
        assert second != order_id


def test_a_taken_port_is_named_or_avoided():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=str(port)), running_sandbox(ports=Ports(netsuite=port)):
            pass
        with running_sandbox(ports=Ports(netsuite=port, or_free=True)) as run:
            assert not run.urls.netsuite.endswith(f":{port}")


def test_it_serves_inside_a_running_loop_too():
    async def main() -> None:
        sandbox = open_sandbox(SandboxOptions())
        serving = await serve(sandbox)
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{serving.urls.control}/stats")).status_code == 200
        await serving.stop()
        sandbox.close()

    asyncio.run(main())
