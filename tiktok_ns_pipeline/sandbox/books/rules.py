"""Which rules make which record: saved by itself, made of another, deleted.

Each answers with the new record and the others that change with it, such as the order of a shipment or
the invoice that a payment clears. All raise `BookError` when a rule says no, and commit nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tiktok_ns_pipeline.sandbox.books import (
    applying,
    billing,
    credits,
    fulfilments,
    journals,
    masters,
    movements,
    orders,
    payments,
    returns,
)
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.errors import BookError, refused
from tiktok_ns_pipeline.sandbox.books.rows import posts
from tiktok_ns_pipeline.sandbox.books.store import Record

Made = tuple[Record, list[Record]]
"""A record and the others that change with it."""

_DEPENDENT = "This record cannot be deleted because it has dependent records."


def saved(
    desk: Desk, kind: RecordType, old: Record | None, given: dict[str, Any], replace: frozenset[str]
) -> Made:
    """A record after a create (`old` is None) or a change."""
    if kind in _SAVING:
        return _SAVING[kind](desk, kind, old, given, replace)
    if kind.is_transaction:
        needed = f"You need a higher level of the 'Transactions -> {kind.label}' permission"
        raise BookError(403, "INSUFFICIENT_PERMISSION", f"Permission Violation: {needed}.")
    return masters.saved_master(desk, kind, old, given, replace), []


def _fulfilment(
    desk: Desk, _: RecordType, old: Record | None, given: dict[str, Any], replace: frozenset[str]
) -> Made:
    if old is None:
        raise refused("An item fulfillment is made from a sales order only.")
    fulfilment, order = fulfilments.changed_fulfilment(desk, old, given, replace)
    return fulfilment, [order]


_Save = Callable[[Desk, RecordType, Record | None, dict[str, Any], frozenset[str]], Made]
_SAVING: dict[RecordType, _Save] = {
    orders.SALES_ORDER: lambda desk, _, old, given, replace: (
        orders.saved_order(desk, old, given, replace),
        [],
    ),
    journals.JOURNAL: lambda desk, _, old, given, replace: (
        journals.saved_journal(desk, old, given, replace),
        [],
    ),
    **dict.fromkeys(
        movements.SAVED,
        lambda desk, kind, old, given, replace: (
            movements.saved_movement(desk, kind, old, given, replace),
            [],
        ),
    ),
    **dict.fromkeys(
        billing.KINDS, lambda desk, kind, old, given, _: (billing.saved_bill(desk, kind, old, given), [])
    ),
    fulfilments.ITEM_FULFILLMENT: _fulfilment,
    returns.RETURN: lambda desk, _, old, given, replace: returns.saved_return(desk, old, given, replace),
    **dict.fromkeys(
        credits.KINDS, lambda desk, kind, old, given, _: credits.saved_credit(desk, kind, old, given)
    ),
    **dict.fromkeys(
        payments.MONEY, lambda desk, kind, old, given, _: payments.saved_money(desk, kind, old, given)
    ),
    payments.DEPOSIT: lambda desk, _, old, given, replace: payments.saved_deposit(desk, old, given, replace),
}


def followed(desk: Desk, source: Record, target: RecordType, given: Mapping[str, Any]) -> Made:
    """What is made of a record (N 2.8)."""
    if source.type is orders.SALES_ORDER and target is fulfilments.ITEM_FULFILLMENT:
        made, order = fulfilments.fulfilled(desk, source, given)
    elif source.type is orders.SALES_ORDER and target in billing.KINDS:
        made, order = billing.billed_order(desk, target, source, given)
    elif source.type in movements.ORDERED:
        made, order = movements.followed_up(desk, target, source, given)
    elif source.type in returns.SOLD and target is returns.RETURN:
        return returns.authorized(desk, source, given)
    elif source.type is returns.RETURN and target is returns.RECEIPT:
        return returns.received(desk, source, given)
    elif target in credits.KINDS:
        return credits.credited(desk, target, source, given)
    elif source.type is applying.INVOICE and target is payments.PAYMENT:
        return payments.paid(desk, source, given)
    else:
        raise refused(f"You can not initialize {target.path}: invalid reference {source.id}.")
    return made, [order]


def without(desk: Desk, record: Record) -> list[Record]:
    """The others once a record is deleted."""
    if record.type.is_transaction and desk.store.children(record.id):
        raise refused(_DEPENDENT)
    if record.type.group == "entity" and _has_transactions(desk, record):
        raise refused(_DEPENDENT)
    # What was paid, refunded or deposited of it by others keeps it.
    if record.get("_clearedBase") or record.get("_deposited"):
        raise refused(_DEPENDENT)
    if record.type.is_transaction and posts(record):
        desk.check_open(record)
    if record.type is payments.DEPOSIT:
        return payments.undeposited(desk, record)
    return applying.joined(_sources_without(desk, record), applying.released(desk, record))


def _sources_without(desk: Desk, record: Record) -> list[Record]:
    origin = record.get("createdFrom")
    if origin is None:
        return []
    source = desk.the("transaction", origin)
    if source.type in movements.ORDERED:
        return [movements.order_after(desk, source, record, -1)]
    if record.type is fulfilments.ITEM_FULFILLMENT:
        return [fulfilments.order_after(desk, source, record, None)]
    if record.type is returns.RECEIPT:
        return [returns.received_after(desk, source, record, -1)]
    if record.type in billing.KINDS:
        return [billing.order_after(desk, source, record, -1)]
    return returns.sources_after(desk, record, None)


def _has_transactions(desk: Desk, customer: Record) -> bool:
    return any(
        customer.id in {record.get("entity"), record.get("customer")}
        for kind in catalogue().types.values()
        if kind.is_transaction
        for record in desk.store.all(kind.path)
    )
