"""The account's concurrency limit, and every way in which the server can fail its caller."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.sandbox.netsuite_account import (
    RECORDS,
    START,
    Caller,
    account,
    assertion,
    customer,
    error_of,
    order,
    order_body,
)
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

CREATE = ("POST", f"{RECORDS}/salesOrder")


def struck(kind: FaultKind, match: str = "salesOrder") -> Caller:
    """A caller whose next matching request meets a fault."""
    caller = Caller(account(), FaultPlan(hang_s=0.01)).log_in()
    caller.faults.inject(kind, "netsuite", match)
    return caller


def create(caller: Caller, **fields: Any) -> httpx.Response:
    return caller.call(*CREATE, order_body(customer(caller.books), externalId="tts-1", **fields))


def orders(caller: Caller) -> int:
    return len(list(caller.books.records("salesOrder")))


@pytest.mark.parametrize("kind", [FaultKind.refuse, FaultKind.cut_before_commit])
def test_a_request_that_never_arrives_does_nothing(kind: FaultKind) -> None:
    caller = struck(kind)
    with pytest.raises(httpx.ConnectError if kind is FaultKind.refuse else httpx.RemoteProtocolError):
        create(caller)
    assert orders(caller) == 0


def test_a_connection_cut_after_the_commit_hides_that_all_is_done() -> None:
    caller = struck(FaultKind.cut_after_commit)
    with pytest.raises(httpx.RemoteProtocolError):
        create(caller)
    assert orders(caller) == 1


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [
        (FaultKind.http_500_before, 500, 0),
        (FaultKind.http_500_after, 500, 1),
        (FaultKind.http_503, 503, 0),
        (FaultKind.http_429, 429, 0),
        (FaultKind.concurrency_400, 400, 0),
        (FaultKind.unauthorized, 401, 0),
        (FaultKind.delay, 204, 1),
        (FaultKind.timeout_before_commit, 204, 1),
        (FaultKind.timeout_after_commit, 204, 1),
    ],
)
def test_an_answer_tells_less_than_what_happened(kind: FaultKind, status: int, made: int) -> None:
    caller = struck(kind)
    assert (create(caller).status_code, orders(caller)) == (status, made)


def test_a_page_of_html_says_nothing_about_what_happened() -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(40):
        caller = Caller(account(seed_number=seed), FaultPlan()).log_in()
        caller.faults.inject(FaultKind.html_body, "netsuite", "salesOrder")
        answer = create(caller)
        assert answer.headers["content-type"].startswith("text/html")
        seen[answer.status_code, orders(caller)] += 1
    assert seen.keys() == {(200, 0), (200, 1), (502, 0), (502, 1)}


def test_a_token_that_is_revoked_mid_run_stays_so_until_a_new_one_is_bought() -> None:
    caller = struck(FaultKind.unauthorized)
    assert [create(caller).status_code, caller.get("/customer").status_code] == [401, 401]
    assert caller.log_in().get("/customer").status_code == 200


def test_a_record_changed_meanwhile_can_be_changed_on_the_next_try() -> None:
    caller = struck(FaultKind.record_changed)
    made = order(caller.books)
    first = caller.call("PATCH", f"{RECORDS}/salesOrder/{made}", {"memo": "x"})
    assert (first.status_code, error_of(first)["o:errorCode"]) == (400, "RCRD_HAS_BEEN_CHANGED")
    assert caller.call("PATCH", f"{RECORDS}/salesOrder/{made}", {"memo": "x"}).status_code == 204


def test_a_script_of_the_seller_leaves_its_mark() -> None:
    caller = struck(FaultKind.script_alters_value)
    create(caller, memo="TikTok order")
    [made] = caller.books.records("salesOrder")
    assert made["memo"] == "TikTok order [checked]"


def test_a_lagging_query_shows_what_was() -> None:
    caller = Caller(account(), FaultPlan(hang_s=90)).log_in()
    order(caller.books)
    caller.faults.inject(FaultKind.suiteql_lag, "netsuite")
    query = "SELECT id FROM transaction"
    assert caller.suiteql(query).json()["totalResults"] == 0
    assert caller.suiteql(query).json()["totalResults"] == 1


def test_the_token_endpoint_fails_only_when_it_is_named() -> None:
    caller = Caller(account(), FaultPlan(rates={("netsuite", FaultKind.http_503): 1.0}))
    assert caller.token(assertion(caller.books)).status_code == 200
    caller.faults.inject(FaultKind.http_503, "netsuite", "oauth2")
    assert caller.token(assertion(caller.books)).status_code == 503


class TestInVirtualTime:
    @staticmethod
    def run(story: Any, **options: Any) -> None:
        async def main(clock: VirtualClock) -> None:
            faults = FaultPlan(hang_s=90)
            caller = Caller(account(clock=clock, **options), faults)
            caller.headers["Authorization"] = await asyncio.to_thread(_bearer, caller)
            await story(caller)

        run_virtual(main, START)

    def test_requests_over_the_limit_are_blocked_with_429_or_400(self) -> None:
        async def story(caller: Caller) -> None:
            buyer = customer(caller.books)
            answers = await asyncio.gather(*(caller.send(*CREATE, order_body(buyer)) for _ in range(60)))
            statuses = Counter(one.status_code for one in answers)
            assert statuses[204] == 3
            assert statuses[429] > statuses[400] > 0
            blocked = [error_of(one)["o:errorCode"] for one in answers if one.status_code != 204]
            assert set(blocked) == {"CONCURRENCY_LIMIT_EXCEEDED"}
            assert (caller.server.busiest, caller.server.blocked) == (3, 57)
            assert (await caller.send(*CREATE, order_body(buyer))).status_code == 204

        self.run(story, slots=3, save_seconds=1.0)

    def test_a_save_takes_its_time_and_a_read_a_part_of_it(self) -> None:
        async def story(caller: Caller) -> None:
            loop = asyncio.get_running_loop()
            start = loop.time()
            await caller.send("GET", f"{RECORDS}/customer")
            read = loop.time() - start
            await caller.send("POST", f"{RECORDS}/customer", {"companyName": "X", "subsidiary": 1})
            assert (round(read, 3), round(loop.time() - start - read, 3)) == (0.3, 2.0)

        self.run(story, save_seconds=2.0)

    def test_a_save_outlives_its_callers_patience_and_keeps_its_slot_meanwhile(self) -> None:
        async def story(caller: Caller) -> None:
            caller.faults.inject(FaultKind.timeout_before_commit, "netsuite", "salesOrder")
            buyer = customer(caller.books)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await caller.send(*CREATE, order_body(buyer))
            assert orders(caller) == 0
            assert (await caller.send("GET", f"{RECORDS}/customer")).status_code in {400, 429}
            await asyncio.sleep(31)
            assert orders(caller) == 1

        self.run(story, slots=1)


def _bearer(caller: Caller) -> str:
    return caller.log_in().headers["Authorization"]


def test_equal_seeds_give_equal_answers() -> None:
    def ids() -> list[str]:
        caller = Caller(account(seed_number=3))
        return [caller.call("OPTIONS", "/").headers["x-netsuite-jobid"] for _ in range(3)]

    assert ids() == ids()
