"""Credit memos and cash refunds: what a sale gives back (N 2.8, 5.7, 6 no. 6).

Made from a return authorization, from the invoice or cash sale, or alone, such as for money that is
given back without goods. A credit memo is owed to the customer until it is applied to invoices or paid
out by a customer refund; a cash refund has left its account at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiktok_ns_pipeline.sandbox.books import applying
from tiktok_ns_pipeline.sandbox.books.applying import CREDIT_MEMO
from tiktok_ns_pipeline.sandbox.books.billing import INHERITED, RECEIVABLE_ACCOUNT, price_alone
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import merged_header
from tiktok_ns_pipeline.sandbox.books.orders import check_account, numbered, party
from tiktok_ns_pipeline.sandbox.books.pricing import totalled
from tiktok_ns_pipeline.sandbox.books.returns import RETURN, sources_after, to_credit
from tiktok_ns_pipeline.sandbox.books.shares import BILLED, CREDITED, Left, left_of, parts, share_of, take_tax
from tiktok_ns_pipeline.sandbox.books.store import Record

CASH_REFUND = record_type("cashRefund")
KINDS = frozenset({CREDIT_MEMO, CASH_REFUND})
"""Types of records that give back."""

_SOURCES = {
    CREDIT_MEMO: {RETURN, record_type("invoice")},
    CASH_REFUND: {RETURN, record_type("cashSale")},
}
# States of a return authorization that nothing can be credited of.
_NOT_CREDITABLE = {"A", "C", "G", "H"}


def credited(
    desk: Desk, kind: RecordType, source: Record, given: Mapping[str, Any]
) -> tuple[Record, list[Record]]:
    """A credit memo or cash refund of a return or bill, and the others that it changes. Raises BookError."""
    is_return = source.type is RETURN
    if source.type not in _SOURCES[kind] or (is_return and source.get("status") in _NOT_CREDITABLE):
        raise refused(f"You can not initialize {kind.path}: invalid reference {source.id}.")
    inherited = {name: source.get(name) for name in INHERITED if source.get(name) is not None}
    if not is_return:
        inherited["account"] = source.get("account")
    body = merged_header(kind.schema, {k: v for k, v in inherited.items() if v is not None}, given)
    body["createdFrom"] = source.id
    body.setdefault("tranDate", desk.today())
    setting = desk.setting(body["currency"], body["subsidiary"])

    def left(line: dict[str, Any]) -> Left:
        if is_return:
            return left_of(BILLED, line, to_credit(desk, line))
        return left_of(CREDITED, line, share_of(line) - CREDITED.of(line))

    body["item"] = parts(setting, "credit", source.lines(), given.get("item") or (), left)
    take_tax(setting, source.lines("taxDetails"), body, given.get("taxDetails"))
    totalled(setting, body)
    applies = source.type is applying.INVOICE and given.get("autoApply") is not False
    default = [{"doc": source.id}] if applies and source.get("amountRemaining") else []
    return _booked(desk, kind, None, body, given, default)


def saved_credit(
    desk: Desk, kind: RecordType, old: Record | None, given: Mapping[str, Any]
) -> tuple[Record, list[Record]]:
    """A credit made alone, or one whose header or applications change. Raises BookError; commits nothing."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    if old is not None:
        if given.get("item"):
            raise refused("The lines of a saved credit cannot be changed here.")
        if not given.keys() <= {"apply", "memo"}:
            desk.check_open(old)
    party(desk, body, old)
    if old is None:
        price_alone(desk, kind, body, given)
    return _booked(desk, kind, old, body, given, [])


def _booked(
    desk: Desk,
    kind: RecordType,
    old: Record | None,
    body: dict[str, Any],
    given: Mapping[str, Any],
    default: list[dict[str, Any]],
) -> tuple[Record, list[Record]]:
    """Account, period and applications. A credit of an invoice is applied to it unless the body says how."""
    if body["total"] < 0:
        raise refused("The total of this transaction cannot be negative.")
    changed: list[Record] = []
    if kind is CREDIT_MEMO:
        body.setdefault("account", RECEIVABLE_ACCOUNT)
        changed = _apply(desk, old, body, given, default)
    elif not body.get("account"):
        raise missing("Account")
    check_account(desk, body, body["account"], "account")
    if old is None or "tranDate" in given or "postingPeriod" in given:
        body["postingPeriod"] = desk.posting_period(body, given, receivable=True)
    record = numbered(desk, kind, old, body)
    if old is not None:
        return record, changed
    # The invoice that a credit was made of is changed twice: by what was credited, and what it cleared.
    return record, applying.joined(sources_after(desk, None, record), changed)


def _apply(
    desk: Desk,
    old: Record | None,
    body: dict[str, Any],
    given: Mapping[str, Any],
    default: list[dict[str, Any]],
) -> list[Record]:
    wanted: Any = given.get("apply", default)
    room = body["total"] - body.get("_refunded", 0)
    if given.get("autoApply"):
        named = {one.get("doc") for one in wanted}
        wanted = [*wanted, *_as_far_as(desk, body, room, named)]
    result = applying.applied(
        desk,
        old,
        {**body, "arAcct": body["account"]},
        wanted or (),
        target=applying.INVOICE,
        room=room,
    )
    body["apply"] = result.lines
    body.pop("autoApply", None)
    applying.with_open_amount(body)
    return result.cleared


def _as_far_as(desk: Desk, body: dict[str, Any], room: Any, named: set[Any]) -> list[dict[str, Any]]:
    """The customer's oldest open invoices, as many as the credit pays at least in part."""
    found: list[dict[str, Any]] = []
    for element in applying.open_invoices(desk, body, body["entity"]):
        if room <= 0:
            break
        if element["doc"] not in named:
            found.append(element)
            room -= desk.the("transaction", element["doc"]).get("amountRemaining")
    return found
