"""The endpoints of finance (T 7.1): statements, their transactions, payments, wallets, what is unsettled.

Lists are oldest first, need their one `sort_field` and are empty, never refused, where nothing settled.
Faults of statements are in `settling_faults`; those that concern pages are acted out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from tiktok_ns_pipeline.sandbox import settling_old_shapes as old_shapes
from tiktok_ns_pipeline.sandbox import settling_shapes as shapes
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts
from tiktok_ns_pipeline.sandbox.order_store import Order
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.settling_faults import Row, Spoils, row_of, spoiled_row, with_blanks
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.settling_skus import SkuPart, by_sku
from tiktok_ns_pipeline.sandbox.statements import FAILED, ORDER, PAID, PROCESSING, Statement, Transaction
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call, one_of, page_size_of
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route

_Row = TypeVar("_Row")

_ALWAYS = 2**40
_UNSETTLED_SINCE = 1_735_689_600
"""2025-01-01: what was created before is not told (T 7.1)."""
_MOVEMENTS = ("WITHDRAW", "SETTLE", "TRANSFER", "REVERSE")
_OLD_VERSION = Refusal(36009014, "This version of the API is not valid.", 400)
_NO_STATEMENT = Refusal(36009004, "The statement_id is not one of this shop's.", 400)


def statements(desks: Desks, call: Call) -> str:
    """A page of the list of statements."""
    ascending = _sorting(call, "statement_time")
    since, until = _bounds(call, "statement_time")
    status = call.query.get("payment_status") or None
    if status is not None:
        one_of("payment_status", status, (PAID, PROCESSING, FAILED))
    finance, spoils = desks.world.finance, _spoils(desks)
    found = finance.store.shown_statements(
        call.shop.key, since, until, status, desks.world.epoch(), ascending=ascending
    )
    found = [
        one
        for one in found
        for _ in range(2 if spoils.strikes(StatementFault.duplicate_statement, one.id) else 1)
    ]
    rows, token = _page(desks, call, found, ("statements", since, until, status, ascending))
    shown = [_statement_row(desks, one, spoils) for one in rows]
    return json.dumps({"statements": shown, "next_page_token": token})


def statement_transactions(desks: Desks, call: Call) -> str:
    """A page of a statement's transactions, 202501."""
    _refuse_if(desks, call, StatementFault.only_202309)
    return _transactions(desks, call, "transactions", old=False)


def old_statement_transactions(desks: Desks, call: Call) -> str:
    """A page of a statement's transactions, 202309."""
    _refuse_if(desks, call, StatementFault.without_202309)
    return _transactions(desks, call, "statement_transactions", old=True)


def order_transactions(desks: Desks, call: Call) -> str:
    """What an order has settled so far, by SKU, 202501."""
    _refuse_if(desks, call, StatementFault.only_202309)
    order = _order(desks, call)
    if order is None:
        return json.dumps({"order_id": call.path_values["order_id"], "sku_transactions": []})
    facts = order.facts
    found = [(part, statement) for _, parts, statement in _settled(desks, facts) for part in parts]
    rows = [
        shapes.sku_row(
            part.amounts,
            statement,
            {"sku_id": part.sku_id, **_names(order, part.sku_id), "quantity": str(part.quantity)},
        )
        for part, statement in found
    ]
    header = shapes.order_header(
        facts.order_id, facts.placed_at, facts.currency, [part.amounts for part, _ in found]
    )
    return json.dumps({**header, "sku_transactions": rows, "total_count": len(rows)})


def old_order_transactions(desks: Desks, call: Call) -> str:
    """What an order of the US or UK has settled so far, 202309; elsewhere nothing is told."""
    _refuse_if(desks, call, StatementFault.without_202309)
    order = _order(desks, call)
    if order is None or call.shop.region not in {"US", "GB"}:
        return json.dumps({"order_id": call.path_values["order_id"], "statement_transactions": []})
    rows = [
        {
            **old_shapes.old_amounts(one.amounts, one.amounts, one.shop),
            "id": one.id,
            "status": "SETTLED",
            "statement_id": statement.id,
            "statement_time": statement.statement_time,
            "sku_statement_transactions": [_old_sku(order, one.shop, part) for part in parts],
        }
        for one, parts, statement in _settled(desks, order.facts)
    ]
    return json.dumps(
        {
            "order_id": order.facts.order_id,
            "order_create_time": order.facts.placed_at,
            "statement_transactions": rows,
        }
    )


def payments(desks: Desks, call: Call) -> str:
    """A page of the list of payments, 202605."""
    _refuse_if(desks, call, StatementFault.only_202309)
    return _payments(desks, call, reduced=True)


