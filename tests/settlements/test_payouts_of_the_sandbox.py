"""What the sandbox's TikTok pays is booked as it really was: every payment, by the role of every account."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tests.orders.order_builder import sandbox_mapping
from tests.sandbox.finance_calls import BY_CREATION, BY_ORDER, BY_TIME, SHOPS, listed, meet_money, pass_days
from tests.sandbox.finance_calls import transactions as newer_transactions
from tests.sandbox.tiktok_caller import Caller
from tests.settlements.payouts import BANK, CLEARING, GROUPS, RESERVE, RESIDUAL, Raw, booked
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits, StatementFault
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.settlements.booking import FeeMap, StatementBook, StatementSums
from tiktok_ns_pipeline.settlements.footing import Unfooted
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked, Posting
from tiktok_ns_pipeline.settlements.shapes import read_payment, read_statement, read_transaction

ROLES = {
    "bank": (BANK,),
    "clearing": (CLEARING,),
    "reserve": (RESERVE,),
    "fees": ("631", "632", "634"),
    "taxes": ("636",),
    "shipping": ("633",),
    "adjustments": ("637",),
}
LIVELY = SettlementHabits(
    refunded=0.3,
    adjusted=0.4,
    reserved=0.4,
    statement_late=0.0,
    odd_adjustments=0.5,
    payout_currency={"uk": "USD"},
)


def mapping() -> Mapping:
    """The sandbox's mapping, with accounts by role for all its shops."""
    document = sandbox_mapping().model_dump()
    for shop in document["shops"].values():
        shop["billing"] = {"policy": "none"}
        shop["settlement"] = {
            "policy": "post",
            "clearing_account_id": CLEARING,
            "bank_account_id": BANK,
            "reserve_account_id": RESERVE,
        }
    adjustments = dict.fromkeys(("platform_adjustments", "logistics_adjustments", "other_adjustments"), "637")
    document["settlements"] = {"groups": {**GROUPS, **adjustments}, "residual": RESIDUAL}
    return Mapping.model_validate(document)


async def read(caller: Caller, shop: Any, statement: Raw, version: str) -> tuple[Raw, list[Raw]]:
    if version == "202501":
        return await newer_transactions(caller, statement["id"], shop)
    path = f"202309/statements/{statement['id']}/statement_transactions"
    head = await caller.data("GET", f"/finance/{path}", {**BY_ORDER, "page_size": "100"}, shop=shop)
    return head, await listed(caller, path, "statement_transactions", BY_ORDER, shop)


async def book_shop(
    caller: Caller, shop: Any, decisions: Mapping, version: str
) -> dict[str, BookedPayout | NotBooked]:
    """Every payment that arrived, booked from TikTok's answers alone."""
    ours = decisions.shops[shop.key]
    fees = FeeMap(decisions, ours)
    sums: dict[str, list[StatementSums | Unfooted]] = defaultdict(list)

    def bills_shipping(order_id: str) -> bool:
        return caller.world.found(order_id).facts.by_seller

    for statement in await listed(caller, "202309/statements", "statements", BY_TIME, shop):
        head, rows = await read(caller, shop, statement, version)
        one = read_statement(ours.code, ours.region, statement, head)
        book = StatementBook(one, fees, bills_shipping)
        for row in rows:
            book.add(read_transaction(row, local=one.local))
        sums[one.payment_id].append(book.close())
    results: dict[str, BookedPayout | NotBooked] = {}
    for raw in await listed(
        caller, f"{'202605' if version == '202501' else version}/payments", "payments", BY_CREATION, shop
    ):
        payment = read_payment(ours.code, raw)
        if payment.is_paid:
            posting = Posting(fees, payment.currency, lambda day: day)
            results[payment.id] = posting.book(payment, sums[payment.id])
    return results


def roles_of(payout: BookedPayout) -> dict[str, Decimal]:
    (journal,) = payout.journals
    return {
        role: sum((journal.on_account(account) for account in accounts), Decimal(0))
        for role, accounts in ROLES.items()
    }


@pytest.mark.parametrize("version", ["202501", "202309"])
def test_every_payment_is_booked_as_it_really_was(version: str) -> None:
    async def test(caller: Caller) -> None:
        caller.world.draw_orders(40)
        await pass_days(caller, 34)
        truth = caller.world.finance.truth()
        made = {key for key, one in truth.payments.items() if one.payment.status == "PAID"}
        results: dict[str, BookedPayout] = {}
        for shop in SHOPS:
            own = await book_shop(caller, shop, mapping(), version)
            results |= {key: booked(one) for key, one in own.items()}
        assert results.keys() == made and len(made) > 8
        for key, payout in results.items():
            true = truth.payments[key]
            roles = roles_of(payout)
            cleared = {one: settled.total for one, settled in payout.orders.items() if settled.total}
            if version == "202501":
                assert roles == true.roles, true.payment.shop
                assert cleared == {one: amount for one, amount in true.cleared.items() if amount}
                assert payout.residuals == ()
            else:
                # What 202309 has no key for is in the rest, and nothing is lost (T 7.4 no. 8).
                assert (roles["bank"], roles["reserve"]) == (true.roles["bank"], true.roles["reserve"])
                assert payout.journals[0].on_account(RESIDUAL) == sum(true.roles.values()) - sum(
                    roles.values()
                )

    meet_money(test, mix=Mix(settles=True, settlement=LIVELY), seed=11)


FAULTS = {
    StatementFault.unknown_fee: "unmapped_fee",
    StatementFault.unknown_type: "unmapped_adjustment",
    StatementFault.cent_off_transaction: "statement_does_not_add_up",
    StatementFault.cent_off_statement: "statement_does_not_add_up",
    StatementFault.cent_off_payment: "payout_differs",
    StatementFault.blank_zeros: None,
    StatementFault.residual: "unexplained_residual",
}


def test_what_is_shown_wrongly_stops_its_payout_alone() -> None:
    async def test(caller: Caller) -> None:
        caller.world.draw_orders(40)
        await pass_days(caller, 34)
        truth, (us, *_) = caller.world.finance.truth(), SHOPS
        silent = mapping().model_copy(
            update={"settlements": mapping().settlements.model_copy(update={"residual": None})}
        )
        good = await book_shop(caller, us, silent, "202501")
        key = max(good, key=lambda one: len(truth.payments[one].transactions))
        (statement_id, *_) = truth.payments[key].statements
        for fault, kind in FAULTS.items():
            subject = key if fault is StatementFault.cent_off_payment else statement_id
            caller.world.finance.spoil(fault, subject)
            found = await book_shop(caller, us, silent, "202501")
            caller.world.finance.heal()
            one = found.pop(key)
            kinds = {problem.kind for problem in one.problems} if isinstance(one, NotBooked) else {None}
            assert kind in kinds, fault
            for other, payout in found.items():
                assert booked(payout).journals == booked(good[other]).journals

    meet_money(test, mix=Mix(settles=True, settlement=LIVELY), seed=12)
