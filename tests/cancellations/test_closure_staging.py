"""What an order, or a cancellation, as TikTok tells it means for a Sales Order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.cancellations.observing import raw_cancellation_row
from tiktok_ns_pipeline.cancellations.outcome import Closure, Ended, Malformed, Nothing, Request
from tiktok_ns_pipeline.cancellations.staging import STATUS, cancel_name, stage_cancellation, stage_order
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.tiktok.lifecycle import ORDER_STATUS

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
DEADLINE = 1_780_400_000
_TEXTS = st.text("aZ09 _-\n\u202e", max_size=8)


def cancellation(**changes: Any) -> dict[str, Any]:
    """A buyer's request that waits for the seller."""
    return {
        "cancel_id": "4035318504086604100",
        "order_id": "576461413038785752",
        "cancel_type": "BUYER_CANCEL",
        "cancel_status": "CANCELLATION_REQUEST_PENDING",
        "role": "BUYER",
        "create_time": 1_780_300_000,
        "update_time": 1_780_300_100,
        "seller_next_action_response": [{"action": "SELLER_RESPOND_CANCEL", "deadline": DEADLINE}],
    } | changes


def order(raw: Any) -> Any:
    return stage_order(raw_order_row(raw, zone=UTC, read_at=AT, request_id="r"), "us")


class TestOrders:
    def test_a_cancelled_order_is_to_be_closed(self) -> None:
        closure = order({"id": "576461413038785752", "status": "CANCELLED", "update_time": 1_780_300_000})
        assert isinstance(closure, Closure)
        assert (closure.order_id, closure.subject) == ("576461413038785752", "order 576461413038785752")
        assert closure.update_time == datetime.fromtimestamp(1_780_300_000, UTC)

    @pytest.mark.parametrize("status", [*sorted(set(ORDER_STATUS) - {"CANCELLED"}), "NEW", "", None, 3])
    def test_no_other_state_closes_anything(self, status: object) -> None:
        assert isinstance(order({"id": "5764", "status": status}), Nothing)

    @pytest.mark.parametrize("identity", [{}, {"id": ""}, {"id": "57 64"}, {"id": "x" * 65}])
    def test_a_cancelled_order_without_a_readable_id_is_told(self, identity: dict[str, str]) -> None:
        found = order({"status": "CANCELLED", **identity})
        assert isinstance(found, Malformed)
        assert found.subject.startswith("order unreadable-")
        assert len(found.subject) < 60


class TestCancellations:
    def test_a_buyers_request_waits_until_its_deadline(self) -> None:
        request = stage_cancellation(cancellation(), "us")
        assert isinstance(request, Request)
        assert request.deadline == datetime.fromtimestamp(DEADLINE, UTC)
        assert request.subject == "cancellation 4035318504086604100"

    def test_the_nearest_deadline_counts_and_none_is_not_invented(self) -> None:
        actions = [{"action": "SELLER_RESPOND_CANCEL", "deadline": DEADLINE + n} for n in (5, 0, 9)]
        request = stage_cancellation(cancellation(seller_next_action_response=actions), "us")
        assert isinstance(request, Request)
        assert request.deadline == datetime.fromtimestamp(DEADLINE, UTC)
        request = stage_cancellation(cancellation(seller_next_action_response=None), "us")
        assert isinstance(request, Request)
        assert request.deadline is None

    @pytest.mark.parametrize("status", sorted(set(STATUS) - {"CANCELLATION_REQUEST_PENDING"}))
    def test_every_status_of_the_reference_is_known(self, status: str) -> None:
        found = stage_cancellation(cancellation(cancel_status=status), "us")
        assert isinstance(found, Request if status == "AWAITING_SELLER_RESPONSE" else Ended)

    def test_the_sellers_own_cancellation_asks_for_nothing(self) -> None:
        own = cancellation(cancel_type="CANCEL", role="SELLER", seller_next_action_response=[])
        assert isinstance(stage_cancellation(own, "us"), Ended)

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            ({"cancel_status": "CANCELLATION_REQUEST_PAUSED"}, "status:CANCELLATION_REQUEST_PAUSED"),
            ({"cancel_type": "FATE"}, "type:FATE"),
            ({"cancel_type": ""}, "type:missing"),
            ({"cancel_type": "a secret of <the buyer>"}, "type:a?secret?of??the?buyer?"),
            ({"order_id": ""}, "field:order_id"),
            ({"update_time": "yesterday"}, "field:update_time"),
        ],
    )
    def test_what_is_unknown_or_unreadable_is_told_of_that_record(
        self, changes: dict[str, Any], cause: str
    ) -> None:
        found = stage_cancellation(cancellation(**changes), "us")
        assert isinstance(found, Malformed)
        assert (found.cause, found.subject) == (cause, "cancellation 4035318504086604100")

    def test_real_and_documented_records_are_read(self) -> None:
        real = stage_cancellation(sample("real_vn_aftersales.json")["cancellation"], "vn")
        assert isinstance(real, Ended)
        [documented] = sample("oas_cancellations_202309.json")[1]["response"]["data"]["cancellations"]
        assert not isinstance(stage_cancellation(documented, "us"), Malformed)

    @given(
        st.dictionaries(
            st.sampled_from(sorted(cancellation())),
            st.none() | st.booleans() | st.integers() | _TEXTS | st.lists(_TEXTS, max_size=2),
        )
    )
    def test_nothing_that_tiktok_could_send_stops_the_batch(self, changes: dict[str, Any]) -> None:
        raw = cancellation(**changes)
        found = stage_cancellation(raw, "us")
        row = raw_cancellation_row(raw, zone=ZoneInfo("America/Los_Angeles"), read_at=AT, request_id="r")
        assert found.subject == f"cancellation {row['cancel_id']}"
        assert isinstance(found, Malformed) or found.order_id

    def test_what_has_no_id_keeps_its_name(self) -> None:
        nameless = cancellation(cancel_id=None)
        assert cancel_name(nameless) == cancel_name(dict(nameless))
        assert cancel_name(nameless) != cancel_name(nameless | {"order_id": "1"})