def old_payments(desks: Desks, call: Call) -> str:
    """A page of the list of payments, 202309."""
    _refuse_if(desks, call, StatementFault.without_202309)
    return _payments(desks, call, reduced=False)


def withdrawals(desks: Desks, call: Call) -> str:
    """A page of what moved in the shop's wallet."""
    given = ",".join(value for name, value in call.pairs if name == "types")
    types = tuple(filter(None, (one.strip() for one in given.split(","))))
    if not types:
        raise Refusal(36009004, "types is a required field", 400)
    for one in types:
        one_of("types", one, _MOVEMENTS)
    since, until = _bounds(call, "create_time")
    found = desks.world.finance.purse.withdrawals(call.shop.key, types, since, until)
    rows, token = _page(desks, call, found, ("withdrawals", types, since, until))
    shown = [shapes.withdrawal_row(one) for one in rows]
    return json.dumps({"withdrawals": shown, "next_page_token": token, "total_count": len(found)})


def unsettled(desks: Desks, call: Call) -> str:
    """A page of what has not settled, with the sums over all of it, 202507."""
    ascending = _sorting(call, "order_create_time")
    since, until = _bounds(call, "search_time")
    since = max(since, _UNSETTLED_SINCE)
    store, shop = desks.world.finance.store, call.shop.key
    totals, count = store.unsettled_totals(shop, since, until)
    wanted, size = ("unsettled", shop, since, until, ascending), _size(call)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    found = store.unsettled(shop, since, until, ascending=ascending, offset=offset, limit=size)
    end = offset + len(found)
    return json.dumps(
        {
            **shapes.unsettled_sums(totals),
            "total_count": count,
            "next_page_token": desks.pages.token(end, wanted) if found and end < count else "",
            "transactions": [shapes.unsettled_row(one) for one in found],
        }
    )


# Within


def _transactions(desks: Desks, call: Call, name: str, *, old: bool) -> str:
    ascending = _sorting(call, "order_create_time")
    store, spoils = desks.world.finance.store, _spoils(desks)
    statement = store.statement(call.path_values["statement_id"])
    if statement is None or statement.shop != call.shop.key or statement.visible_from > desks.world.epoch():
        raise _NO_STATEMENT
    count, wanted = store.count_of_statement(statement.number), (name, statement.id, ascending)
    there = count
    if spoils.strikes(StatementFault.late_rows, statement.id):
        there = count = (count + 1) // 2
    size = _size(call)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    if spoils.strikes(StatementFault.missing_page, statement.id):
        there = min(there, size)
    start = offset - 1 if offset and spoils.strikes(StatementFault.moving_pages, statement.id) else offset
    limit = max(0, min(size, there - offset))
    found = store.page_of_statement(statement.number, ascending=ascending, offset=start, limit=limit)
    end = offset + len(found)
    rows = _rows(desks, statement, found, spoils)
    off = spoils.off(StatementFault.cent_off_statement, statement.id, statement.currency)
    header = old_shapes.old_header(statement, off) if old else shapes.statement_header(statement, off)
    shown: Document = {
        **header,
        "total_count": count,
        "next_page_token": desks.pages.token(end, wanted) if found and end < there else "",
        name: [old_shapes.old_row(row) if old else shapes.transaction_row(row) for row in rows],
    }
    if spoils.strikes(StatementFault.blank_zeros, statement.id):
        shown = with_blanks(shown)
    return json.dumps(shown)


def _rows(desks: Desks, statement: Statement, found: Sequence[Transaction], spoils: Spoils) -> list[Row]:
    """The rows of a page; faults strike one row of the statement, always the same."""
    victim = desks.world.finance.store.first_sale(statement.number)
    return [spoiled_row(one, statement.id, spoils) if one.number == victim else row_of(one) for one in found]


def _settled(desks: Desks, facts: OrderFacts) -> list[tuple[Transaction, list[SkuPart], Statement]]:
    """The transactions of an order whose statements are shown, with their SKUs."""
    store, now = desks.world.finance.store, desks.world.epoch()
    settled: list[tuple[Transaction, list[SkuPart], Statement]] = []
    sales = [one for one in store.of_order(facts.order_id) if one.type == ORDER]
    for one in sales:
        if one.statement is not None:
            statement = store.statement_number(one.statement)
            if statement.visible_from <= now:
                parts = by_sku(facts, one, is_sale=one is sales[0])
                settled.append((one, parts, statement))
    return settled


