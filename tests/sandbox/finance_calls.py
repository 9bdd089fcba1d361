"""Calls about money, and the footing of T 7.4 reckoned from answers alone."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.sandbox.tiktok_caller import SHOPS, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line, World

DAY = 86_400
F = "/finance"
BY_TIME = {"sort_field": "statement_time"}
BY_ORDER = {"sort_field": "order_create_time"}
BY_CREATION = {"sort_field": "create_time"}
SETTLES_AFTER_DAYS = {"us": 8, "uk": 7, "vn": 15}

Document = dict[str, Any]


def meet_money(test: Callable[[Caller], Any], **options: Any) -> None:
    """A caller of a server in whose world TikTok settles; it logs in when `pass_days` is over."""
    meet(test, log_in=False, **{"mix": Mix.plain(settles=True), **options})


async def log_in(caller: Caller) -> None:
    code = caller.server.tokens.fresh_code()
    answer = await caller.token_call("get", auth_code=code, grant_type="authorized_code")
    caller.token = answer["data"]["access_token"]


async def pass_days(caller: Caller, days: float) -> None:
    """Let so many days pass, day by day, and log in anew: tokens live for a week."""
    pass_by(caller.world, days)
    await log_in(caller)


def pass_by(world: World, days: float) -> None:
    """Let so many days pass, day by day."""
    for _ in range(int(days)):
        world.advance(DAY)
    world.advance(days % 1 * DAY)


def delivered(world: World, shop: str, *lines: Line | str, **options: Any) -> str:
    """An order that is delivered now."""
    order_id = world.place_order(shop, list(lines) or ["SKU-001"], **options)
    world.move_to(order_id, Status.delivered)
    return order_id


async def listed(caller: Caller, path: str, name: str, query: Document, shop: Any) -> list[Document]:
    """Every row of a list, page by page."""
    rows: list[Document] = []
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        data = await caller.data("GET", f"{F}/{path}", {"page_size": "100", **query, **more}, shop=shop)
        rows += data[name]
        token = data["next_page_token"]
        if not token:
            return rows


async def transactions(
    caller: Caller, statement_id: str, shop: Any, page_size: str = "7"
) -> tuple[Document, list[Document]]:
    """The header of a statement, and its rows from all pages (202501)."""
    path = f"202501/statements/{statement_id}/statement_transactions"
    query = {**BY_ORDER, "page_size": page_size}
    header = await caller.data("GET", f"{F}/{path}", query, shop=shop)
    return header, await listed(caller, path, "transactions", query, shop)


def amount(document: Document, *names: str) -> Decimal:
    """The sum of these amounts; what is not stated counts nothing."""
    return sum((Decimal((document.get(name) or "0").strip()) for name in names), Decimal(0))


def members(parts: Document, *without: str) -> Decimal:
    """The sum of the members that count."""
    return amount(parts, *(name for name, one in parts.items() if name not in without and type(one) is str))


def check_row(row: Document) -> None:
    """A transaction of an order is the sum of its parts, and they of theirs."""
    fees = row["fee_tax_breakdown"]
    shipping = members(row["shipping_cost_breakdown"], "tiktok_shop_shipping_incentive_amount")
    assert amount(row, "revenue_amount") == members(row["revenue_breakdown"])
    assert amount(row, "shipping_cost_amount") == shipping
    fee_tax = members(fees["fee"], "affiliate_commission_amount_before_pit") + members(fees["tax"])
    assert amount(row, "fee_tax_amount") == fee_tax
    check_sum(row)


def check_sum(row: Document) -> None:
    parts = ("revenue_amount", "shipping_cost_amount", "fee_tax_amount", "adjustment_amount")
    assert amount(row, "settlement_amount") == amount(row, *parts), row


async def check_statement(caller: Caller, statement: Document, shop: Any) -> list[Document]:
    """A statement foots on every level, in both versions; gives its rows."""
    header, rows = await transactions(caller, statement["id"], shop)
    assert header["create_time"] == statement["statement_time"]
    assert header["total_count"] == len(rows) == len({row["id"] for row in rows})
    for row in rows:
        check_row(row) if row["type"] == "ORDER" else check_sum(row)
    totals = header["total_settlement_breakdown"]
    for total, part in (
        ("total_revenue_amount", "revenue_amount"),
        ("total_shipping_cost_amount", "shipping_cost_amount"),
        ("total_fee_tax_amount", "fee_tax_amount"),
        ("total_adjustment_amount", "adjustment_amount"),
    ):
        assert amount(totals, total) == sum(amount(row, part) for row in rows)
    settled = sum(amount(row, "settlement_amount") for row in rows)
    assert members(totals) == settled == amount(header, "total_settlement_amount")
    assert settled == amount(statement, "settlement_amount")
    reserved = sum(amount(row, "reserve_amount") for row in rows)
    assert amount(header, "total_reserve_amount") == reserved
    assert amount(header, "payable_amount") == settled + reserved
    await _check_old(caller, statement, rows, shop)
    return rows


async def _check_old(caller: Caller, statement: Document, rows: list[Document], shop: Any) -> None:
    in_fees = statement["revenue_amount"] is not None
    parts = ["net_sales_amount", "fee_amount", "adjustment_amount"]
    shipping = [] if in_fees else ["shipping_cost_amount"]
    assert amount(statement, "settlement_amount") == amount(statement, *parts, *shipping)
    path = f"202309/statements/{statement['id']}/statement_transactions"
    old = await listed(caller, path, "statement_transactions", BY_ORDER, shop)
    assert [row["id"] for row in old] == [row["id"] for row in rows]
    for row, new in zip(old, rows, strict=True):
        assert row["settlement_amount"] == new["settlement_amount"]
        assert amount(row, "settlement_amount") == amount(row, *parts, *shipping)
        refunds = ("gross_sales_refund_amount", "seller_discount_refund_amount")
        sales = ("gross_sales_amount", "seller_discount_amount")
        if new["type"] == "ORDER":
            assert amount(row, "net_sales_amount") == amount(row, *sales, *refunds)


async def check_shop(caller: Caller, shop: Any) -> dict[str, list[Document]]:
    """Everything a shop is told foots; gives the rows by the id of their statement."""
    statements = await listed(caller, "202309/statements", "statements", BY_TIME, shop)
    days = [one["statement_time"] for one in statements]
    assert days == sorted(set(days))
    assert all(day % DAY == 0 for day in days)
    rows = {one["id"]: await check_statement(caller, one, shop) for one in statements}
    paid: dict[str, list[Document]] = defaultdict(list)
    for one in statements:
        if one.get("payment_id"):
            paid[one["payment_id"]].append(one)
    for payment in await listed(caller, "202309/payments", "payments", BY_CREATION, shop):
        _check_payment(payment, paid.pop(payment["id"], []), rows)
    assert not paid
    return rows


def _check_payment(payment: Document, statements: list[Document], rows: dict[str, list[Document]]) -> None:
    settled, reserved = (
        amount(payment["settlement_amount"], "value"),
        amount(payment["reserve_amount"], "value"),
    )
    before = amount(payment["payment_amount_before_exchange"], "value")
    assert before == settled + reserved > 0
    exact = before * Decimal(payment["exchange_rate"])
    assert abs(amount(payment["amount"], "value") - exact) <= Decimal("0.005")
    if payment["status"] == "FAILED":
        assert not statements
        return
    assert settled == sum(amount(one, "settlement_amount") for one in statements)
    assert reserved == sum(amount(row, "reserve_amount") for one in statements for row in rows[one["id"]])


__all__ = ["SHOPS"]
