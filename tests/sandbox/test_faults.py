import pytest

from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan, is_write, rates_of

SEARCH = ("tiktok", "POST", "/order/202309/orders/search")
CREATE = ("netsuite", "POST", "/services/rest/record/v1/salesOrder")


def test_nothing_fails_by_itself():
    plan = FaultPlan(seed=1)
    assert all(plan.decide(*SEARCH) is None for _ in range(100))


def test_an_injected_fault_hits_the_next_matching_requests_only():
    plan = FaultPlan()
    plan.inject(FaultKind.http_500_after, "netsuite", match="/salesOrder", times=2)
    assert plan.decide("netsuite", "GET", "/services/rest/record/v1/salesOrder/7") is None
    struck = [plan.decide(*CREATE) for _ in range(3)]
    assert [fault and fault.kind for fault in struck] == [FaultKind.http_500_after] * 2 + [None]
    assert plan.by_kind() == {"netsuite.http_500_after": 2}


def test_after_commit_faults_spare_reads():
    plan = FaultPlan(rates={("tiktok", FaultKind.timeout_after_commit): 1.0})
    assert plan.decide(*SEARCH) is None
    assert plan.decide("tiktok", "POST", "/order/202406/orders/external_orders") is not None


def test_equal_seeds_and_requests_give_equal_faults():
    rates = rates_of("all=0.05")

    def run(seed: int) -> list[object]:
        plan = FaultPlan(seed, rates)
        return [plan.decide(*request) for _ in range(300) for request in (SEARCH, CREATE)]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_rates_are_about_what_was_asked_for():
    plan = FaultPlan(3, {("netsuite", FaultKind.http_429): 0.1, ("netsuite", FaultKind.delay): 0.1})
    for _ in range(4000):
        plan.decide(*CREATE)
    assert 300 < plan.counts["netsuite", FaultKind.http_429] < 500
    assert 300 < plan.counts["netsuite", FaultKind.delay] < 500


def test_what_is_no_request_is_asked_by_name():
    plan = FaultPlan()
    plan.inject(FaultKind.crash, "pipeline", match="after sending")
    assert not plan.strikes(FaultKind.crash, "pipeline", "before sending")
    assert plan.strikes(FaultKind.crash, "pipeline", "after sending")
    assert not plan.strikes(FaultKind.crash, "pipeline", "after sending")


def test_token_endpoints_fail_only_when_named():
    plan = FaultPlan(rates={("tiktok", FaultKind.refuse): 1.0})
    plan.inject(FaultKind.http_503, "tiktok")
    assert plan.decide_injected("tiktok", "GET", "/api/v2/token/refresh") is None
    plan.inject(FaultKind.http_500_before, "tiktok", match="/token/refresh")
    fault = plan.decide_injected("tiktok", "GET", "/api/v2/token/refresh")
    assert fault is not None
    assert fault.kind is FaultKind.http_500_before


def test_a_stopped_plan_keeps_its_counts():
    plan = FaultPlan(rates={("tiktok", FaultKind.refuse): 1.0})
    assert plan.decide(*SEARCH) is not None
    plan.stop()
    assert plan.decide(*SEARCH) is None
    assert sum(plan.counts.values()) == 1


@pytest.mark.parametrize("text", ["tiktok.nonsense=0.1", "tiktok.delay=often", "delay"])
def test_a_plan_that_cannot_be_read_names_the_bad_part(text: str):
    with pytest.raises(ValueError, match=text):
        rates_of(text)


def test_a_kind_is_refused_where_it_cannot_occur():
    with pytest.raises(ValueError, match="tiktok cannot fail by concurrency_400"):
        FaultPlan().set_rate("tiktok", FaultKind.concurrency_400, 0.1)


def test_searches_by_post_are_reads():
    assert not is_write("POST", "/order/202309/orders/search")
    assert not is_write("POST", "/order/202406/orders/external_order_search")
    assert not is_write("POST", "/services/rest/query/v1/suiteql")
    assert is_write("POST", "/order/202406/orders/external_orders")
