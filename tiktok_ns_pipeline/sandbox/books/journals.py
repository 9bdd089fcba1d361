"""Journal entries: debits, credits, approval, periods (N 5.8).

Where the account routes journals through approval, one that is not `approved` waits and does not post.

Invariant: what is saved balances to the smallest unit of its currency, on accounts and for entities that
its subsidiary and currency have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import merged_header, merged_lines
from tiktok_ns_pipeline.sandbox.books.orders import check_account, check_subsidiary, numbered
from tiktok_ns_pipeline.sandbox.books.store import Record

JOURNAL = record_type("journalEntry")

MOST_LINES = 10_000
"""Lines of one journal."""

_ZERO = Decimal(0)
_NEVER_POSTED = {"NonPosting", "Stat"}


def saved_journal(
    desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str] = frozenset()
) -> Record:
    """The journal after a create or a change. Raises BookError; commits nothing."""
    body = merged_header(JOURNAL.schema, old.fields if old else {}, given)
    if not body.get("subsidiary"):
        raise missing("Subsidiary")
    if old is not None:
        for name in ("subsidiary", "currency"):
            if body.get(name) != old.get(name):
                raise refused("The subsidiary and the currency of a saved journal cannot be changed.")
        desk.open_month(old.get("postingPeriod"), receivable=_is_receivable(desk, old.lines("line")))
    body.setdefault("currency", desk.the("subsidiary", body["subsidiary"]).get("currency"))
    body.setdefault("tranDate", desk.today())
    body.setdefault("exchangeRate", desk.exchange_rate(body["currency"], body["subsidiary"]))
    _rated(desk, body)
    _approved(desk, body, given)
    merged = merged_lines(
        catalogue().schemas["journalLine"],
        list(old.lines("line")) if old else [],
        given.get("line") or [],
        replace="line" in replace and "line" in given,
        last_number=old.get("_lastLine") if old else 0,
        path="line",
    )
    body["line"], body["_lastLine"] = merged.lines, merged.last_number
    _balanced(desk, body)
    receivable = _is_receivable(desk, body["line"])
    body["postingPeriod"] = desk.posting_period(body, given, receivable=receivable)
    return numbered(desk, JOURNAL, old, body)


def _approved(desk: Desk, body: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Approval by either field; without routing every journal is approved at once."""
    if given.get("approvalStatus") and given.get("approved") is None:
        body["approved"] = given["approvalStatus"] == "2"
    if not desk.routes_journals:
        body["approved"] = True
    body["approved"] = bool(body.get("approved"))
    body["approvalStatus"] = "2" if body["approved"] else "1"
    body["status"] = "B" if body["approved"] else "A"


def _rated(desk: Desk, body: Mapping[str, Any]) -> None:
    rate: Decimal = body["exchangeRate"]
    is_base = desk.the("subsidiary", body["subsidiary"]).get("currency") == body["currency"]
    if rate <= 0 or (is_base and rate != 1):
        raise invalid_value(rate, "exchangeRate", "exchangeRate")


def _is_receivable(desk: Desk, lines: Iterable[Mapping[str, Any]]) -> bool:
    return any(desk.the("account", line["account"]).get("acctType") == "AcctRec" for line in lines)


def _balanced(desk: Desk, body: Mapping[str, Any]) -> None:
    setting = desk.setting(body["currency"], body["subsidiary"])
    if len(body["line"]) < 2:
        raise refused("A journal entry must have at least two lines.")
    if len(body["line"]) > MOST_LINES:
        raise refused(f"A journal entry can have at most {MOST_LINES} lines.")
    sums = {"debit": _ZERO, "credit": _ZERO}
    for index, line in enumerate(body["line"]):
        path = f"line.items[{index}]"
        _checked(desk, body, line, path)
        sides = [name for name in sums if line.get(name) is not None]
        # A zero on the opposite side is refused as well (N 5.8).
        if len(sides) != 1:
            raise invalid_value(line.get("credit"), "credit", f"{path}.credit")
        line[sides[0]] = setting.rounded(line[sides[0]])
        if not line[sides[0]]:
            raise invalid_value(line[sides[0]], sides[0], f"{path}.{sides[0]}")
        sums[sides[0]] += line[sides[0]]
    if sums["debit"] != sums["credit"]:
        raise refused("The amounts in a journal entry must balance.")


def _checked(desk: Desk, body: Mapping[str, Any], line: Mapping[str, Any], path: str) -> None:
    """Account, entity and segments of a line fit the journal."""
    if not line.get("account"):
        raise missing("Account")
    check_account(desk, body, line["account"], f"{path}.account")
    kind = desk.the("account", line["account"]).get("acctType")
    if kind in _NEVER_POSTED:
        raise invalid_value(line["account"], "account", f"{path}.account")
    entity = line.get("entity")
    if kind in {"AcctRec", "AcctPay"} and not entity:
        raise refused("An accounts receivable or payable line must have an entity.")
    if entity:
        _check_entity(desk, body, entity, f"{path}.entity")
    for name in ("department", "class", "location"):
        check_subsidiary(desk, body["subsidiary"], name, line.get(name), f"{path}.{name}")


def _check_entity(desk: Desk, body: Mapping[str, Any], identifier: str, path: str) -> None:
    """A customer must be of the journal's subsidiary and have its currency (N 5.8)."""
    entity = desk.the("entity", identifier)
    held = {entity.get("currency"), *(line["currency"] for line in entity.lines("currencyList"))}
    if entity.get("subsidiary") != body["subsidiary"] or body["currency"] not in held:
        raise invalid_value(identifier, "entity", path)
