"""Whatever people do, the books balance, and nothing is credited, paid or refunded beyond what was billed."""

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.sandbox.money_documents import applies, british, items, ledger, take
from tests.sandbox.netsuite_account import account, customer, fields_of, line, order_body, select
from tiktok_ns_pipeline.sandbox.books import BookError, Books

# Subsidiary: its customer's sales are at this location, cleared by this account, deposited to this bank.
PLACES = {"1": ("6", "125", "128"), "2": ("9", "126", "129")}
BILLS = ("invoice", "cashSale")
CREDITS = ("creditMemo", "cashRefund")
SOME = st.integers(1, 3)
INDEX = st.integers(0, 20)
CENTS = st.decimals("0.01", "20", places=2)
_TRIAL_BALANCE = """
    SELECT t.subsidiary, t.posting, SUM(NVL(a.debit, 0) - NVL(a.credit, 0)) AS rest
    FROM transactionaccountingline a JOIN transaction t ON t.id = a.transaction
    GROUP BY t.subsidiary, t.posting
"""
_IN_CURRENCY = """
    SELECT t.subsidiary, t.currency, SUM(NVL(l.foreignamount, 0)) AS rest
    FROM transactionline l JOIN transaction t ON t.id = l.transaction
    WHERE l.iscogs = 'F' GROUP BY t.subsidiary, t.currency
"""
_RECEIVABLES = """
    SELECT t.subsidiary, SUM(NVL(a.debit, 0) - NVL(a.credit, 0)) AS owed
    FROM transactionaccountingline a JOIN transaction t ON t.id = a.transaction
    WHERE a.account = 119 AND a.posting = 'T' GROUP BY t.subsidiary
"""


def _taking(quantity: int | None, off: D | None) -> dict[str, Any]:
    """All that is left, or so many pieces, or that much of the discount."""
    lines = [] if quantity is None else [take(1, quantity)]
    return items(*lines, *([] if off is None else [take(3, amount=-off)]))


