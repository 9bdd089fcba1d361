"""Exact amounts of money.

An amount is a `Decimal` that never leaves its currency. Nothing here rounds by itself: an amount
keeps the digits it came with until a document's border, where `quantized` fits it to the currency
and `allocate` splits it so that the parts sum to the whole. Floats are refused everywhere.

Vocabulary: the *exponent* of a currency is its number of decimals (ISO 4217: USD 2, VND 0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# Currencies whose exponent is not 2 (ISO 4217), for the markets of TikTok Shop (T 10.1).
_EXPONENTS = {"JPY": 0, "VND": 0, "KRW": 0, "CLP": 0}

# More digits than any order can have; a guard against absurd input such as 1E400.
_LARGEST = Decimal(10) ** 15
# Nearly every amount: read without the checks that it cannot fail. A payout has millions of them.
_PLAIN = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,8})?")


class MoneyError(ValueError):
    """An amount that is not money: a float, no number, too large, or of another currency."""


def exponent_of(currency: str) -> int:
    """Number of decimals of a currency (ISO 4217); two where nothing else is known."""
    return _EXPONENTS.get(currency, 2)


def exact_decimal(value: str | int | Decimal) -> Decimal:
    """Read a number exactly as written, stray blanks ignored (T 0).

    Raises MoneyError for floats, booleans, text that is no finite number, and absurd sizes.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return Decimal(value)
    if isinstance(value, (bool, float)) or not isinstance(value, (str, int, Decimal)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise MoneyError(f"{type(value).__name__} is not an exact number; use text or Decimal")
    try:
        number = Decimal(value.strip()) if isinstance(value, str) else Decimal(value)
    except InvalidOperation:
        raise MoneyError(f"{value!r} is not a number") from None
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise MoneyError(f"{value!r} is not an amount that can occur")
    if number.as_tuple().exponent < -12:  # type: ignore[operator]
        raise MoneyError(f"{value!r} has more decimals than an amount can have")
    return number


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """An amount for people: with the decimals of its currency, or all that it has."""
    if amount is None:
        return "unknown"
    if not currency:
        return f"{amount:f}"
    quantized = Money(amount, currency).quantized().amount
    return f"{quantized if quantized == amount else amount:f}"


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency. Mixing currencies or adding floats raises MoneyError."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MoneyError(f"{type(self.amount).__name__} is not an exact amount")
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.isupper():
            raise MoneyError(f"{self.currency!r} is not a currency code (ISO 4217)")

    @classmethod
    def parse(cls, value: str | int | Decimal, currency: str) -> Money:
        """Read an amount from the wire; raises MoneyError when it is not one."""
        return cls(exact_decimal(value), currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """No money, in that currency."""
        return cls(Decimal(0), currency)

    @classmethod
    def sum(cls, amounts: Iterable[Money], currency: str) -> Money:
        """Sum of the amounts; zero of `currency` when there are none."""
        total = cls.zero(currency)
        for amount in amounts:
            total += amount
        return total

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: int | Decimal) -> Money:
        return Money(self.amount * exact_decimal(factor), self.currency)

    def __bool__(self) -> bool:
        raise MoneyError("ask for is_zero: whether an amount is zero or unknown are two questions")

    @property
    def is_zero(self) -> bool:
        """Whether the amount is exactly zero."""
        return self.amount == 0

    @property
    def fits_currency(self) -> bool:
        """Whether the amount needs no more decimals than its currency has."""
        return self.amount == self.quantized().amount

    def quantized(self) -> Money:
        """Rounded half up to the currency's exponent: only for a document's border."""
        step = Decimal(1).scaleb(-exponent_of(self.currency))
        return Money(self.amount.quantize(step, rounding=ROUND_HALF_UP), self.currency)

    def allocate(self, weights: Sequence[int | Decimal]) -> list[Money]:
        """Split by weights so that the parts sum to the whole (largest remainder).

        Every part fits the currency. Raises MoneyError when the whole does not fit it, or when
        the weights are empty, negative or all zero.
        """
        exact = [exact_decimal(weight) for weight in weights]
        total = sum(exact, Decimal(0))
        if not exact or min(exact) < 0 or total == 0:
            raise MoneyError("weights must be given, not negative and not all zero")
        if not self.fits_currency:
            raise MoneyError(f"{self} is finer than its currency and cannot be split exactly")
        step = Decimal(1).scaleb(-exponent_of(self.currency))
        units = int(abs(self.amount) / step)
        shares = [Decimal(units) * weight / total for weight in exact]
        parts = [int(share) for share in shares]
        by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
        for index in by_remainder[: units - sum(parts)]:
            parts[index] += 1
        sign = -1 if self.amount < 0 else 1
        return [Money(sign * part * step, self.currency) for part in parts]

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise MoneyError(f"{self.currency} and {other.currency} do not add up")

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
