"""The join of payments with documents and with the bank, as a specification: every row once, sums exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.reconciliation.payouts.bank import BankFileError, read_bank_lines
from tiktok_ns_pipeline.reconciliation.payouts.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.payouts.join import Terms, match_bank, prove_bank, prove_payouts
from tiktok_ns_pipeline.reconciliation.payouts.model import (
    Accounts,
    BankLine,
    PaidOut,
    PayoutDocument,
    PayoutProof,
    Row,
    Settlement,
    Verdict,
)

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ACCOUNTS = Accounts(bank="128", clearing="125", reserve="140")
TERMS = Terms(DAY, ACCOUNTS, "USD", date(2026, 1, 1), NOON + timedelta(days=5), timedelta(days=1))
WINDOW = timedelta(days=7)
CENT = Decimal("0.01")

amounts = st.decimals(Decimal("0.01"), Decimal("9999.99"), places=2)


def settlement(number: int, cleared: Decimal, fee: Decimal, *, reserve: Decimal = Decimal(0)) -> Settlement:
    return Settlement(
        id=f"340000000000000{number:04}",
        day=DAY - timedelta(days=3),
        currency="USD",
        payment_id=payment_id(number),
        settlement=cleared - fee,
        reserve=reserve,
        accounts={"125": -cleared, "631": fee},
    )


def payment_id(number: int) -> str:
    return f"360000000000000{number:04}"


def payment(one: Settlement, **changes: object) -> PaidOut:
    net = one.settlement + (one.reserve or 0)
    told = PaidOut(one.payment_id, "PAID", NOON, NOON, net, "USD", "USD", one.settlement, None, net)
    return replace(told, **changes)  # type: ignore[arg-type]


def document(one: Settlement, **changes: object) -> PayoutDocument:
    net = one.settlement + (one.reserve or Decimal(0))
    accounts = dict(one.accounts) | {"128": net, "140": -(one.reserve or Decimal(0))}
    told = PayoutDocument(
        netsuite_id=one.id[-4:],
        tran_id=f"JE{one.id[-4:]}",
        external_id=f"tts-us-je-{one.payment_id}",
        dated=DAY,
        currency="USD",
        accounts={account: amount for account, amount in accounts.items() if amount},
        names=frozenset({one.payment_id}),
    )
    return replace(told, **changes)  # type: ignore[arg-type]


def prove(*cases: tuple[Settlement, list[PaidOut], list[PayoutDocument]]) -> list[Row]:
    return prove_payouts(
        [one for _, payments, _ in cases for one in payments],
        [one for one, payments, _ in cases if payments],
        [one for _, _, documents in cases for one in documents],
        TERMS,
    )


def a_cent_off(one: Settlement) -> tuple[list[PaidOut], list[PayoutDocument]]:
    accounts = document(one).accounts
    moved = {**accounts, "631": accounts.get("631", Decimal(0)) + CENT, "128": accounts["128"] - CENT}
    return [payment(one)], [document(one, accounts=moved)]


def twice(one: Settlement) -> tuple[list[PaidOut], list[PayoutDocument]]:
    by_hand = document(one, netsuite_id="9" + one.id[-4:], external_id=None, names=frozenset[str]())
    return [payment(one)], [document(one), by_hand]


DRIFTS = {
    "right": (lambda one: ([payment(one)], [document(one)]), Verdict.MATCHED),
    "missing": (lambda one: ([payment(one)], []), Verdict.JOURNAL_MISSING),
    "young": (
        lambda one: ([payment(one, paid_at=TERMS.now - timedelta(hours=2))], []),
        Verdict.WAITING_WITHIN_GRACE,
    ),
    "cent": (a_cent_off, Verdict.AMOUNT_DIFFERS),
    "twice": (twice, Verdict.DOUBLED),
    "alone": (lambda one: ([], [document(one)]), Verdict.JOURNAL_WITHOUT_PAYMENT),
    "short": (
        lambda one: ([payment(one, amount=payment(one).amount - CENT)], []),  # type: ignore[operator]
        Verdict.DOES_NOT_FOOT,
    ),
    "failed": (lambda one: ([payment(one, status="FAILED", paid_at=None)], []), Verdict.NOT_PAID),
    "pending": (
        lambda one: ([payment(one)], [document(one, posts=False)]),
        Verdict.NOT_POSTED,
    ),
}
BENIGN = {Verdict.MATCHED, Verdict.WAITING_WITHIN_GRACE, Verdict.NOT_PAID}


@given(
    st.lists(
        st.tuples(amounts, amounts, st.sampled_from(["0", "-3.00", "2.50"]), st.sampled_from(sorted(DRIFTS))),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[0],
    )
)
def test_the_verdicts_are_exactly_the_seeded_ones_and_each_row_is_used_once(
    seeded: list[tuple[Decimal, Decimal, str, str]],
) -> None:
    # Nets are far apart, so that none can be taken for another by its amount.
    cases = []
    for number, (cleared, fee, reserve, drift) in enumerate(seeded, start=1):
        one = settlement(number, cleared + 100_000 * number, fee, reserve=Decimal(reserve))
        cases.append((one, *DRIFTS[drift][0](one)))

    rows = prove(*cases)

    subjects = {
        (one.payment_id if payments else f"tts-us-je-{one.payment_id}"): DRIFTS[drift][1]
        for (one, payments, _), (*_, drift) in zip(cases, seeded, strict=True)
    }
    assert {row.subject: row.verdict for row in rows} == subjects
    used = [name for row in rows for name in row.documents]
    assert sorted(used) == sorted(one.name for *_, documents in cases for one in documents)
    proof = PayoutProof(tuple(rows), NOON, NOON)
    named = [name for check in CHECKS for name in check(proof).names]
    assert sorted(named) == sorted(name for name, verdict in subjects.items() if verdict not in BENIGN)
    posted = sum((row.posted or Decimal(0) for row in rows), Decimal(0))
    assert posted == sum((one.accounts["128"] for *_, documents in cases for one in documents), Decimal(0))


def test_documents_that_divide_a_payment_between_them_count_together() -> None:
    one = settlement(1, Decimal(100), Decimal(8))
    booked = document(one, names=frozenset({one.id}), accounts={"125": Decimal(-8), "631": Decimal(8)})
    moved = document(one, netsuite_id="2", accounts={"125": Decimal(-92), "128": Decimal(92)})

    [row] = prove((one, [payment(one)], [booked, moved]))

    assert (row.verdict, row.posted) == (Verdict.MATCHED, Decimal(92))


def test_what_differs_is_named_by_account_and_role_with_its_amount() -> None:
    one = settlement(1, Decimal(100), Decimal(8))
    off = {**document(one).accounts, "125": Decimal(-90), "631": Decimal(-2)}

    [row] = prove((one, [payment(one)], [document(one, accounts=off)]))

    assert row.verdict is Verdict.AMOUNT_DIFFERS
    assert [(line.role, line.posted - line.expected) for line in row.differences] == [
        ("clearing", Decimal(10)),
        ("", Decimal(-10)),
    ]
    assert "account clearing (125): -90 instead of -100, +10" in row.note


def test_a_converted_payout_arrives_at_tiktoks_rate_rounded_half_up() -> None:
    one = settlement(1, Decimal("100.01"), Decimal(8))
    rate = Decimal("0.8125")
    arrives = Decimal("74.76")  # 92.01 * 0.8125 = 74.758125
    right = payment(one, amount=arrives, currency="GBP", exchange_rate=rate)
    off = replace(right, amount=arrives + CENT)

    assert [row.verdict for row in prove((one, [right], [document(one)]))] == [Verdict.MATCHED]
    assert [row.verdict for row in prove((one, [off], [document(one)]))] == [Verdict.DOES_NOT_FOOT]


bank_days = st.integers(0, 25).map(lambda days: DAY + timedelta(days=days))


@given(
    st.lists(st.tuples(bank_days, st.sampled_from(["5.00", "7.00"])), max_size=7),
    st.lists(st.tuples(bank_days, st.sampled_from(["5.00", "7.00"])), max_size=7),
)
def test_the_bank_is_matched_one_to_one_by_amount_and_window(
    paid: list[tuple[date, str]], lines: list[tuple[date, str]]
) -> None:
    payments = [
        PaidOut(
            payment_id(n), "PAID", NOON, datetime.combine(day, NOON.time(), UTC), Decimal(amount), "USD", None
        )
        for n, (day, amount) in enumerate(paid)
    ]
    statement = [BankLine(n, day, Decimal(amount), "USD", "") for n, (day, amount) in enumerate(lines)]

    pairs = match_bank(payments, statement, WINDOW)

    taken = [line.number for line in pairs.values()]
    assert len(set(taken)) == len(taken)
    for one in payments:
        line = pairs.get(one.id)
        fits = [each for each in statement if each.amount == one.amount and _near(one, each)]
        if line is None:
            assert {each.number for each in fits} <= set(taken)
        else:
            assert line in fits
    rows = prove_bank(payments, statement, DAY, window=WINDOW, now=NOON + timedelta(days=90))
    orphans = {each.number for each in statement if each.dated == DAY} - set(taken)
    assert len(rows) == len(payments) + len(orphans)


def _near(one: PaidOut, line: BankLine) -> bool:
    assert one.paid_at is not None
    return abs(line.dated - one.paid_at.date()) <= WINDOW


OFX_1 = """OFXHEADER:100
DATA:OFXSGML

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>USD
<BANKTRANLIST>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261104120000[-5:EST]<TRNAMT>92.01<FITID>A1<NAME>TIKTOK &amp; CO
<MEMO>payout 3600</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"""
OFX_2 = """<?xml version="1.0"?><?OFX OFXHEADER="200"?>
<OFX><STMTRS><CURDEF>USD</CURDEF><BANKTRANLIST><STMTTRN><DTPOSTED>20261104</DTPOSTED>
<TRNAMT>92.01</TRNAMT><FITID>A1</FITID><NAME>TIKTOK &amp; CO</NAME><MEMO>payout 3600</MEMO></STMTTRN>
</BANKTRANLIST></STMTRS></OFX>"""
CSV = "Reference, Date, Currency, Amount\nTIKTOK & CO payout 3600 A1, 2026-11-04, usd, 92.01\n,,,\n"


@pytest.mark.parametrize("text", [OFX_1, OFX_2, CSV])
def test_a_banks_file_is_read_whatever_its_form(text: str) -> None:
    [line] = read_bank_lines(text)

    assert (line.dated, line.amount, line.currency) == (date(2026, 11, 4), Decimal("92.01"), "USD")
    assert line.reference == "TIKTOK & CO payout 3600 A1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date,amount,currency\n", "no column reference"),
        ("date,amount,currency,reference\n04.11.2026,1.00,USD,x\n", "line 2 of the bank file has the date"),
        ("date,amount,currency,reference\n2026-11-04,1.000,00,USD\n", "the currency '00'"),
        ('date,amount,currency,reference\n2026-11-04,"1,00",USD,x\n', "the amount '1,00'"),
        ("<OFX></OFX>", "no bank statement"),
    ],
)
def test_a_banks_file_that_cannot_be_read_whole_is_refused(text: str, told: str) -> None:
    with pytest.raises(BankFileError, match=told):
        read_bank_lines(text)
