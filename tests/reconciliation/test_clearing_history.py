"""A proof that reads what changed says what one says that reads everything, whatever happened between."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.sandbox.money_documents import Sale, journal, side
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Item
from tiktok_ns_pipeline.reconciliation.payouts.clearing_proof import prove_clearing

from .payout_bench import Paid, less, with_payouts

OTHER = "639"


class Accountants:
    """Book what they like on the clearing account, some of it right."""

    def __init__(self, paid: Paid, bodies: dict[str, dict[str, Any]], seed: int) -> None:
        self.paid = paid
        self.books = paid.rig.books
        self.bodies = list(bodies.values())
        self.chance = random.Random(seed)
        self.unbilled = [order for order, one in paid.cleared.items() if one.sales > 0]
        self.refunded = [order for order, one in paid.cleared.items() if one.refunds < 0]
        self.made: list[tuple[str, str]] = []

    def _day(self) -> str:
        """Today, or months ago."""
        today = self.paid.sources.clock.now().date()
        back = self.chance.choice((0, 0, 3, 40, 75))
        return (today - timedelta(days=back)).isoformat()

    def bill(self) -> None:
        if self.unbilled:
            order = self.unbilled.pop()
            amount = self.paid.cleared[order].sales + self.chance.choice((0, 0, 0, Decimal("0.01")))
            self._made("cashSale", self.paid.bill(order, amount, tranDate=self._day()))

    def bill_twice(self) -> None:
        order = self.chance.choice(list(self.paid.cleared))
        self._made("cashSale", self.paid.bill(order, Decimal(7), tranDate=self._day()))

    def credit(self) -> None:
        if self.refunded:
            order = self.refunded.pop()
            self._made("cashRefund", self.paid.bill(order, -self.paid.cleared[order].refunds, "cashRefund"))

    def pay(self) -> None:
        if self.bodies:
            body = self.bodies.pop()
            wrong = less(body, "125", "0.02") if self.chance.random() < 0.2 else body
            self._made("journalEntry", self.paid.post(wrong))

    def pay_an_invoice(self) -> None:
        Sale(books=self.books, custbody_tts_order_id=str(self.chance.randrange(10**18, 10**19))).paid("20")

    def book_by_hand(self) -> None:
        amount = str(self.chance.randrange(1, 900) / Decimal(100))
        body = journal(side("125", debit=amount), side(OTHER, credit=amount), tranDate=self._day())
        self._made("journalEntry", self.paid.post(body))

    def change_the_order(self) -> None:
        if sales := [one for one in self.made if one[0] == "cashSale"]:
            other = self.chance.choice(list(self.paid.cleared))
            self.books.patch(*self.chance.choice(sales), {"custbody_tts_order_id": other})

    def change_the_date(self) -> None:
        if self.made:
            self.books.patch(*self.chance.choice(self.made), {"tranDate": self._day()})

    def delete(self) -> None:
        if self.made:
            one = self.made.pop(self.chance.randrange(len(self.made)))
            self.books.delete(*one)

    def work(self, steps: int) -> None:
        deeds = (
            *(self.bill,) * 4,
            *(self.pay,) * 2,
            *(self.credit,) * 2,
            self.bill_twice,
            self.pay_an_invoice,
            self.book_by_hand,
            self.change_the_order,
            self.change_the_date,
            self.delete,
        )
        for _ in range(steps):
            self.chance.choice(deeds)()

    def _made(self, type_name: str, identifier: str) -> None:
        self.made.append((type_name, identifier))


def told(proof: ClearingProof) -> tuple[dict[str, Decimal], list[Item]]:
    assert proof.not_run is None, proof.statement
    return dict(proof.balances), sorted(proof.items, key=lambda item: (item.subject, item.reason))


def test_changes_and_everything_give_one_proof_over_any_history(tmp_path: Path) -> None:
    async def test(paid: Paid) -> None:
        accountants = Accountants(paid, await paid.journals(), seed=4)
        for step in range(6):
            accountants.work(9)
            paid.rig.clock.advance(3 * 3_600)
            changes = await prove_clearing([paid.sources], paid.lake, "run")
            fresh = Lake(str(tmp_path / str(step)), paid.sources.clock)
            everything = await prove_clearing([paid.sources], fresh, "run")
            assert told(changes) == told(everything)

    with_payouts(test, shop="us", days=24)


def test_what_is_known_is_not_asked_for_again_and_what_vanished_from_a_proven_month_is_found() -> None:
    async def test(paid: Paid) -> None:
        asked, clock = paid.rig.faults.asked, paid.rig.clock

        async def cost(*, whole: bool = False) -> tuple[int, int, ClearingProof]:
            clock.advance(6 * 3_600)
            before = asked["netsuite"], asked["tiktok"]
            proof = await prove_clearing([paid.sources], paid.lake, "run", whole=whole)
            return asked["netsuite"] - before[0], asked["tiktok"] - before[1], proof

        for body in (await paid.journals()).values():
            paid.post(body)
        for order, one in list(paid.cleared.items())[:8]:
            if one.sales > 0:
                paid.bill(order, one.sales)
        old = paid.bill("5770000000000000001", Decimal(30), tranDate="2026-03-02")
        first = await cost()
        again = await cost()
        assert told(again[2]) == told(first[2])
        # The changes, the balances; TikTok's list of statements, and none of their transactions.
        assert again[:2] == (2, 1) < first[:2]
        # Somebody deletes a document of a month that was proved: no change of a document tells of it.
        paid.rig.books.delete("cashSale", old)
        gone = await cost()
        assert sum(again[2].balances.values()) - sum(gone[2].balances.values()) == 30
        assert gone[2].is_explained
        assert "5770000000000000001" not in {item.subject for item in gone[2].items}
        assert (await cost(whole=True))[1] == first[1]
        # Once a week, all of it.
        clock.advance(7 * 86_400)
        assert (await cost())[1] >= first[1]

    with_payouts(test, shop="us", days=24)