class Till(RuleBasedStateMachine):
    """Two subsidiaries that sell, take back, pay and are paid; refusals are part of life."""

    @initialize()
    def open(self) -> None:
        self.books: Books = account()
        self.buyers = {"1": customer(self.books), "2": customer(self.books, "2")}
        self.made: dict[str, list[str]] = {}

    @rule(
        where=st.sampled_from(list(PLACES)),
        quantity=SOME,
        price=CENTS,
        discount=st.none() | st.decimals("0.01", "4.99", places=2),
        item=st.sampled_from(["301", "350"]),
    )
    def sell(self, where: str, quantity: int, price: D, discount: D | None, item: str) -> None:
        lines = [line(item, quantity, None, amount=price, location={"id": PLACES[where][0]})]
        lines.append(line("901", 1, "4.99", location=None))
        if discount is not None:
            lines.append(line("902", None, -discount, location=None))
        self._make(
            "salesOrder", lambda: self.books.create("salesOrder", order_body(self.buyers[where], *lines)).id
        )

    @precondition(lambda self: self.made.get("salesOrder"))
    @rule(index=INDEX, quantity=SOME, whole=st.booleans())
    def ship(self, index: int, quantity: int, whole: bool) -> None:
        body = {"shipStatus": {"id": "C"}, **({} if whole else items(take(1, quantity)))}
        self._follow("salesOrder", index, "itemFulfillment", body)

    @precondition(lambda self: self.made.get("itemFulfillment"))
    @rule(index=INDEX, kind=st.sampled_from(BILLS), quantity=st.none() | SOME)
    def bill(self, index: int, kind: str, quantity: int | None) -> None:
        body = {} if quantity is None else items(take(1, quantity))
        self._follow("salesOrder", index, kind, {**body, **self._into(kind, "salesOrder", index)})

    @precondition(lambda self: self.made.get("itemFulfillment"))
    @rule(
        source=st.sampled_from(["salesOrder", *BILLS]),
        index=INDEX,
        quantity=st.none() | SOME,
        off=st.none() | CENTS,
    )
    def authorize(self, source: str, index: int, quantity: int | None, off: D | None) -> None:
        body = _taking(quantity, off)
        self._follow(source, index, "returnAuthorization", {**body, "orderStatus": {"id": "B"}})

    @precondition(lambda self: self.made.get("returnAuthorization"))
    @rule(index=INDEX, quantity=SOME, restock=st.booleans())
    def receive(self, index: int, quantity: int, restock: bool) -> None:
        body = items(take(1, quantity, restock=restock))
        self._follow("returnAuthorization", index, "itemReceipt", body)

    @precondition(lambda self: self.made.get("returnAuthorization"))
    @rule(index=INDEX, closed=st.booleans())
    def close(self, index: int, closed: bool) -> None:
        chosen = self._chosen("returnAuthorization", index)
        body = items({"line": 1, "isClosed": closed})
        self._try(lambda: self.books.patch("returnAuthorization", chosen, body))

    @precondition(lambda self: any(self.made.get(one) for one in ("returnAuthorization", *BILLS)))
    @rule(
        source=st.sampled_from(["returnAuthorization", *BILLS]),
        index=INDEX,
        kind=st.sampled_from(CREDITS),
        quantity=st.none() | SOME,
        off=st.none() | CENTS,
    )
    def credit(self, source: str, index: int, kind: str, quantity: int | None, off: D | None) -> None:
        body = _taking(quantity, off)
        self._follow(source, index, kind, {**body, **self._into(kind, source, index)})

    @precondition(lambda self: self.made.get("creditMemo") and self.made.get("invoice"))
    @rule(index=INDEX, other=INDEX, amount=st.none() | CENTS)
    def apply(self, index: int, other: int, amount: D | None) -> None:
        body = applies({self._chosen("invoice", other): None if amount is None else str(amount)})
        chosen = self._chosen("creditMemo", index)
        self._try(lambda: self.books.patch("creditMemo", chosen, body))

    @precondition(lambda self: self.made.get("invoice"))
    @rule(index=INDEX, amount=st.none() | CENTS, more=st.sampled_from(["0", "1.50"]), waits=st.booleans())
    def pay(self, index: int, amount: D | None, more: str, waits: bool) -> None:
        chosen = self._chosen("invoice", index)
        body = {} if waits else self._into("cashSale", "invoice", index)
        if waits:
            body["undepFunds"] = {"id": "true"}
        if amount is not None:
            body |= {**applies({chosen: str(amount)}), "payment": amount + D(more)}
        self._follow("invoice", index, "customerPayment", body)

    @precondition(lambda self: self.made.get("creditMemo"))
    @rule(index=INDEX, amount=st.none() | CENTS)
    def refund(self, index: int, amount: D | None) -> None:
        memo = self.books.record("creditMemo", self._chosen("creditMemo", index))
        body = applies({memo.id: None if amount is None else str(amount)})
        body |= {
            "customer": {"id": memo.get("entity")},
            "account": {"id": PLACES[memo.get("subsidiary")][1]},
            "paymentOption": {"id": "7"},
        }
        self._make("customerRefund", lambda: self.books.create("customerRefund", body).id)

    @precondition(lambda self: self.made.get("customerPayment"))
    @rule(index=INDEX, cleared=CENTS)
    def deposit(self, index: int, cleared: D) -> None:
        payment = self.books.record("customerPayment", self._chosen("customerPayment", index))
        _, clearing, bank = PLACES[payment.get("subsidiary")]
        body = {
            "account": {"id": bank},
            "payment": {"items": [{"id": int(payment.id), "deposit": True}]},
            "other": {"items": [{"account": {"id": clearing}, "amount": cleared}]},
            "cashback": {"items": [{"account": {"id": "631"}, "amount": D("0.01")}]},
        }
        self._make("deposit", lambda: self.books.create("deposit", body).id)

    @precondition(lambda self: any(self.made.values()))
    @rule(index=INDEX, data=st.data())
    def delete(self, index: int, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from([one for one, made in self.made.items() if made]))
        chosen = self._chosen(kind, index)

        def act() -> None:
            self.books.delete(kind, chosen)
            self.made[kind].remove(chosen)

        self._try(act)

    @invariant()
    def the_trial_balance_is_zero_in_base_currency(self) -> None:
        assert {D(row["rest"]) for row in select(self.books, _TRIAL_BALANCE)} <= {D(0)}

    @invariant()
    def every_currency_balances_in_itself(self) -> None:
        # Sums of queries are binary floats.
        assert all(abs(D(row["rest"])) < D("1e-6") for row in select(self.books, _IN_CURRENCY))

    @invariant()
    def nothing_is_credited_beyond_what_was_billed(self) -> None:
        for order_id in self.made.get("salesOrder", ()):
            billed, credited = self._totals(order_id)
            for number, (quantity, amount) in credited.items():
                assert quantity <= billed[number][0]
                # A return that was authorized before the bill may round its share otherwise.
                assert abs(amount) <= abs(billed[number][1]) + D("0.02")

    @invariant()
    def what_is_open_is_what_nobody_cleared(self) -> None:
        cleared: Counter[str] = Counter()
        for kind in ("creditMemo", "customerPayment", "customerRefund"):
            for record in self._all(kind):
                for one in record.get("apply", ()):
                    cleared[one["doc"]] += one["amount"]
                    if kind == "creditMemo":
                        cleared[record["_id"]] += one["amount"]
        for kind in ("invoice", "creditMemo"):
            for record in self._all(kind):
                left = record["total"] - cleared[record["_id"]]
                assert record["amountRemaining"] == left
                assert 0 <= left <= record["total"]
                assert (record["status"] == "A") == (left > 0)

    @invariant()
    def receivables_are_what_customers_owe(self) -> None:
        owed: Counter[str] = Counter()
        for kind, name, sign in (
            ("invoice", "amountRemaining", 1),
            ("creditMemo", "amountRemaining", -1),
            ("customerPayment", "unapplied", -1),
        ):
            for record in self._all(kind):
                owed[record["subsidiary"]] += sign * record[name]
        rows = {row["subsidiary"]: D(row["owed"]) for row in select(self.books, _RECEIVABLES)}
        for subsidiary in PLACES:
            assert rows.get(subsidiary, D(0)) == owed[subsidiary]

    def _totals(self, order_id: str) -> tuple[dict[int, tuple[D, D]], dict[int, tuple[D, D]]]:
        """Quantity and amount billed and credited of an order's lines, from the documents alone."""
        sums: tuple[dict[int, tuple[D, D]], dict[int, tuple[D, D]]] = ({}, {})
        for kinds, found in ((BILLS, sums[0]), (CREDITS, sums[1])):
            for kind in kinds:
                for record in self._all(kind):
                    for one in record["item"]:
                        origin, number = self._origin(record, one)
                        if origin == order_id:
                            quantity, amount = found.get(number, (D(0), D(0)))
                            share = D(one.get("_share", one.get("quantity", 1)))
                            found[number] = (quantity + share, amount + one["amount"])
        return sums

    def _origin(self, record: dict[str, Any], one: dict[str, Any]) -> tuple[str, int]:
        origin, number = record["createdFrom"], one["orderLine"]
        for kind in ("returnAuthorization", *BILLS):
            if origin in self.made.get(kind, ()):
                source = self.books.record(kind, origin)
                [above] = [each for each in source.lines() if each["line"] == number]
                return self._origin(source.fields, above)
        return origin, number

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        for identifier in self.made.get(kind, ()):
            yield {**self.books.record(kind, identifier).fields, "_id": identifier}

    def _into(self, kind: str, source: str, index: int) -> dict[str, Any]:
        """The clearing account for documents that need one."""
        if kind in {"invoice", "creditMemo"} or not self.made.get(source):
            return {}
        subsidiary = self.books.record(source, self._chosen(source, index)).get("subsidiary")
        return {"account": {"id": PLACES[subsidiary][1]}}

    def _chosen(self, kind: str, index: int) -> str:
        made = self.made[kind]
        return made[index % len(made)]

    def _follow(self, source: str, index: int, target: str, body: dict[str, Any]) -> None:
        if self.made.get(source):
            chosen = self._chosen(source, index)
            self._make(target, lambda: self.books.transform(source, chosen, target, body).id)

    def _make(self, kind: str, act: Callable[[], str]) -> None:
        def keep() -> None:
            self.made.setdefault(kind, []).append(act())

        self._try(keep)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BookError as refusal:
            assert refusal.status == 400


