"""What goes wrong around cancellations bothers the one record, shop or listing that it is about."""

from __future__ import annotations

import asyncio

from tests.cancellations.closing_desk import close, posted, record_of, state_of, told
from tests.rigging import exceptions, kinds
from tiktok_ns_pipeline.sandbox.catalogue import AUTH_CODE, SCOPES
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.tiktok_server import TikTokServer
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenRules
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport

SEARCH = "/return_refund/202602/cancellations/search"


def strange(rig: Rig, cancel_id: str, column: str, value: str) -> None:
    """TikTok says something new about a cancellation."""
    with rig.world.changing():
        rig.world.store.database.execute(
            f"UPDATE cancellations SET {column} = ?, update_time = update_time + 1 WHERE cancel_id = ?",
            (value, cancel_id),
        )


async def granted(rig: Rig, *scopes: str) -> None:
    """The seller consents anew, to these scopes."""
    server = TikTokServer(rig.world, token_rules=TokenRules(scopes=scopes))
    apps = {**rig.transport._apps, "tiktok.sandbox": server}  # pyright: ignore[reportPrivateUsage]
    rig.transport = InProcessTransport(apps)
    async with rig.runtime() as runtime:
        await runtime.tiktok_login.exchange(AUTH_CODE)


def test_a_cancellation_of_an_unknown_kind_is_told_and_the_others_go_on() -> None:
    async def story(rig: Rig) -> None:
        first, second = await posted(rig), await posted(rig)
        cancel_id = rig.world.request_cancellation(first)
        strange(rig, cancel_id, "cancel_type", "FATE")
        rig.world.request_cancellation(second)
        await close(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("malformed_cancellation", "type:FATE")
        assert exception.subject == f"cancellation {cancel_id}"
        assert (state_of(rig, first), state_of(rig, second)) == ("B", "H")
        strange(rig, cancel_id, "cancel_type", "BUYER_CANCEL")
        await close(rig)
        assert exceptions(rig) == []
        assert state_of(rig, first) == "H"

    told(story)


def test_without_the_scope_of_cancellations_cancelled_orders_are_closed_all_the_same() -> None:
    async def story(rig: Rig) -> None:
        order_id = await posted(rig)
        await granted(rig, *(scope for scope in SCOPES if "return_refund" not in scope))
        rig.world.cancel_order(order_id)
        report = await close(rig)
        assert state_of(rig, order_id) == "H"
        assert {one.kind for one in exceptions(rig)} == {"tiktok_refused"}
        assert "cancellations of us" in {one.subject for one in exceptions(rig)}
        assert len(report.trouble) == len(exceptions(rig))
        await granted(rig, *SCOPES)
        await close(rig)
        assert exceptions(rig) == []

    told(story)


def test_a_listing_that_fails_does_not_keep_the_other_from_closing() -> None:
    async def story(rig: Rig) -> None:
        order_id = await posted(rig)
        rig.world.cancel_order(order_id)
        for _ in range(60):
            rig.faults.inject(FaultKind.http_503, "tiktok", SEARCH)
        await close(rig)
        assert state_of(rig, order_id) == "H"
        rig.faults.stop()
        await close(rig)
        assert exceptions(rig) == []

    told(story)


def test_while_netsuite_is_shut_closures_wait_and_then_go_out() -> None:
    async def story(rig: Rig) -> None:
        order_id = await posted(rig)
        rig.world.cancel_order(order_id)
        rig.faults.inject(FaultKind.http_503, "netsuite", "salesOrder", times=100)
        await close(rig)
        assert record_of(rig, order_id)["status"]["id"] == "B"
        rig.faults.stop()
        await asyncio.sleep(600)
        await close(rig)
        assert state_of(rig, order_id) == "H"
        assert "cancelled_too_late" not in kinds(rig)

    told(story)
