"""The endpoints of finance: strict where the real ones are, and wrong where a fault says so (T 7.1, 11)."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.finance_calls import (
    BY_CREATION,
    BY_ORDER,
    BY_TIME,
    DAY,
    F,
    amount,
    check_shop,
    check_statement,
    delivered,
    listed,
    meet_money,
    pass_days,
    transactions,
)
from tests.sandbox.tiktok_caller import UK, US, VN, Caller
from tests.tiktok.samples import sample
from tiktok_ns_pipeline.sandbox.settling_faults import UNKNOWN_FEE, UNKNOWN_TYPE
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenRules
from tiktok_ns_pipeline.sandbox.world import Line

VIETNAM = sample("real_vn_finance.json")
STATEMENTS = f"{F}/202309/statements"


async def one_statement(caller: Caller, orders: int = 5, shop: Any = US) -> dict[str, Any]:
    """The only statement of a shop in which so many orders settled, each with fees."""
    for number in range(orders):
        delivered(caller.world, shop.key, Line(f"SKU-{number + 1:03d}", 2))
        caller.world.advance(1)
    await pass_days(caller, 22)
    (statement,) = await listed(caller, "202309/statements", "statements", BY_TIME, shop)
    return statement


# Requests


@pytest.mark.parametrize(
    ("path", "sort_field"),
    [
        ("202309/statements", "statement_time"),
        ("202309/payments", "create_time"),
        ("202605/payments", "create_time"),
        ("202507/orders/unsettled", "order_create_time"),
    ],
)
def test_lists_need_their_one_sort_field_and_are_empty_for_a_new_shop(path, sort_field):
    async def test(caller: Caller) -> None:
        await pass_days(caller, 1)
        assert await caller.code("GET", f"{F}/{path}") == 36009004
        assert await caller.code("GET", f"{F}/{path}", {"sort_field": "id"}) == 36009004
        query = {"sort_field": sort_field}
        data = await caller.data("GET", f"{F}/{path}", query)
        assert [] in data.values()
        assert data["next_page_token"] == ""
        for wrong in (
            {"page_size": "0"},
            {"page_size": "101"},
            {"sort_order": "UP"},
            {"page_token": "AAAA"},
        ):
            assert await caller.code("GET", f"{F}/{path}", {**query, **wrong}) == 36009004

    meet_money(test)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("202309/statements", {**BY_TIME, "statement_time_ge": "yesterday"}),
        ("202309/statements", {**BY_TIME, "payment_status": "DONE"}),
        ("202605/payments", {**BY_CREATION, "create_time_lt": "-1"}),
        ("202507/orders/unsettled", {**BY_ORDER, "search_time_ge": "1.5"}),
        ("202309/withdrawals", {}),
        ("202309/withdrawals", {"types": "SETTLE,GIFT"}),
        ("202501/statements/7670000000001000003/statement_transactions", BY_ORDER),
    ],
)
def test_parameters_that_are_wrong_are_refused(path, query):
    async def test(caller: Caller) -> None:
        await pass_days(caller, 1)
        assert await caller.code("GET", f"{F}/{path}", query) == 36009004

    meet_money(test)


def test_finance_needs_its_scope():
    async def test(caller: Caller) -> None:
        await pass_days(caller, 0)
        assert await caller.code("GET", STATEMENTS, BY_TIME) == 105005

    meet_money(test, token_rules=TokenRules(scopes=("seller.order.info",)))


def test_a_statement_of_another_shop_is_not_told():
    async def test(caller: Caller) -> None:
        statement = await one_statement(caller)
        path = f"{F}/202501/statements/{statement['id']}/statement_transactions"
        assert await caller.code("GET", path, BY_ORDER, shop=UK) == 36009004

    meet_money(test)


def test_statements_are_found_by_time_and_state():
    async def test(caller: Caller) -> None:
        for _ in range(5):
            delivered(caller.world, "uk")
            caller.world.advance(DAY)
        await pass_days(caller, 4.5)
        rows = await listed(caller, "202309/statements", "statements", BY_TIME, UK)
        assert len(rows) == 3
        paged = await listed(caller, "202309/statements", "statements", {**BY_TIME, "page_size": "2"}, UK)
        assert paged == rows
        first, middle, last = (row["statement_time"] for row in rows)
        between = {**BY_TIME, "statement_time_ge": str(middle), "statement_time_lt": str(last)}
        assert await listed(caller, "202309/statements", "statements", between, UK) == [rows[1]]
        backwards = {**BY_TIME, "sort_order": "DESC"}
        assert await listed(caller, "202309/statements", "statements", backwards, UK) == rows[::-1]
        paid = await listed(
            caller, "202309/statements", "statements", {**BY_TIME, "payment_status": "PAID"}, UK
        )
        assert [row["statement_time"] for row in paid] == [first]
        assert all(row["payment_id"] and row["payment_time"] for row in paid)
        caller.world.finance.show_statement_from(rows[0]["id"], caller.world.epoch() + 60)
        assert await listed(caller, "202309/statements", "statements", BY_TIME, UK) == rows[1:]

    meet_money(test)


def test_by_order_tells_each_settlement_and_in_202309_of_the_west_only():
    async def test(caller: Caller) -> None:
        world = caller.world
        us = delivered(world, "us", Line("SKU-001", 2), "SKU-003")
        vn = delivered(world, "vn")
        await pass_days(caller, 17)
        world.finance.refund(us, [world.facts(us).lines[0].id])
        await pass_days(caller, 1)
        new = await caller.data("GET", f"{F}/202501/orders/{us}/statement_transactions")
        quantities = [(row["sku_name"], row["quantity"]) for row in new["sku_transactions"]]
        assert sorted(quantity for _, quantity in quantities) == ["1", "1", "2"]
        assert len({row["statement_id"] for row in new["sku_transactions"]}) == 2
        assert all(name for name, _ in quantities)
        old = await caller.data("GET", f"{F}/202309/orders/{us}/statement_transactions")
        sale, refund = old["statement_transactions"]
        assert amount(sale, "settlement_amount") + amount(refund, "settlement_amount") == amount(
            new, "settlement_amount"
        )
        skus = sale["sku_statement_transactions"]
        assert sum(amount(row, "settlement_amount") for row in skus) == amount(sale, "settlement_amount")
        data = await caller.data("GET", f"{F}/202309/orders/{vn}/statement_transactions", shop=VN)
        assert data["statement_transactions"] == []
        data = await caller.data("GET", f"{F}/202501/orders/{vn}/statement_transactions", shop=VN)
        assert len(data["sku_transactions"]) == 1
        data = await caller.data("GET", f"{F}/202501/orders/{vn}/statement_transactions")
        assert data["sku_transactions"] == []  # not this shop's

    meet_money(test)


def test_the_older_shapes_have_exactly_the_keys_of_production():
    async def test(caller: Caller) -> None:
        statement = await one_statement(caller, 1, VN)
        assert set(statement) == set(VIETNAM["statement"])
        path = f"202309/statements/{statement['id']}/statement_transactions"
        (row,) = await listed(caller, path, "statement_transactions", BY_ORDER, VN)
        assert set(row) == set(VIETNAM["statement_transaction_202309"])
        (payment,) = await listed(caller, "202309/payments", "payments", BY_CREATION, VN)
        assert set(payment) == set(VIETNAM["payment"])

    meet_money(test)


# Faults


async def _first_rows(caller: Caller, statement: dict[str, Any]) -> list[dict[str, Any]]:
    return (await transactions(caller, statement["id"], US))[1]


async def unknown_fee(caller: Caller, statement: dict[str, Any]) -> None:
    rows = await check_statement(caller, statement, US)
    (struck,) = [row for row in rows if UNKNOWN_FEE in row["fee_tax_breakdown"]["fee"]]
    assert Decimal(struck["fee_tax_breakdown"]["fee"][UNKNOWN_FEE]) < 0


async def unknown_type(caller: Caller, statement: dict[str, Any]) -> None:
    types = [row["type"] for row in await check_statement(caller, statement, US)]
    assert types.count(UNKNOWN_TYPE) == 1


async def residual(caller: Caller, statement: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        await check_statement(caller, statement, US)
    fees = [
        row["fee_tax_breakdown"]["fee"]["referral_fee_amount"] for row in await _first_rows(caller, statement)
    ]
    assert fees.count("0") == 1
    settled = sum(amount(row, "settlement_amount") for row in await _first_rows(caller, statement))
    assert settled == amount(statement, "settlement_amount")


async def cent_off_transaction(caller: Caller, statement: dict[str, Any]) -> None:
    rows = await _first_rows(caller, statement)
    settled = sum(amount(row, "settlement_amount") for row in rows)
    assert settled - amount(statement, "settlement_amount") == Decimal("0.01")


async def cent_off_statement(caller: Caller, statement: dict[str, Any]) -> None:
    header, rows = await transactions(caller, statement["id"], US)
    (shown,) = await listed(caller, "202309/statements", "statements", BY_TIME, US)
    assert shown["settlement_amount"] == header["total_settlement_amount"]
    settled = sum(amount(row, "settlement_amount") for row in rows)
    assert amount(header, "total_settlement_amount") - settled == Decimal("0.01")


async def missing_page(caller: Caller, statement: dict[str, Any]) -> None:
    header, rows = await transactions(caller, statement["id"], US, "2")
    assert (header["total_count"], len(rows)) == (5, 2)


async def moving_pages(caller: Caller, statement: dict[str, Any]) -> None:
    header, rows = await transactions(caller, statement["id"], US, "3")
    assert header["total_count"] == len(rows) == 5
    assert len({row["id"] for row in rows}) == 4


async def blank_zeros(caller: Caller, statement: dict[str, Any]) -> None:
    rows = await check_statement(caller, statement, US)
    assert rows[0]["adjustment_amount"] == "0 "


async def duplicate_statement(caller: Caller, statement: dict[str, Any]) -> None:
    rows = await listed(caller, "202309/statements", "statements", BY_TIME, US)
    assert [row["id"] for row in rows] == [statement["id"]] * 2


async def late_rows(caller: Caller, statement: dict[str, Any]) -> None:
    header, rows = await transactions(caller, statement["id"], US)
    assert header["total_count"] == len(rows) == 3
    assert sum(amount(row, "settlement_amount") for row in rows) < amount(header, "total_settlement_amount")


@pytest.mark.parametrize(
    "seen",
    [
        unknown_fee,
        unknown_type,
        residual,
        cent_off_transaction,
        cent_off_statement,
        missing_page,
        moving_pages,
        blank_zeros,
        duplicate_statement,
        late_rows,
    ],
)
def test_a_statement_can_be_shown_wrongly_and_heals(
    seen: Callable[[Caller, dict[str, Any]], Awaitable[None]],
):
    async def test(caller: Caller) -> None:
        statement = await one_statement(caller)
        caller.world.finance.spoil(seen.__name__, statement["id"])
        await seen(caller, statement)
        caller.world.finance.heal(seen.__name__, statement["id"])
        assert await check_shop(caller, US)

    meet_money(test)


def test_a_payment_can_be_a_cent_off_for_a_while():
    async def test(caller: Caller) -> None:
        await one_statement(caller)
        (right,) = await listed(caller, "202605/payments", "payments", BY_CREATION, US)
        caller.world.finance.spoil(StatementFault.cent_off_payment, right["id"], for_s=3_600)
        (wrong,) = await listed(caller, "202605/payments", "payments", BY_CREATION, US)
        assert amount(wrong["amount"], "value") - amount(right["amount"], "value") == Decimal("0.01")
        caller.world.advance(3_601)
        assert await listed(caller, "202605/payments", "payments", BY_CREATION, US) == [right]

    meet_money(test)


def test_a_shop_may_be_answered_in_one_version_only():
    async def test(caller: Caller) -> None:
        statement = await one_statement(caller)
        new = f"{F}/202501/statements/{statement['id']}/statement_transactions"
        old = f"{F}/202309/statements/{statement['id']}/statement_transactions"
        finance = caller.world.finance
        finance.spoil(StatementFault.only_202309, "us")
        assert await caller.code("GET", new, BY_ORDER) == 36009014
        assert await caller.code("GET", f"{F}/202605/payments", BY_CREATION) == 36009014
        assert await caller.code("GET", old, BY_ORDER) == 0
        assert await caller.code("GET", f"{F}/202605/payments", BY_CREATION, shop=UK) == 0
        finance.heal()
        finance.spoil(StatementFault.without_202309, "us")
        assert await caller.code("GET", old, BY_ORDER) == 36009014
        assert await caller.code("GET", f"{F}/202309/payments", BY_CREATION) == 36009014
        assert await caller.code("GET", new, BY_ORDER) == 0

    meet_money(test)
