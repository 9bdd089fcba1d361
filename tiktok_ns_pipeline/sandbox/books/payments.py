"""Customer payments, customer refunds and bank deposits: money that moves (N 5.6, 5.7, 5.9).

A payment takes what a customer owes from an account, or waits in undeposited funds for a deposit. A
customer refund pays credit memos out. A deposit moves undeposited payments and other amounts into a
bank account: total = payments + other - cash back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books import applying
from tiktok_ns_pipeline.sandbox.books.billing import RECEIVABLE_ACCOUNT
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_lines
from tiktok_ns_pipeline.sandbox.books.orders import check_account, check_subsidiary, numbered, party
from tiktok_ns_pipeline.sandbox.books.store import Record

PAYMENT = record_type("customerPayment")
REFUND = record_type("customerRefund")
DEPOSIT = record_type("deposit")
MONEY = frozenset({PAYMENT, REFUND})
"""Types of records that `saved_money` makes."""

_ZERO = Decimal(0)
_HOLDS_MONEY = frozenset({"Bank", "OthCurrAsset", "CredCard"})
"""Types of accounts that money is paid into or out of (N 6 no. 3)."""
_PAYABLE = {PAYMENT: applying.INVOICE, REFUND: applying.CREDIT_MEMO}
# Header fields that a payment takes over from the invoice that it pays.
_INHERITED = ("subsidiary", "currency", "location", "department", "class")
# Types that can wait in undeposited funds.
_DEPOSITABLE = {"cashSale", "customerPayment"}


def paid(desk: Desk, invoice: Record, given: Mapping[str, Any]) -> tuple[Record, list[Record]]:
    """A payment of an invoice, by default of all that is open, and the invoices after it."""
    if invoice.get("status") != "A":
        raise refused(f"You can not initialize {PAYMENT.path}: invalid reference {invoice.id}.")
    inherited = {name: invoice.get(name) for name in _INHERITED if invoice.get(name) is not None}
    body = {**inherited, "customer": invoice.get("entity"), "arAcct": invoice.get("account"), **given}
    body.setdefault("apply", [{"doc": invoice.id, "amount": given.get("payment")}])
    return saved_money(desk, PAYMENT, None, body)


def saved_money(
    desk: Desk, kind: RecordType, old: Record | None, given: Mapping[str, Any]
) -> tuple[Record, list[Record]]:
    """A customer payment or refund after a create or a change, and what it clears. Raises BookError."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    for name in ("credit", "deposit"):
        if given.get(name):
            raise refused(f"The sublist {name} is not taken here; apply credits by the credit memo.")
    if not body.get("customer"):
        raise missing("Customer")
    body["entity"] = body["customer"]
    party(desk, body, old and old.with_fields(entity=old.get("customer")))
    del body["entity"]
    _take_account(kind, body)
    check_account(desk, body, body.get("account"), "account")
    if body.get("account") and desk.the("account", body["account"]).get("acctType") not in _HOLDS_MONEY:
        raise invalid_value(body["account"], "account", "account")
    if kind is REFUND and not (body.get("paymentOption") or body.get("paymentMethod")):
        raise missing("Payment Option")
    body.setdefault("arAcct", RECEIVABLE_ACCOUNT)
    if old is not None and old.get("_deposited"):
        raise refused("This transaction has been deposited and cannot be changed.")
    changes_money = old is None or not given.keys() <= {"memo"}
    if old is not None and changes_money:
        desk.check_open(old)
    room: Decimal | None = body.get("payment") if kind is PAYMENT else None
    elements: list[Line] = list(given.get("apply") or ())
    if kind is PAYMENT and given.get("autoApply") and room is not None:
        elements = [*elements, *_oldest(desk, body, room, elements)]
    result = applying.applied(desk, old, body, elements, target=_PAYABLE[kind], room=room)
    if room is None:
        room = result.amount
    room = desk.setting(body["currency"], body["subsidiary"]).rounded(room)
    if room <= 0:
        raise refused("The amount of this transaction must be greater than zero.")
    body["apply"] = result.lines
    body["total"] = room
    if kind is PAYMENT:
        body.update(payment=room, applied=result.amount, unapplied=room - result.amount)
        body["status"] = "C" if body.get("account") else "B"
    body.pop("autoApply", None)
    if changes_money:
        body["postingPeriod"] = desk.posting_period(body, given, receivable=True)
    return numbered(desk, kind, old, body), result.cleared


def _take_account(kind: RecordType, body: dict[str, Any]) -> None:
    if kind is PAYMENT and body.get("undepFunds") == "true":
        if body.get("account"):
            raise refused("A payment is deposited to an account or to undeposited funds, not to both.")
    elif not body.get("account"):
        raise missing("Account")


def _oldest(desk: Desk, body: Mapping[str, Any], room: Decimal, given: list[Line]) -> list[Line]:
    """The customer's oldest open invoices that the payment still reaches."""
    named = {one.get("doc") for one in given}
    found: list[Line] = []
    rest = room - sum((one.get("amount") or _ZERO for one in given), _ZERO)
    for element in applying.open_invoices(desk, body, body["customer"]):
        if rest <= 0:
            break
        if element["doc"] not in named:
            found.append(element)
            rest -= desk.the("transaction", element["doc"]).get("amountRemaining")
    return found


