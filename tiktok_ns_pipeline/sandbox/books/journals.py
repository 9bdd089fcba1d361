"""Journal entries: debits, credits, approval, periods (N 5.8).

The account routes journals through approval: one that is not `approved` waits and does not post.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import merged_header, merged_lines
from tiktok_ns_pipeline.sandbox.books.orders import check_subsidiary, numbered
from tiktok_ns_pipeline.sandbox.books.store import Record

JOURNAL = record_type("journalEntry")

_ZERO = Decimal(0)


def saved_journal(
    desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str] = frozenset()
) -> Record:
    """The journal after a create or a change. Raises BookError; commits nothing."""
    body = merged_header(JOURNAL.schema, old.fields if old else {}, given)
    if not body.get("subsidiary"):
        raise missing("Subsidiary")
    if old is not None:
        desk.period_of(old.get("tranDate"), must_be_open=True)
    body.setdefault("currency", desk.the("subsidiary", body["subsidiary"]).get("currency"))
    body.setdefault("tranDate", desk.today())
    body.setdefault("exchangeRate", desk.exchange_rate(body["currency"], body["subsidiary"]))
    body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=True)
    body["approved"] = bool(body.get("approved"))
    body["approvalStatus"] = "2" if body["approved"] else "1"
    body["status"] = "B" if body["approved"] else "A"
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
    return numbered(desk, JOURNAL, old, body)


def _balanced(desk: Desk, body: Mapping[str, Any]) -> None:
    setting = desk.setting(body["currency"], body["subsidiary"])
    if len(body["line"]) < 2:
        raise refused("A journal entry must have at least two lines.")
    sums = {"debit": _ZERO, "credit": _ZERO}
    for index, line in enumerate(body["line"]):
        path = f"line.items[{index}]"
        if not line.get("account"):
            raise missing("Account")
        account = desk.the("account", line["account"])
        check_subsidiary(desk, body["subsidiary"], "account", account.id, f"{path}.account")
        if account.get("acctType") in {"AcctRec", "AcctPay"} and not line.get("entity"):
            raise refused("An accounts receivable or payable line must have an entity.")
        sides = [name for name in sums if line.get(name) is not None]
        # A zero on the opposite side is refused as well (N 5.8).
        if len(sides) != 1:
            raise invalid_value(line.get("credit"), "credit", f"{path}.credit")
        line[sides[0]] = setting.rounded(line[sides[0]])
        sums[sides[0]] += line[sides[0]]
    if sums["debit"] != sums["credit"]:
        raise refused("The amounts in a journal entry must balance.")
