"""Returns, credits, payments, journals and deposits over HTTP, as the written samples send them."""

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.money_documents import BANK, CLEARING, FEES, Sale, balance, take
from tests.sandbox.netsuite_account import RECORDS, Caller, account, error_of, fields_of
from tiktok_ns_pipeline.sandbox.books import Books

Json = dict[str, Any]


def sent(caller: Caller, method: str, path: str, body: Json) -> str:
    """What a write that must succeed made; its id."""
    answer = caller.call(method, RECORDS + path, body)
    assert answer.status_code == 204, answer.text
    return answer.headers["Location"].rsplit("/", 1)[1]


def payout(**changes: Any) -> Json:
    lines = [
        {"account": {"id": BANK}, "debit": 912.4, "memo": "Payout"},
        {"account": {"id": FEES}, "debit": 87.6, "memo": "Referral fee", "department": {"id": "1"}},
        {"account": {"id": CLEARING}, "credit": 1000.0, "memo": "Clear marketplace receivable"},
    ]
    return {
        "subsidiary": {"id": "1"},
        "currency": {"id": "1"},
        "exchangeRate": 1.0,
        "tranDate": "2026-05-31",
        "approved": True,
        "line": {"items": lines},
        **changes,
    }


def test_a_return_from_the_order_to_the_paid_credit() -> None:
    sale = Sale()
    caller = Caller(sale.books).log_in()
    wish = {"orderStatus": {"id": "B"}, "memo": "Customer return"}
    lines = {"item": {"items": [{"orderLine": 1, "quantity": 1}]}}
    made = sent(caller, "POST", f"/salesOrder/{sale.order}/!transform/returnAuthorization", wish | lines)
    goods = {"orderLine": 1, "itemReceive": True, "quantity": 1, "location": {"id": "6"}, "restock": True}
    receipt = {"item": {"items": [goods]}, "externalId": "TTS-RCPT-1"}
    sent(caller, "POST", f"/returnAuthorization/{made}/!transform/itemReceipt", receipt)
    credit = sent(
        caller, "POST", "/returnAuthorization/" + made + "/!transform/creditMemo", {"externalId": "C1"}
    )
    refund = {
        "customer": {"id": sale.customer},
        "account": {"id": CLEARING},
        "paymentOption": {"id": "7"},
        "apply": {"items": [{"doc": {"id": credit}, "line": 0, "apply": True, "amount": 10.0}]},
    }
    sent(caller, "POST", "/customerRefund", refund)
    shown = caller.get("/creditMemo/eid:c1?expandSubResources=true").json()
    assert shown["status"] == {"id": "B", "refName": "Fully Applied"}
    assert (shown["total"], shown["amountRemaining"]) == (10.0, 0)
    assert caller.get(f"/returnAuthorization/{made}").json()["status"]["refName"] == "Refunded"


def test_an_invoice_is_paid_and_a_refund_made_alone_by_upsert() -> None:
    sale = Sale()
    caller = Caller(sale.books).log_in()
    element = {"doc": {"id": sale.bill}, "line": 0, "apply": True, "amount": 30.0}
    body = {"undepFunds": {"id": "false"}, "account": {"id": CLEARING}, "apply": {"items": [element]}}
    paid = sent(caller, "POST", f"/invoice/{sale.bill}/!transform/customerPayment", body)
    [line] = caller.get(f"/customerPayment/{paid}?expandSubResources=true").json()["apply"]["items"]
    assert (line["doc"]["id"], line["amount"], line["line"]) == (sale.bill, 30.0, 0)
    item = {"item": {"id": "907"}, "quantity": 1, "rate": 10.0}
    memo = {"entity": {"id": sale.customer}, "otherRefNum": "5764", "item": {"items": [item]}}
    made = sent(caller, "PUT", "/creditMemo/eid:TTS-CM-3", memo)
    assert sent(caller, "PUT", "/creditMemo/eid:TTS-CM-3", {"memo": "again"}) == made
    assert fields_of(sale.books, "creditMemo", made)["amountRemaining"] == 10


def test_a_cash_refund_names_the_lines_of_its_cash_sale() -> None:
    sale = Sale(bill="cashSale")
    body = {"account": {"id": CLEARING}, "item": {"items": [{"line": 1, "quantity": 1}]}}
    sent(Caller(sale.books).log_in(), "POST", f"/cashSale/{sale.bill}/!transform/cashRefund", body)
    assert balance(sale.books, CLEARING) == 20


def test_a_payout_as_a_journal_and_as_a_deposit() -> None:
    books = account()
    caller = Caller(books).log_in()
    made = sent(caller, "PUT", "/journalEntry/eid:TTS-SETTLE-1", payout())
    shown = caller.get(f"/journalEntry/{made}?expandSubResources=true").json()
    assert (shown["approvalStatus"], shown["postingPeriod"]["refName"]) == (
        {"id": "2", "refName": "Approved"},
        "May 2026",
    )
    assert [one["line"] for one in shown["line"]["items"]] == [1, 2, 3]
    other = {"items": [{"account": {"id": CLEARING}, "amount": 912.4, "refNum": "3458"}]}
    sent(caller, "PUT", "/deposit/eid:TTS-DEP-1", {"account": {"id": BANK}, "other": other})
    assert balance(books, CLEARING) == -1000 - books.record("deposit", "eid:tts-dep-1").get("total")


@pytest.mark.parametrize("shut", [False, True])
def test_refusals_are_worded_as_the_product_words_them(shut: bool) -> None:
    books = account()
    body = payout()
    if shut:
        books.close_period("May 2026")
    else:
        body["line"]["items"][0]["debit"] = 912.41
    answer = Caller(books).log_in().call("POST", RECORDS + "/journalEntry", body)
    sentence = (
        "The transaction date you specified is not within the date range of your accounting period."
        if shut
        else "The amounts in a journal entry must balance."
    )
    assert answer.status_code == 400
    assert error_of(answer) == {
        "detail": f"Error while accessing a resource. {sentence}",
        "o:errorCode": "USER_ERROR",
    }


def test_an_account_that_was_kept_goes_on_where_it_was(tmp_path: Path) -> None:
    books = account(tmp_path)
    sale = Sale(books=books)
    made = sale.returned(take(1, 2))
    sale.credited("returnAuthorization", made, take(1, 1), apply={"items": [{"doc": {"id": sale.bill}}]})
    sale.paid("5")
    books.route_journals(False)
    books.refund_in_advance(False)
    books.close()
    again: Books = account(tmp_path)
    sale.books = again
    assert sale.open_amount() == 15
    sale.received(made)
    sale.credited("returnAuthorization", made)
    assert sale.status("returnAuthorization", made) == "G"
    sale.paid()
    lines = [{"account": {"id": BANK}, "debit": 1}, {"account": {"id": CLEARING}, "credit": 1}]
    journal = again.create("journalEntry", {"subsidiary": {"id": "1"}, "line": {"items": lines}}).id
    assert fields_of(again, "journalEntry", journal)["status"] == "B"
    assert balance(again, "119") == -10