def _payments(desks: Desks, call: Call, *, reduced: bool) -> str:
    ascending = _sorting(call, "create_time")
    since, until = _bounds(call, "create_time")
    found = desks.world.finance.purse.payments(call.shop.key, since, until, ascending=ascending)
    rows, token = _page(desks, call, found, ("payments", since, until, ascending))
    spoils = _spoils(desks)
    shown = [
        shapes.payment_row(
            one, spoils.off(StatementFault.cent_off_payment, one.id, call.shop.currency), reduced=reduced
        )
        for one in rows
    ]
    return json.dumps({"payments": shown, "next_page_token": token})


def _statement_row(desks: Desks, one: Statement, spoils: Spoils) -> Document:
    payment = None if one.payment is None else desks.world.finance.purse.payment_number(one.payment).id
    off = spoils.off(StatementFault.cent_off_statement, one.id, one.currency)
    row = shapes.statement_row(one, payment, off)
    return with_blanks(row) if spoils.strikes(StatementFault.blank_zeros, one.id) else row


def _old_sku(order: Order, shop: str, part: SkuPart) -> Document:
    return {
        **old_shapes.old_amounts(part.amounts, part.amounts, shop),
        "sku_id": part.sku_id,
        **_names(order, part.sku_id),
        "quantity": part.quantity,
    }


def _names(order: Order, sku_id: str) -> dict[str, str]:
    """What the order calls a SKU; nothing if what it shows is unreadable."""
    lines: Any = order.document.get("line_items")
    for line in lines if isinstance(lines, list) else ():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(line, dict) and line.get("sku_id") == sku_id:  # pyright: ignore[reportUnknownMemberType]
            return {name: str(line.get(name, "")) for name in ("sku_name", "product_name")}  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return {"sku_name": "", "product_name": ""}


def _order(desks: Desks, call: Call) -> Order | None:
    order = desks.world.store.order(call.path_values["order_id"])
    return None if order is None or order.facts.shop != call.shop.key else order


def _page(
    desks: Desks, call: Call, found: Sequence[_Row], wanted: tuple[Any, ...]
) -> tuple[Sequence[_Row], str]:
    """The rows of a page, and the token of the next one."""
    wanted, size = (call.shop.key, *wanted), _size(call)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    end = min(offset + size, len(found))
    return found[offset:end], desks.pages.token(end, wanted) if offset < end < len(found) else ""


def _size(call: Call) -> int:
    return page_size_of(call.query.get("page_size", "20"))


def _sorting(call: Call, field: str) -> bool:
    """Whether the list is wanted oldest first; its one sort field has to be named (T 7.1)."""
    given = call.query.get("sort_field")
    if not given:
        raise Refusal(36009004, "sort_field is a required field", 400)
    one_of("sort_field", given, (field,))
    return one_of("sort_order", call.query.get("sort_order") or "ASC", ("ASC", "DESC")) == "ASC"


def _bounds(call: Call, name: str) -> tuple[int, int]:
    """From when to before when, in Unix seconds (T 9.4 no. 6)."""
    return _time(call, f"{name}_ge", 0), _time(call, f"{name}_lt", _ALWAYS)


def _time(call: Call, name: str, otherwise: int) -> int:
    given = call.query.get(name)
    if given is None:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,12}", given):
        raise Refusal(36009004, f"param {name} type invalid, expected type:int64", 400)
    return int(given)


def _spoils(desks: Desks) -> Spoils:
    return Spoils(desks.world.finance.store.spoils(desks.world.epoch()))


def _refuse_if(desks: Desks, call: Call, kind: StatementFault) -> None:
    if _spoils(desks).strikes(kind, call.shop.key):
        raise _OLD_VERSION


_SCOPE = ("seller.finance.info", True)
_F = "/finance"
_OF_STATEMENT = "statements/{statement_id}/statement_transactions"
_OF_ORDER = "orders/{order_id}/statement_transactions"

ROUTES = (
    Route("GET", f"{_F}/202309/statements", *_SCOPE, statements),
    Route("GET", f"{_F}/202501/{_OF_STATEMENT}", *_SCOPE, statement_transactions),
    Route("GET", f"{_F}/202309/{_OF_STATEMENT}", *_SCOPE, old_statement_transactions),
    Route("GET", f"{_F}/202501/{_OF_ORDER}", *_SCOPE, order_transactions),
    Route("GET", f"{_F}/202309/{_OF_ORDER}", *_SCOPE, old_order_transactions),
    Route("GET", f"{_F}/202605/payments", *_SCOPE, payments),
    Route("GET", f"{_F}/202309/payments", *_SCOPE, old_payments),
    Route("GET", f"{_F}/202309/withdrawals", *_SCOPE, withdrawals),
    Route("GET", f"{_F}/202507/orders/unsettled", *_SCOPE, unsettled),
)
