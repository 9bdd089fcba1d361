"""What the receiver answers, and what it keeps."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.webhooks.conftest import APP, SHOP_ID, Served, at_once, body_of, serving, signed
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.webhooks.receiver import LARGEST_BODY

OFFICIAL_BODY = (
    b'{"type":1,"tts_notification_id":"7380066284010030890","shop_id":"7495540735365777507",'
    b'"timestamp":1718305585,"data":{"is_on_hold_order":true,"order_id":"576653688135258178",'
    b'"order_status":"UNPAID","update_time":1718305585}}'
)


def test_a_genuine_event_is_stored_before_it_is_answered(receiver: Served) -> None:
    body = body_of(1)
    answer = httpx.post(receiver.url, content=body, headers=signed(body))
    assert (answer.status_code, answer.content) == (200, b"")
    (event,) = receiver.waiting()
    assert event.body == body.decode()
    assert (event.channel, event.shop_id, event.event_type) == ("tiktok", SHOP_ID, "1")
    assert event.subject == "order 576400000000000001"


@pytest.mark.parametrize("path", ["/", "/webhooks/tiktok"])
def test_both_paths_receive(small_receiver: Served, path: str) -> None:
    assert small_receiver.post(body_of(1), path=path) == 200
    assert len(small_receiver.waiting()) == 1


def test_duplicates_are_answered_alike_and_stored_once(receiver: Served) -> None:
    assert [receiver.post(body_of(1)) for _ in range(3)] == [200] * 3
    assert len(receiver.waiting()) == 1
    counts = receiver.counts()
    assert (counts["received"], counts["stored"], counts["duplicates"]) == (3, 1, 2)


def test_events_out_of_order_are_all_kept(receiver: Served) -> None:
    for number in (3, 1, 2):
        assert receiver.post(body_of(number)) == 200
    assert {event.subject[-1] for event in receiver.waiting()} == {"1", "2", "3"}


def test_the_same_event_from_many_sides_at_the_same_moment_is_one(receiver: Served) -> None:
    answers = at_once([lambda number=number: receiver.post(body_of(number % 10)) for number in range(40)])
    assert answers == [200] * 40
    assert len(receiver.waiting()) == 10
    assert receiver.counts()["duplicates"] == 30


@pytest.mark.parametrize(
    "headers",
    [
        signed(body_of(2)),
        signed(body_of(1), secret="another-secret"),
        signed(body_of(1), key="another-key"),
        {"Authorization": signed(body_of(1))["Authorization"].upper()},
        {"Authorization": "Bearer " + signed(body_of(1))["Authorization"]},
        {"Authorization": ""},
        {"Authorization": "0" * 64},
        {"Authorization": "\xff\xfe".encode("latin-1")},
        {"Content-Type": "application/json"},
    ],
)
def test_what_tiktok_did_not_sign_is_refused_and_kept_nowhere(
    small_receiver: Served, headers: dict[str, Any]
) -> None:
    assert small_receiver.post(body_of(1), headers) == 401
    with small_receiver.ledger.read() as tx:
        assert tx.inbox.counts() == {}
    assert small_receiver.counts()["forged"] == 1


def test_a_signature_does_not_fit_a_body_that_says_the_same_in_other_bytes(small_receiver: Served) -> None:
    spaced = json.dumps(json.loads(body_of(1))).encode()
    assert small_receiver.post(spaced, signed(body_of(1))) == 401


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
def test_a_body_larger_than_any_event_is_refused(small_receiver: Served, announced: bool) -> None:
    body = body_of(1, padding="x" * LARGEST_BODY)
    with httpx.Client(timeout=10) as client:
        content: Any = body if announced else iter([body[:1000], body[1000:]])
        answer = client.post(small_receiver.url, content=content, headers=signed(body))
    assert answer.status_code == 413
    assert small_receiver.counts()["oversize"] == 1
    assert small_receiver.waiting() == []


def test_the_largest_body_is_taken(small_receiver: Served) -> None:
    empty = len(body_of(1, padding=""))
    assert small_receiver.post(body_of(1, padding="x" * (LARGEST_BODY - empty))) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"type":',
        b"[" * 100_000,
        b'{"data":{}}',
        b'{"type":"one","data":{}}',
        b'{"type":null,"data":{}}',
        b'{"type":1,"shop_id":"7495","data":[]}',
        b'{"type":1,"shop_id":"7495","data":{}}',
        b'{"type":1,"shop_id":"7495","data":{"order_id":{"a":1}}}',
        b'{"type":1,"data":{"order_id":"5764"}}',
        b'{"type":1,"shop_id":"a\\u0000b","data":{"order_id":"5764"}}',
        b'{"type":1,"shop_id":"\\ud800","data":{"order_id":"\\ud800"}}',
        b'{"type":1,"shop_id":"' + b"7" * 60 + b'","data":{"order_id":"5764"}}',
        b'{"type":1,"shop_id":"7495","data":{"order_id":"' + b"5" * 500 + b'"}}',
        b'{"type":' + b"9" * 5_000 + b',"shop_id":"7495","data":{"order_id":"5764"}}',
        b'{"type":' + b"9" * 40 + b',"shop_id":"7495","data":{"order_id":"5764"}}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_what_tiktok_signed_but_nobody_can_read_is_kept_for_a_person(receiver: Served, body: bytes) -> None:
    assert receiver.post(body) == 200
    assert receiver.post(body) == 200
    counts = receiver.counts()
    assert (counts["malformed"], counts["stored"], counts["duplicates"]) == (2, 1, 1)
    with receiver.ledger.read() as tx:
        assert tx.inbox.counts()[""].handled == 1
    assert receiver.post(body_of(1)) == 200


def test_the_official_example_is_taken(small_receiver: Served) -> None:
    assert small_receiver.post(OFFICIAL_BODY) == 200
    assert small_receiver.waiting()[0].notification_id == "7380066284010030890"


def test_only_posts_are_events(small_receiver: Served) -> None:
    assert httpx.get(small_receiver.url).status_code == 405
    assert httpx.post(f"{small_receiver.url}/elsewhere").status_code == 404


def test_health_and_counts_tell_no_secret(small_receiver: Served) -> None:
    small_receiver.post(body_of(1))
    health = httpx.get(f"{small_receiver.url}/healthz")
    assert (health.status_code, health.json()) == (200, {"healthy": True})
    text = httpx.get(f"{small_receiver.url}/metrics").text
    assert APP.app_secret not in text
    assert all(isinstance(value, int) for value in json.loads(text).values())


def test_nothing_of_a_body_or_a_header_is_logged(
    small_receiver: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    body = body_of(1, note="Grosvenor Street")
    small_receiver.post(body)
    small_receiver.post(body, {"Authorization": "f0f0f0"})
    assert "Grosvenor" not in caplog.text
    assert "f0f0f0" not in caplog.text
    assert signed(body)["Authorization"] not in caplog.text


def test_a_store_that_somebody_keeps_locked_means_503_within_three_seconds(ledger_file: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{ledger_file}")
    locked = sqlite3.connect(ledger_file, isolation_level=None)
    with serving(ledger, patience_s=1.0) as served:
        locked.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answers = at_once([lambda number=number: served.post(body_of(number)) for number in range(5)])
        assert time.monotonic() - began < 3
        assert answers == [503] * 5
        assert httpx.get(f"{served.url}/healthz").status_code == 503
        locked.execute("ROLLBACK")
        deadline = time.monotonic() + 10
        while httpx.get(f"{served.url}/healthz").status_code != 200:
            assert time.monotonic() < deadline
        assert [served.post(body_of(number)) for number in range(5)] == [200] * 5
        assert len(served.waiting()) == 5
        assert served.counts()["unavailable"] == 5
    locked.close()
    ledger.close()


def test_a_store_that_fails_and_comes_back_in_time_loses_nothing(
    ledger_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger.open(f"sqlite:///{ledger_file}")
    with serving(ledger) as served:
        broken = sqlite3.connect(ledger_file, isolation_level=None, check_same_thread=False)
        broken.execute("ALTER TABLE webhook_inbox RENAME TO elsewhere")

        def mend() -> None:
            time.sleep(0.5)
            broken.execute("ALTER TABLE elsewhere RENAME TO webhook_inbox")
            broken.close()

        _, answer = at_once([mend, lambda: served.post(body_of(1))])
        assert answer == 200
        assert len(served.waiting()) == 1
        assert served.counts()["store_failures"] >= 1
    assert "5764" not in caplog.text
    ledger.close()


def test_a_request_that_never_ends_holds_up_nobody(small_receiver: Served) -> None:
    host, port = small_receiver.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        assert small_receiver.post(body_of(1)) == 200
    deadline = time.monotonic() + 5
    while small_receiver.counts()["unfinished"] != 1:
        assert time.monotonic() < deadline


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"
