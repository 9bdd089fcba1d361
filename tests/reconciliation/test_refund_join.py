"""The join of refunds with credits, as a specification: every row once, the verdicts exactly the seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.reconciliation.refunds.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.refunds.join import Terms, prove_refunds
from tiktok_ns_pipeline.reconciliation.refunds.model import Claim, Document, RefundProof, Row, Verdict

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TERMS = Terms(DAY, True, date(2026, 1, 1), NOON + timedelta(days=5), timedelta(days=1))

Case = tuple[list[Claim], list[Document]]


def claim(number: int, **changes: object) -> Claim:
    told = Claim(f"4{number:03}", f"5{number:03}", "COMPLETE", "refunded", Decimal(10), "USD", NOON)
    return replace(told, **changes)  # type: ignore[arg-type]


def bill(number: int) -> Document:
    return Document(f"1{number:03}", f"CS{number}", False, f"5{number:03}", None, Decimal(30), "USD", DAY)


def credit(number: int, **changes: object) -> Document:
    told = Document(
        f"2{number:03}", f"CR{number}", True, f"5{number:03}", f"4{number:03}", Decimal(10), "USD", DAY
    )
    return replace(told, **changes)  # type: ignore[arg-type]


DRIFTS: dict[str, tuple[Callable[[int], Case], Verdict | None, str]] = {
    "right": (lambda n: ([claim(n)], [bill(n), credit(n)]), Verdict.MATCHED, "4"),
    "by hand": (lambda n: ([claim(n)], [bill(n), credit(n, claim_id=None)]), Verdict.MATCHED, "4"),
    "unbilled": (lambda n: ([claim(n)], []), Verdict.NOT_EXPECTED, "4"),
    "free": (lambda n: ([claim(n, refunded=Decimal(0))], [bill(n)]), Verdict.NOT_EXPECTED, "4"),
    "young": (
        lambda n: ([claim(n, changed_at=TERMS.now)], [bill(n)]),
        Verdict.WAITING_WITHIN_GRACE,
        "4",
    ),
    "missing": (lambda n: ([claim(n)], [bill(n)]), Verdict.CREDIT_MISSING, "4"),
    "strange": (lambda n: ([claim(n, state="unknown")], [bill(n)]), Verdict.CANNOT_BE_CHECKED, "4"),
    "twice": (
        lambda n: ([claim(n)], [bill(n), credit(n), credit(n, netsuite_id=f"3{n:03}")]),
        Verdict.CREDITED_TWICE,
        "4",
    ),
    "too much": (
        lambda n: ([claim(n)], [bill(n), credit(n, total=Decimal("30.01"))]),
        Verdict.CREDITED_BEYOND_BILLED,
        "4",
    ),
    "taken back": (
        lambda n: ([claim(n, state="ended")], [bill(n), credit(n)]),
        Verdict.CREDIT_WITHOUT_REFUND,
        "2",
    ),
    "nobody's": (
        lambda n: ([], [bill(n), credit(n, claim_id=None)]),
        Verdict.CREDIT_WITHOUT_REFUND,
        "2",
    ),
    "another day's": (lambda n: ([], [bill(n), credit(n, dated=DAY - timedelta(days=1))]), None, ""),
    "under way": (lambda n: ([claim(n, state="open")], [bill(n)]), None, ""),
}
BENIGN = {Verdict.MATCHED, Verdict.NOT_EXPECTED, Verdict.WAITING_WITHIN_GRACE, None}


def prove(claims: list[Claim], documents: list[Document], terms: Terms = TERMS) -> list[Row]:
    return prove_refunds(claims, documents, terms, of_day={one.id for one in claims})


@given(st.lists(st.sampled_from(sorted(DRIFTS)), min_size=1, max_size=10))
def test_the_verdicts_are_exactly_the_seeded_ones_and_each_row_is_used_once(seeded: list[str]) -> None:
    cases = [DRIFTS[drift][0](number) for number, drift in enumerate(seeded)]

    rows = prove([one for claims, _ in cases for one in claims], [one for _, docs in cases for one in docs])

    expected = {
        f"{DRIFTS[drift][2]}{number:03}": DRIFTS[drift][1]
        for number, drift in enumerate(seeded)
        if DRIFTS[drift][1] is not None
    }
    assert {row.subject: row.verdict for row in rows} == expected
    assert len(rows) == len(expected)
    proof = RefundProof(tuple(rows), NOON, NOON)
    named = [name for check in CHECKS for name in check(proof).names]
    assert sorted(named) == sorted(name for name, verdict in expected.items() if verdict not in BENIGN)


def test_two_refunds_of_an_order_take_a_credit_each_by_amount() -> None:
    first, second = claim(1), claim(1, id="4999", refunded=Decimal(7))
    small = credit(1, netsuite_id="1", tran_id="SMALL", claim_id=None, total=Decimal(7))
    large = credit(1, netsuite_id="2", tran_id="LARGE", claim_id=None)

    rows = prove([first, second], [bill(1), small, large])

    assert {row.subject: row.documents for row in rows} == {first.id: ("LARGE",), second.id: ("SMALL",)}


def test_a_shop_that_posts_no_refunds_expects_no_credits() -> None:
    [row] = prove([claim(1)], [bill(1)], replace(TERMS, expects_credits=False))

    assert (row.verdict, row.note) == (Verdict.NOT_EXPECTED, "the shop's refunds are not posted")
