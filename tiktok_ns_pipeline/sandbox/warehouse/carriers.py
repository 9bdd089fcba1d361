"""Carriers that the seller's warehouses use, and tracking numbers as each of them writes them.

The ship methods are those of the books' account (`books.seed`). A number has the carrier's shape and
its check digit where the carrier has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Carrier:
    """A ship method of the account and how its parcels are numbered."""

    name: str
    ship_method: str
    """Internal id in the books."""
    number: Callable[[Random], str]


def _digits(chance: Random, count: int) -> str:
    return "".join(chance.choices("0123456789", k=count))


def _ups(chance: Random) -> str:
    body = "".join(chance.choices("ABCDEFGHJKLMNPRSTUVWXY0123456789", k=6)) + "03" + _digits(chance, 7)
    # Letters count as digits: A is 2, and so on round.
    values = [int(one) if one.isdigit() else (ord(one) - 63) % 10 for one in body]
    return f"1Z{body}{-sum(values[0::2] + [2 * value for value in values[1::2]]) % 10}"


def _usps(chance: Random) -> str:
    body = "94055" + _digits(chance, 16)
    values = list(map(int, body))
    return f"{body}{-(3 * sum(values[0::2]) + sum(values[1::2])) % 10}"


def _fedex(chance: Random) -> str:
    body = chance.choice("23456789") + _digits(chance, 10)
    weights = (3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1)
    check = sum(int(one) * weight for one, weight in zip(body, weights, strict=True)) % 11 % 10
    return f"{body}{check}"


def _royal_mail(chance: Random) -> str:
    """The international form for letters and parcels: two letters, nine digits, the country."""
    body = _digits(chance, 8)
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    rest = 11 - sum(int(one) * weight for one, weight in zip(body, weights, strict=True)) % 11
    check = {10: 0, 11: 5}.get(rest, rest)
    return f"{chance.choice('JKMNOQW')}{chance.choice('ABCDEFGHJK')}{body}{check}GB"


def _ghn(chance: Random) -> str:
    return "G" + "".join(chance.choices("ABCDEFGHKLMNPQRTUVXY346789", k=7))


def _bike(chance: Random) -> str:
    return f"BIKE{_digits(chance, 8)}"


_UPS = Carrier("UPS Ground", "4722", _ups)

BY_COUNTRY: dict[str, tuple[Carrier, ...]] = {
    "US": (
        _UPS,
        Carrier("USPS Priority Mail", "4723", _usps),
        Carrier("FedEx Home Delivery", "4724", _fedex),
    ),
    "GB": (Carrier("Royal Mail Tracked 48", "4725", _royal_mail),),
    "VN": (Carrier("Giao Hang Nhanh", "4726", _ghn),),
}
"""Carriers by the country of the location that ships."""

UNHEARD_OF = Carrier("Bike Courier", "4727", _bike)
"""A ship method that no mapping of the sandbox knows."""

CARRIERS = {one.name.lower(): one for carriers in (*BY_COUNTRY.values(), (UNHEARD_OF,)) for one in carriers}
"""Every carrier by name in lower case."""


def usual_carrier(country: str, chance: Random) -> Carrier:
    """A carrier for parcels that leave from a country; UPS where none is known."""
    return chance.choice(BY_COUNTRY.get(country, (_UPS,)))
