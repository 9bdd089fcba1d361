"""How money is asked for: statements and their transactions, payments, wallets, estimates (T 7.1)."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.responses import Response

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import NOW, SHOP, ok, outcome, refusal
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokIncomplete,
    TikTokRefused,
    TikTokTransient,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tiktok.finance import OrderReading, PaymentPage, StatementReading

_LISTS = [entry["response"]["data"] for entry in sample("oas_finance_statements_payments_withdrawals.json")]
_UNSETTLED = sample("doc_finance_unsettled_202507.json")["response"]["data"]
_FROM, _TO = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 15, tzinfo=UTC)
_FROM_S, _TO_S = "1785542400", "1786752000"
_STATEMENT = "7673672914201216785"
_NEW, _OLD = (
    f"/finance/{month}/statements/{_STATEMENT}/statement_transactions" for month in (202501, 202309)
)
_GONE = [refusal(36009014, 400), refusal(36009009, 404)]


def _pages(
    listed: Callable[[TikTokClient], AsyncIterator[Any]],
) -> Callable[[TikTokClient], Any]:
    async def read(client: TikTokClient) -> list[Any]:
        return [page async for page in listed(client)]

    return read


def _read(client: TikTokClient) -> Any:
    return client.finance.statement_transactions(SHOP, _STATEMENT)


def _new(*row_ids: str, total: int | None = None, token: str = "", **head: Any) -> Response:
    rows = [{"id": row_id, "settlement_amount": "1"} for row_id in row_ids]
    count = {} if total is None else {"total_count": total}
    return ok({"id": _STATEMENT, **count, **head, "transactions": rows, "next_page_token": token})


def _old(*row_ids: str, total: int) -> Response:
    rows = [{"id": row_id} for row_id in row_ids]
    return ok({"statement_id": _STATEMENT, "total_count": total, "statement_transactions": rows})


def test_statements_are_listed_by_their_day_oldest_first() -> None:
    (page,), made = outcome(
        _pages(lambda client: client.finance.statements(SHOP, since=_FROM, until=_TO)),
        ok({**_LISTS[0], "next_page_token": ""}),
    )
    assert [row["id"] for row in page.rows] == ["7238804564097517339"]
    (asked,) = made.shop.asked
    assert (asked.method, asked.path, asked.body) == ("GET", "/finance/202309/statements", b"")
    assert (asked.query["statement_time_ge"], asked.query["statement_time_lt"]) == (_FROM_S, _TO_S)
    options = asked.query["sort_field"], asked.query["sort_order"], asked.query["page_size"]
    assert options == ("statement_time", "ASC", "100")


def test_a_shop_without_statements_has_an_empty_list() -> None:
    nothing = sample("real_fragments_us_mx.json")["mx_finance_of_a_shop_with_nothing_settled"]
    (page,), made = outcome(
        _pages(lambda client: client.finance.statements(SHOP)), ok(nothing["GET /finance/202309/statements"])
    )
    assert page.rows == []
    assert not {"statement_time_ge", "statement_time_lt"} & made.shop.asked[0].query.keys()


def test_movements_of_a_wallet_are_asked_for_by_type() -> None:
    (page,), made = outcome(
        _pages(lambda client: client.finance.withdrawals(SHOP, since=_FROM)),
        ok({**_LISTS[2], "next_page_token": None}),
    )
    assert (page.rows[0]["id"], page.total_count) == ("EFASDFSAFDA23432DFAFDSA", 1)
    (asked,) = made.shop.asked
    assert asked.path == "/finance/202309/withdrawals"
    assert asked.query["types"] == "WITHDRAW,SETTLE,TRANSFER,REVERSE"
    assert asked.query["create_time_ge"] == _FROM_S


def test_no_type_of_movement_is_refused_before_the_call() -> None:
    with pytest.raises(ValueError, match="none is named"):
        outcome(_pages(lambda client: client.finance.withdrawals(SHOP, types=())), ok({}))


def test_what_is_unsettled_comes_with_the_sums_of_all_of_it() -> None:
    (page,), made = outcome(
        _pages(lambda client: client.finance.unsettled(SHOP, since=_FROM, until=_TO)),
        ok({**_UNSETTLED, "next_page_token": ""}),
    )
    assert page.head["sum_est_settlement_amount"] == "100"
    assert page.total_count == 2
    (asked,) = made.shop.asked
    assert asked.path == "/finance/202507/orders/unsettled"
    assert asked.query["sort_field"] == "order_create_time"
    assert (asked.query["search_time_ge"], asked.query["search_time_lt"]) == (_FROM_S, _TO_S)


@pytest.mark.parametrize("gone", _GONE, ids=["version", "path"])
def test_payments_are_read_in_the_older_version_where_the_newer_is_gone(gone: Response) -> None:
    (page,), made = outcome(
        _pages(lambda client: client.finance.payments(SHOP, since=_FROM, until=_TO)),
        gone,
        ok({**_LISTS[1], "next_page_token": ""}),
    )
    assert isinstance(page, PaymentPage)
    assert (page.version, page.rows[0]["id"]) == ("202309", "3458767051733897992")
    assert [one.path for one in made.shop.asked] == ["/finance/202605/payments", "/finance/202309/payments"]
    for asked in made.shop.asked:
        assert asked.query["sort_field"] == "create_time"
        assert (asked.query["create_time_ge"], asked.query["create_time_lt"]) == (_FROM_S, _TO_S)


def test_payments_in_the_newer_version_say_so() -> None:
    (page,), made = outcome(_pages(lambda client: client.finance.payments(SHOP)), ok({"payments": []}))
    assert (page.version, len(made.shop.asked)) == ("202605", 1)


def test_a_list_of_payments_never_changes_its_version_half_way() -> None:
    failure, made = outcome(
        _pages(lambda client: client.finance.payments(SHOP)),
        ok({"payments": [{"id": "1"}], "next_page_token": "A"}),
        _GONE[0],
    )
    assert isinstance(failure, TikTokRefused)
    assert {one.path for one in made.shop.asked} == {"/finance/202605/payments"}


def test_every_transaction_of_a_statement_is_read_page_by_page() -> None:
    reading, made = outcome(
        _read,
        _new("1", "2", total=3, token="A+/=", currency="VND"),
        _new("3", total=3, currency="VND"),
    )
    assert isinstance(reading, StatementReading)
    assert [row["id"] for row in reading.rows] == ["1", "2", "3"]
    assert reading.header == {"id": _STATEMENT, "total_count": 3, "currency": "VND"}
    assert (reading.version, reading.total_count, reading.read_at) == ("202501", 3, NOW)
    assert {one.path for one in made.shop.asked} == {_NEW}
    assert all(one.query["sort_field"] == "order_create_time" for one in made.shop.asked)
    assert made.shop.asked[1].query["page_token"] == "A+/="


@pytest.mark.parametrize("gone", _GONE, ids=["version", "path"])
def test_transactions_are_read_in_the_older_shape_where_the_newer_is_gone(gone: Response) -> None:
    reading, made = outcome(_read, gone, _old("1", "2", total=2))
    assert (reading.version, [row["id"] for row in reading.rows]) == ("202309", ["1", "2"])
    assert [one.path for one in made.shop.asked] == [_NEW, _OLD]


def test_the_documented_page_of_the_older_shape_is_read_whole() -> None:
    data = sample("oas_finance_transactions_by_statement_202309.json")["response"]["data"]
    reading, _ = outcome(
        lambda client: client.finance.statement_transactions(SHOP, data["statement_id"]),
        _GONE[0],
        ok({**data, "next_page_token": "", "total_count": 1}),
    )
    assert reading.header["settlement_amount"] == "130"
    assert len(reading.rows) == 1


@pytest.mark.parametrize("code", [36009004, 105005, 36009003])
def test_another_refusal_asks_no_older_version(code: int) -> None:
    _, made = outcome(_read, refusal(code, 400))
    assert {one.path for one in made.shop.asked} == {_NEW}


@pytest.mark.parametrize(
    "first",
    [
        [_new("1", total=2)],
        [_new("1", "1", total=2)],
        [_new("1", "2", total=3, token="A"), _new("2", total=3)],
        [_new("1", total=2, token="A"), _new("2", total=3)],
        [_new("1", "2", total=1)],
        [_new("1", total=2, token="A", payable_amount="5"), _new("2", total=2, payable_amount="6")],
    ],
    ids=["missing", "doubled", "moved", "grown", "too many", "other totals"],
)
def test_a_statement_whose_rows_did_not_come_whole_is_read_again(first: list[Response]) -> None:
    reading, _ = outcome(_read, *first, _new("1", "2", total=2))
    assert isinstance(reading, StatementReading)
    assert [row["id"] for row in reading.rows] == ["1", "2"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_new("1", total=2), "1 of its 2 transactions came"),
        (_new("1", "1", total=2), "transaction 1 came twice"),
    ],
)
def test_a_statement_that_never_comes_whole_is_refused_by_name(answer: Response, said: str) -> None:
    failure, made = outcome(_read, answer)
    assert isinstance(failure, TikTokIncomplete)
    assert isinstance(failure, TikTokTransient), "it may be whole later"
    assert f"statement {_STATEMENT}: {said}" in str(failure)
    assert SHOP.code in str(failure)
    assert len(made.shop.asked) == 2


def test_pages_without_end_are_not_read_for_ever() -> None:
    answers = [_new(str(number), total=2, token=f"t{number}") for number in range(30)]
    failure, made = outcome(_read, *answers)
    assert isinstance(failure, TikTokIncomplete)
    assert len(made.shop.asked) == 6


def test_a_count_that_is_not_told_is_not_checked_and_says_so() -> None:
    reading, _ = outcome(_read, _new("1"))
    assert reading.total_count is None


def test_a_statement_without_transactions_is_whole() -> None:
    reading, _ = outcome(_read, _new(total=0))
    assert (list(reading.rows), reading.total_count) == ([], 0)


def test_another_statement_than_the_one_that_was_asked_for_is_refused() -> None:
    failure, _ = outcome(_read, ok({"id": "1", "total_count": 0}))
    assert isinstance(failure, TikTokUnknownError)


def test_an_order_is_asked_for_by_sku_and_in_the_older_shape_where_that_is_all_there_is() -> None:
    newer = sample("oas_finance_transactions_by_order_202501.json")["response"]["data"]
    older = sample("oas_finance_transactions_by_order_202309.json")["response"]["data"]

    def read(client: TikTokClient) -> Any:
        return client.finance.order_transactions(SHOP, "5793990727963214852")

    reading, made = outcome(read, ok(newer))
    assert isinstance(reading, OrderReading)
    assert (reading.version, reading.document["fee_and_tax_amount"]) == ("202501", "-30")
    assert len(reading.rows) == len(newer["sku_transactions"])
    assert made.shop.asked[0].path == "/finance/202501/orders/5793990727963214852/statement_transactions"
    reading, made = outcome(read, _GONE[0], ok(older))
    assert (reading.version, len(reading.rows)) == ("202309", len(older["statement_transactions"]))
    assert made.shop.asked[1].path == "/finance/202309/orders/5793990727963214852/statement_transactions"


def test_an_order_that_has_not_settled_has_no_rows() -> None:
    reading, _ = outcome(lambda client: client.finance.order_transactions(SHOP, "1"), ok({"order_id": "1"}))
    assert reading.rows == []


def test_pages_of_orders_carry_what_stands_beside_the_rows() -> None:
    (page,), _ = outcome(
        _pages(lambda client: client.search_orders(SHOP, update_time_ge=None)),
        ok({"orders": [{"id": "1"}], "total_count": 1, "next_page_token": ""}),
    )
    assert isinstance(page, Page)
    assert page.head == {"total_count": 1}