Till.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestTill = Till.TestCase

RATES = st.decimals("0.3", "3", places=4)


@settings(max_examples=30, deadline=None)
@given(
    amount=st.decimals("0.10", "999", places=2),
    parts=st.lists(st.integers(1, 99), min_size=1, max_size=4),
    rates=st.lists(RATES, min_size=6, max_size=6),
)
def test_receivables_come_out_even_at_any_rates(amount: D, parts: list[int], rates: list[D]) -> None:
    books = account()
    buyer = british(books)
    dollars: dict[str, Any] = {
        "currency": {"id": "1"},
        "taxDetailsOverride": True,
        "taxDetails": {"items": []},
    }
    sold = {"entity": {"id": buyer}, **items(line("901", 1, amount, location=None)), **dollars}
    invoice = books.create("invoice", {**sold, "exchangeRate": rates[0]}).id
    credit = books.create("creditMemo", {**sold, "exchangeRate": rates[1]}).id
    for part, rate in zip(parts, rates[2:], strict=False):
        applied = min(amount / 100 * part, fields_of(books, "invoice", invoice)["amountRemaining"])
        if round(applied, 2):
            body = applies({invoice: str(round(applied, 2))})
            paid = {"customer": {"id": buyer}, "account": {"id": "131"}, "currency": {"id": "1"}}
            made = books.create("customerPayment", {**paid, **body, "exchangeRate": rate}).id
            assert sum(ledger(books, made).values()) == 0
    if fields_of(books, "invoice", invoice)["amountRemaining"]:
        books.patch("creditMemo", credit, applies({invoice: None}))
    if fields_of(books, "creditMemo", credit)["amountRemaining"]:
        body = {"customer": {"id": buyer}, "account": {"id": "131"}, "currency": {"id": "1"}}
        body |= {"paymentOption": {"id": "7"}, "exchangeRate": rates[5]}
        books.create("customerRefund", {**body, **applies({credit: None})})
    [row] = select(books, _RECEIVABLES)
    assert D(row["owed"]) == 0
    assert {D(row["rest"]) for row in select(books, _TRIAL_BALANCE)} == {D(0)}
