"""What stands on a clearing account is explained to the cent, or named, against the sandbox."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from tests.sandbox.money_documents import Sale
from tiktok_ns_pipeline.lake.tables import CLEARING_RECONCILIATION
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Reason
from tiktok_ns_pipeline.reconciliation.payouts.clearing_proof import prove_clearing

from .payout_bench import Paid, less, with_payouts

CENT = Decimal("0.01")


async def prove(paid: Paid) -> ClearingProof:
    proof = await prove_clearing([paid.sources], paid.lake, "run-1")
    assert proof.not_run is None, proof.statement
    assert sum(proof.balances.values()) == sum(item.amount for item in proof.items)
    return proof


def reasons(proof: ClearingProof) -> dict[tuple[Reason, str], Decimal]:
    return {(item.reason, item.subject): item.amount for item in proof.items}


def test_whatever_happens_to_orders_the_balance_is_the_list_of_reasons() -> None:
    async def test(paid: Paid) -> None:
        for body in (await paid.journals()).values():
            paid.post(body)
        sold = {order: one for order, one in paid.cleared.items() if one.sales > 2}
        unbilled, dearer, *_ = sold
        refunded = {order: one.refunds for order, one in sold.items() if one.refunds and order != unbilled}
        credited, *uncredited = refunded
        for order, one in sold.items():
            if order != unbilled:
                paid.bill(order, one.sales + (CENT if order == dearer else 0))
        paid.bill(credited, -refunded[credited], "cashRefund")
        paid.bill("5770000000000000001", Decimal(30))
        paid.bill("5770000000000000001", Decimal(4), "cashRefund")

        proof = await prove(paid)

        found = reasons(proof)
        assert found.pop((Reason.SETTLED_NOT_BILLED, unbilled)) == -sold[unbilled].sales
        found.pop((Reason.REFUND_NOT_CREDITED, unbilled), None)
        assert found.pop((Reason.DIFFERENCE, dearer)) == CENT
        assert found.pop((Reason.BILLED_NOT_SETTLED, "5770000000000000001")) == 30
        assert found.pop((Reason.CREDITED_NOT_SETTLED, "5770000000000000001")) == -4
        for order in uncredited:
            assert found.pop((Reason.REFUND_NOT_CREDITED, order)) == -refunded[order]
        assert found == {}
        assert proof.is_explained
        landed = paid.lake.current(CLEARING_RECONCILIATION, shop="us")
        assert Counter(row["reason"] for row in landed) == Counter(item.reason for item in proof.items)

    with_payouts(test, shop="us", days=30)


def test_what_nobody_can_account_for_is_named_with_its_transactions() -> None:
    async def test(paid: Paid) -> None:
        (payment, body), *others = (await paid.journals()).items()
        paid.post(less(body, "125", "0.01"))
        for _, other in others:
            paid.post(other)
        for order, one in paid.cleared.items():
            if one.total > 0:
                paid.bill(order, one.total)
        lines = [{"account": {"id": "125"}, "debit": 7}, {"account": {"id": "639"}, "credit": 7}]
        subsidiary = {"subsidiary": {"id": "1"}, "currency": {"id": "1"}, "approved": True}
        stray = paid.post({**subsidiary, "externalId": "stray", "line": {"items": lines}})

        proof = await prove(paid)

        number = paid.rig.books.get("journalEntry", stray)["tranId"]
        wrong = {(item.reason, item.subject): item.amount for item in proof.wrong}
        assert wrong.pop((Reason.NOBODYS, number)) == 7
        assert [abs(amount) for amount in wrong.values()] == [CENT]
        assert list(wrong) == [(Reason.PAYOUT_DIFFERS, payment)]
        assert not proof.is_explained
        assert "1 nobodys (7 USD)" in proof.statement

    with_payouts(test, shop="us", days=30)


def test_a_payment_stands_for_the_order_of_its_invoice_even_if_that_does_not_name_it() -> None:
    async def test(paid: Paid) -> None:
        order_id = "5770000000000000009"
        Sale(books=paid.rig.books, custbody_tts_order_id=order_id).paid("20")

        proof = await prove(paid)

        assert reasons(proof) == {(Reason.BILLED_NOT_SETTLED, order_id): Decimal(20)}
        assert proof.is_explained

    with_payouts(test, shop="us", days=0)