def saved_deposit(
    desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str]
) -> tuple[Record, list[Record]]:
    """A bank deposit after a create or a change, and the payments that it takes. Raises BookError."""
    body = merged_header(DEPOSIT.schema, old.fields if old else {}, given)
    account = desk.the("account", body["account"]) if body.get("account") else None
    if account is None:
        raise missing("Account")
    if account.get("acctType") != "Bank":
        raise invalid_value(account.id, "account", "account")
    if not body.get("subsidiary"):
        body["subsidiary"] = _only(account.get("subsidiary"))
    base = desk.the("subsidiary", body["subsidiary"]).get("currency")
    # The bank's currency is the deposit's (N 5.9).
    currency = account.get("currency") or base
    if body.setdefault("currency", currency) != currency:
        raise invalid_value(body["currency"], "currency", "currency")
    check_account(desk, body, account.id, "account")
    body.setdefault("tranDate", desk.today())
    if old is not None and "exchangeRate" in given and given["exchangeRate"] != old.get("exchangeRate"):
        raise refused("The exchange rate of a deposit can be set on create only.")
    body.setdefault("exchangeRate", desk.exchange_rate(currency, body["subsidiary"]))
    if old is not None:
        desk.check_open(old)
    body["postingPeriod"] = desk.posting_period(body, given)
    for name in ("other", "cashback"):
        body[name] = _amounts(desk, body, old, given, name, replace)
    body["payment"], taken = _payments(desk, body, old, given.get("payment"))
    total = sum((one["paymentAmount"] for one in body["payment"]), _ZERO)
    total += sum((one["amount"] for one in body["other"]), _ZERO)
    total -= sum((one["amount"] for one in body["cashback"]), _ZERO)
    if not (body["payment"] or body["other"]):
        raise refused("You must have at least one valid line item for this transaction.")
    if total < 0:
        raise refused("The total of a deposit cannot be negative.")
    body["total"] = total
    return numbered(desk, DEPOSIT, old, body), taken


def undeposited(desk: Desk, deposit: Record) -> list[Record]:
    """The payments of a deposit, once it is gone."""
    return [_with_deposit(desk.the("transaction", str(one["id"])), None) for one in deposit.lines("payment")]


def _amounts(
    desk: Desk,
    body: Mapping[str, Any],
    old: Record | None,
    given: Mapping[str, Any],
    name: str,
    replace: frozenset[str],
) -> list[Line]:
    schema = catalogue().schemas["depositOther" if name == "other" else "depositCashBack"]
    before = [{**line, "line": str(line["line"])} for line in (old.lines(name) if old else ())]
    lines = merged_lines(
        schema, before, given.get(name) or [], replace=name in replace, last_number=len(before), path=name
    ).lines
    setting = desk.setting(body["currency"], body["subsidiary"])
    for index, line in enumerate(lines):
        path = f"{name}.items[{index}]"
        if not line.get("account") or line.get("amount") is None:
            raise missing(f"{'Other Deposits' if name == 'other' else 'Cash Back'} list: Account, Amount")
        check_account(desk, body, line["account"], f"{path}.account")
        for segment in ("department", "class", "location"):
            check_subsidiary(desk, body["subsidiary"], segment, line.get(segment), f"{path}.{segment}")
        line["amount"] = setting.rounded(line["amount"])
        line["line"] = index + 1 if name == "other" else str(index + 1)
    return lines


def _payments(
    desk: Desk, body: Mapping[str, Any], old: Record | None, given: Any
) -> tuple[list[Line], list[Record]]:
    """The undeposited payments that a deposit takes, and the records after it."""
    before = {str(line["id"]) for line in (old.lines("payment") if old else ())}
    wanted = dict.fromkeys(sorted(before))
    for index, element in enumerate(given or ()):
        identifier = str(element.get("id"))
        record = desk.find("transaction", identifier)
        is_open = record is not None and (
            record.type.name in _DEPOSITABLE
            and record.get("status") == "B"
            and record.get("currency") == body["currency"]
            and record.get("subsidiary") == body["subsidiary"]
        )
        if not is_open and identifier not in before:
            raise invalid_value(identifier, "id", f"payment.items[{index}].id")
        if element.get("deposit", True):
            wanted[identifier] = None
        else:
            wanted.pop(identifier, None)
    lines: list[Line] = []
    for identifier in wanted:
        record = desk.the("transaction", identifier)
        lines.append(
            {
                "id": int(identifier),
                "deposit": True,
                "docNumber": record.get("tranId"),
                "type": record.type.label,
                "paymentAmount": record.get("total"),
            }
        )
    taken = [_with_deposit(desk.the("transaction", one), "C") for one in wanted]
    given_back = [_with_deposit(desk.the("transaction", one), None) for one in before - wanted.keys()]
    return lines, [*taken, *given_back]


def _with_deposit(record: Record, status: str | None) -> Record:
    return record.with_fields(status=status or "B", _deposited=status is not None)


def _only(subsidiaries: Sequence[str] | None) -> str:
    if subsidiaries is None or len(subsidiaries) != 1:
        raise missing("Subsidiary")
    return subsidiaries[0]
