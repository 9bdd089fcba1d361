"""Who buys what: draws orders as varied as the markets know them, from a seed.

One order is one *draft*: the facts, what was picked, and how TikTok will display it. Each draft has a
generator of its own, made from the seed and the order's number, so that nothing needs to be
remembered to draw the next one, and order 17 of a seed is the same whatever happened before.
`Mix` says how often which sort of order occurs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from tiktok_ns_pipeline.sandbox.catalogue import (
    BUNDLES,
    BY_UPC,
    KITS,
    PACK,
    SHOPS,
    SINGLES,
    STRAYS,
    TWINS,
    Listing,
    Shop,
)
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts, ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.wire import CANCELLED_AFTER_DAYS, Habits

_HOUR = 3_600.0
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Mix:
    """Probabilities of what makes an order special, and the shops that sell."""

    shops: dict[str, int] = field(default_factory=lambda: {"us": 5, "uk": 3, "vn": 2})
    """Weights by shop key."""
    never_paid: float = 0.04
    cancelled_on_hold: float = 0.04
    address_changed: float = 0.03
    line_cancelled: float = 0.05
    cancelled_late: float = 0.02
    fulfilled_by_tiktok: float = 0.08
    sample: float = 0.02
    gift: float = 0.03
    replacement: float = 0.01
    zero_price: float = 0.01
    bundle: float = 0.03
    kit: float = 0.04
    pack: float = 0.03
    listed_twice: float = 0.02
    stray: float = 0.004
    """Sells what no NetSuite item is: has to be parked."""
    varied_habits: bool = True
    shipped_by: Literal["itself", "warehouse", "nobody"] = "itself"
    """Who arranges shipments: they happen as time passes (`itself`), or only by calls of the API and by
    labels that the staff buys, which the sandbox's `warehouse` leads to and `nobody` does."""
    combined: float | None = None
    """Orders of Vietnam that TikTok puts into one package with another of the same buyer."""
    delivery_failed: float | None = None
    """Parcels that TikTok cancels on their way."""
    cancel_requested: float | None = None
    """Orders that may be shipped, which their buyer asks to cancel."""
    request_withdrawn: float = 0.3
    """Of those, the ones that their buyer wants after all, if nobody has answered yet."""
    recognised_late: float | None = None
    """Tracking numbers that TikTok does not know when it is first told."""
    returned: float = 0.0
    """Delivered orders of which the buyer wants to return something."""
    settles: bool = False
    """Whether TikTok settles what was delivered and pays the shops."""
    settlement: SettlementHabits = field(default_factory=SettlementHabits)
    """What happens to the money then, besides."""
    haste: float = 1.0
    """How much faster than the rest goes what comes after a parcel was arranged: its way, returns,
    settlement. Above 1 TikTok's days of money are shortened, too, for people who do not wait for midnight."""
    stock: Literal["endless", "kept"] = "endless"
    """Whether TikTok can run out of what buyers want, see `tiktok_stock`."""
    stock_at_start: int = 0
    """Where stock is kept: units of each SKU in each of the seller's warehouses before anybody says
    what is there."""
    fbt_stock_at_start: int = 1_000
    """The same for TikTok's own warehouses."""

    @classmethod
    def plain(cls, **changes: Any) -> Mix:
        """Ordinary paid orders only, but for the changes."""
        none = {name: 0.0 for name, value in _DEFAULT_MIX.items() if isinstance(value, float)}
        none |= dict.fromkeys(_WITH_WAREHOUSE, 0.0)
        quiet = {"haste": 1.0, "varied_habits": False, "settlement": SettlementHabits.quiet()}
        return replace(cls(), **{**none, **quiet, **changes})

    def rate(self, name: str) -> float:
        """The probability of what the warehouse has to cope with: if it is not set, it occurs only
        where there is a warehouse."""
        given: float | None = getattr(self, name)
        if given is not None:
            return given
        return _WITH_WAREHOUSE[name] if self.shipped_by == "warehouse" else 0.0


_WITH_WAREHOUSE = {
    "combined": 0.05,
    "delivery_failed": 0.01,
    "cancel_requested": 0.02,
    "recognised_late": 0.02,
}


_DEFAULT_MIX: dict[str, Any] = {name: getattr(Mix(), name) for name in Mix.__slots__}


@dataclass(slots=True)
class Draft:
    """An order that is about to be placed."""

    facts: OrderFacts
    listings: list[Listing]
    habits: Habits
    flags: Document
    buyer: Document
    warehouse_id: str


@dataclass(frozen=True, slots=True)
class Place:
    """A town where buyers live. The rate of sales tax is in percent of the price."""

    region: str
    state: str
    city: str
    postal_code: str
    sales_tax: Decimal = ZERO
    delivery_fee: Decimal = ZERO
    """Retail delivery fee of the state (T 3.4)."""


_PLACES: dict[str, tuple[Place, ...]] = {
    "US": (
        Place("US", "California", "Sampleton", "90000", Decimal("9.5")),
        Place("US", "Texas", "Testville", "75000", Decimal("8.25")),
        Place("US", "New York", "Mock Harbor", "10000", Decimal("8.875")),
        Place("US", "Oregon", "Placeholder Falls", "97000"),
        Place("US", "Colorado", "Example Springs", "80000", Decimal("7.72"), Decimal("0.28")),
        Place("US", "Minnesota", "Specimen Lake", "55000", Decimal("8.03"), Decimal("0.50")),
    ),
    "GB": (
        Place("GB", "England", "Exampleford", "ZZ1 1ZZ"),
        Place("GB", "Scotland", "Glen Sample", "ZZ9 9ZZ"),
    ),
    "VN": (Place("VN", "Hà Nội", "Quận Ví Dụ", "100000"), Place("VN", "Hồ Chí Minh", "Phường Mẫu", "700000")),
}
_NAMES = ("Alex Example", "Sam Sample", "Jo O'Specimen", "Nguyễn Ví Dụ", "Zoë Müster", "Kim")
_MESSAGES = ("", "", "", "Please ship asap!", "Quà tặng 🎁", 'Say "hi" \\o/')
_COUNTRY = {"US": "United States", "GB": "United Kingdom", "VN": "Vietnam"}

# Shipping prices by currency, cheapest first.
_SHIPPING: dict[str, tuple[str, ...]] = {
    "USD": ("3.57", "4.99", "6.25", "12"),
    "GBP": ("2.49", "3.95", "5"),
    "VND": ("16500", "30000", "42700"),
}
# Fees that a market adds to the buyer's bill: (field, amount by currency).
_ODD_FEES: dict[str, tuple[tuple[str, str], ...]] = {
    "USD": (("item_insurance_fee", "1.1"), ("buyer_service_fee", "0.35")),
    "GBP": (("small_order_fee", "0.99"), ("handling_fee", "0.5")),
    "VND": (("small_order_fee", "3000"), ("buyer_service_fee", "1000"), ("handling_fee", "2500")),
}


def order_id_of(number: int) -> str:
    """Id of the world's n-th order: 18 digits, beyond what a float can hold."""
    return str(576_000_000_000_000_000 + number * 1_000_003)


def line_id_of(number: int, index: int) -> str:
    """Id of a line of the n-th order."""
    return str(577_000_000_000_000_000 + number * 1_009 + index)


def address_in(place: Place, name: str, house: int) -> Document:
    """A recipient in clear. Names and streets are invented."""
    first, _, last = name.partition(" ")
    street = f"{house} Sample Street"
    levels = [
        ("L0", "Country", _COUNTRY[place.region]),
        ("L1", "State", place.state),
        ("L2", "County", f"{place.city} County"),
        ("L3", "City", place.city),
    ]
    address: Document = {
        "name": name,
        "first_name": first,
        "last_name": last,
        "phone_number": f"(+1)555010{house % 10_000:04d}",
        "region_code": place.region,
        "postal_code": place.postal_code,
        "address_line1": street,
        "address_line2": f"Unit {house % 90}" if house % 3 == 0 else "",
        "address_detail": street,
        "full_address": f"{street}, {place.city}, {place.state} {place.postal_code}",
        "district_info": [
            {"address_level": level, "address_level_name": title, "address_name": text}
            for level, title, text in levels
        ],
    }
    if place.region == "GB":
        address["post_town"] = place.city
    if place.region == "US" and house % 7 == 0:
        address["delivery_preferences"] = {"drop_off_location": "Front Door"}
    return address


def any_address(region: str, chance: random.Random) -> tuple[Place, Document]:
    """Somebody's place and address in a region."""
    place = chance.choice(_PLACES[region])
    return place, address_in(place, chance.choice(_NAMES), chance.randrange(1, 9_999))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a buyer has made up their mind about: the shop, and one listing per unit."""

    shop: Shop
    listings: Sequence[Listing]


def draw(seed: int, number: int, at: int, mix: Mix, wanted: Wanted | None = None) -> Draft:
    """The n-th order of a seed, placed at `at` (Unix seconds), of what the buyer likes or `wanted`."""
    chance = random.Random(f"order {seed} {number}")
    shop = wanted.shop if wanted else _pick_shop(chance, mix)
    place, address = any_address(shop.region, chance)
    sort = "normal" if wanted else _sort(chance, mix)
    by_fbt = shop.fbt_warehouse is not None and chance.random() < mix.fulfilled_by_tiktok
    by_seller = not by_fbt and chance.random() < 0.45
    free = sort in {"sample", "replacement", "zero_price"}
    listings = list(wanted.listings) if wanted else _pick(chance, mix, sort)
    facts = OrderFacts(
        shop=shop.key,
        order_id=order_id_of(number),
        currency=shop.currency,
        placed_at=at,
        lines=_priced(chance, number, listings, shop, sort),
        shipping=ShippingFacts() if free else _shipping(chance, shop),
        by_seller=by_seller,
        by_tiktok_warehouse=by_fbt,
        address=address,
    )
    if shop.taxes == "on top" and not free:
        _tax(facts, place, chance)
    if not free and chance.random() < 0.03:
        name, amount = chance.choice(_ODD_FEES[shop.currency])
        facts.fees[name] = Decimal(amount)
    flags = _flags(chance, sort, shop)
    flags["is_on_hold_order"] = _plan_life(chance, facts, mix, cod=flags.get("is_cod", False))
    _plan_trouble(random.Random(f"trouble {seed} {number}"), facts, mix)
    warehouse = shop.fbt_warehouse if by_fbt and shop.fbt_warehouse else chance.choice(shop.warehouses)
    habits = Habits.drawn(chance) if mix.varied_habits else Habits()
    return Draft(facts, listings, habits, flags, buyer_of(chance.randrange(5_000), chance), warehouse)


def buyer_of(number: int, chance: random.Random) -> Document:
    """What an order tells of its buyer: stable ids, no person (T 3.6)."""
    return {
        "user_id": str(7_494_000_000_000_000_000 + number * 977),
        "buyer_email": f"v4b{number:05d}@relay.example",
        "buyer_nickname": f"user{number}",
        "buyer_message": chance.choice(_MESSAGES),
        "payment_method_name": "CCDC",
    }


def _pick_shop(chance: random.Random, mix: Mix) -> Shop:
    weights = [mix.shops.get(shop.key, 0) for shop in SHOPS]
    return chance.choices(SHOPS, weights)[0]


def _sort(chance: random.Random, mix: Mix) -> str:
    point = chance.random()
    for sort in (
        "sample",
        "replacement",
        "zero_price",
        "gift",
        "bundle",
        "kit",
        "pack",
        "listed_twice",
        "stray",
    ):
        point -= getattr(mix, sort)
        if point < 0:
            return sort
    return "normal"


_SPECIAL: dict[str, Sequence[Listing]] = {
    "bundle": BUNDLES,
    "kit": KITS,
    "pack": (PACK,),
    "listed_twice": (*TWINS, *BY_UPC),
    "stray": STRAYS,
}


def _pick(chance: random.Random, mix: Mix, sort: str) -> list[Listing]:
    """One listing per unit, equal ones not always side by side."""
    if sort in {"sample", "replacement", "zero_price"}:
        return [_popular(chance)]
    units: list[Listing] = []
    for _ in range(chance.choices((1, 2, 3), (70, 22, 8))[0]):
        units += [_popular(chance)] * chance.choices((1, 2, 3, 9), (78, 15, 5, 2))[0]
    if sort in _SPECIAL:
        units += [chance.choice(_SPECIAL[sort])] * chance.choices((1, 2), (80, 20))[0]
    if sort == "listed_twice":
        # The same item under its own listing as well.
        units.append(SINGLES[int(units[-1].makes[0][0][-3:]) - 1])
    if chance.random() < 0.2:
        chance.shuffle(units)
    if sort == "gift":
        units.append(_popular(chance))
    return units


def _popular(chance: random.Random) -> Listing:
    return SINGLES[int(len(SINGLES) * chance.random() ** 2)]


def _priced(
    chance: random.Random, number: int, listings: Sequence[Listing], shop: Shop, sort: str
) -> list[LineFacts]:
    step = Decimal(1) if shop.currency == "VND" else Decimal("0.01")
    lines = [
        LineFacts(
            line_id_of(number, index), listing.makes, listing.prices[shop.currency], sku_id=listing.sku_id
        )
        for index, listing in enumerate(listings)
    ]
    if sort in {"sample", "replacement", "zero_price"}:
        _give_away(lines, by_discount=sort == "sample" and chance.random() < 0.5)
        return lines
    if chance.random() < 0.35:
        percent = chance.randrange(5, 31)
        for line in lines:
            line.seller_discount = (line.price * percent / 100).quantize(step, ROUND_HALF_UP)
    if chance.random() < 0.3:
        # A coupon for the whole order: its odd cents make equal units differ.
        cheapest = min(line.sale_price for line in lines)
        coupon = int(cheapest * chance.randrange(5, 21) / 100 / step) * len(lines) + chance.randrange(
            len(lines)
        )
        _spread(lines, coupon, step, "platform_discount" if chance.random() < 0.7 else "seller_discount")
    if sort == "gift":
        lines[-1].gift = True
        _give_away(lines[-1:], by_discount=chance.random() < 0.5)
    return lines


def _spread(lines: Sequence[LineFacts], coupon: int, step: Decimal, discount: str) -> None:
    each, odd = divmod(coupon, len(lines))
    for index, line in enumerate(lines):
        share = step * (each + (1 if index < odd else 0))
        setattr(line, discount, getattr(line, discount) + min(share, line.sale_price))


def _give_away(lines: Sequence[LineFacts], *, by_discount: bool) -> None:
    """Free of charge: without a price, or at a price that the seller discounts in full."""
    for line in lines:
        line.platform_discount = ZERO
        if not by_discount:
            line.price = ZERO
        line.seller_discount = line.price


def _shipping(chance: random.Random, shop: Shop) -> ShippingFacts:
    step = Decimal(1) if shop.currency == "VND" else Decimal("0.01")
    price = Decimal(chance.choice(_SHIPPING[shop.currency]))
    half = (price / 2).quantize(step, ROUND_HALF_UP)
    return chance.choices(
        (
            ShippingFacts(price),
            ShippingFacts(price, seller_discount=price),
            ShippingFacts(price, platform_discount=price),
            ShippingFacts(price, platform_discount=half),
            ShippingFacts(price, seller_discount=half, platform_discount=price - half),
            ShippingFacts(price, cofunded_discount=half, platform_discount=price - half),
            ShippingFacts(),
        ),
        (30, 12, 14, 10, 8, 8, 18),
    )[0]


def _tax(facts: OrderFacts, place: Place, chance: random.Random) -> None:
    """Sales tax on top of what the buyer pays, per unit and for shipping (T 3.4)."""
    cent = Decimal("0.01")
    for line in facts.lines:
        line.tax = (line.sale_price * place.sales_tax / 100).quantize(cent, ROUND_HALF_UP)
    if chance.random() < 0.5:
        facts.shipping.tax = (facts.shipping.fee * place.sales_tax / 100).quantize(cent, ROUND_HALF_UP)
    if place.delivery_fee:
        facts.fees["retail_delivery_fee"] = place.delivery_fee


def _flags(chance: random.Random, sort: str, shop: Shop) -> Document:
    flags: Document = {}
    if sort == "sample":
        flags["is_sample_order"] = True
    if sort == "zero_price":
        flags["order_type"] = "ZERO_LOTTERY" if chance.random() < 0.5 else "NORMAL"
    if sort == "replacement":
        flags["is_replacement_order"] = True
        flags["replaced_order_id"] = order_id_of(chance.randrange(1_000))
    if shop.region == "VN" and sort not in {"sample", "replacement", "zero_price"} and chance.random() < 0.5:
        flags["is_cod"] = True
    return flags


def _plan_life(chance: random.Random, facts: OrderFacts, mix: Mix, *, cod: bool) -> bool:
    """What will happen to the order by itself, in seconds after it enters a state (T 3.2).

    Tells whether the order has a hold.
    """
    plan = facts.plan
    held = not cod and (facts.shop != "vn" or chance.random() < 0.5)
    if cod:
        facts.status = Status.awaiting_shipment
    elif chance.random() < mix.never_paid:
        plan[Status.unpaid] = [(_HOUR, "time_out")]
    elif chance.random() < 0.6:
        facts.status = Status.on_hold if held else Status.awaiting_shipment
    else:
        plan[Status.unpaid] = [(chance.uniform(5, 180), "pay" if held else "pay_and_release")]
    if chance.random() < mix.cancelled_on_hold:
        plan[Status.on_hold] = [(chance.uniform(60, _HOUR - 60), "regret")]
    else:
        plan[Status.on_hold] = [(_HOUR, "release")]
    ready = _before_shipping(chance, mix, len(facts.lines))
    plan[Status.awaiting_shipment] = [*ready, (chance.uniform(0.5, 2) * _DAY, "arrange")]
    plan[Status.awaiting_collection] = [(chance.uniform(0.3, 1) * _DAY, "collect")]
    plan[Status.in_transit] = [(chance.uniform(1, 4) * _DAY, "deliver")]
    plan[Status.delivered] = [(7 * _DAY, "complete")]
    return held


def _before_shipping(chance: random.Random, mix: Mix, lines: int) -> list[tuple[float, str]]:
    """Changes that still amend the order; all of them well before it ships."""
    changes: list[tuple[float, str]] = []
    if chance.random() < mix.address_changed:
        changes.append((chance.uniform(60, 0.4 * _DAY), "move"))
    if lines > 1 and chance.random() < mix.line_cancelled:
        changes.append((chance.uniform(60, 0.4 * _DAY), "drop_line"))
    if chance.random() < mix.cancelled_late:
        changes.append((chance.uniform(60, 0.4 * _DAY), "call_off"))
    return changes


def _plan_trouble(chance: random.Random, facts: OrderFacts, mix: Mix) -> None:
    """What makes shipping harder. Drawn apart, so that the rest of the order stays what it was."""
    waiting = facts.plan[Status.awaiting_shipment]
    if mix.shipped_by != "itself":
        waiting.append((CANCELLED_AFTER_DAYS * _DAY, "sla_breach"))
    if chance.random() < mix.rate("cancel_requested") and not facts.by_tiktok_warehouse:
        asked = chance.uniform(60, 1.4 * _DAY)
        waiting.append((asked, "ask_to_cancel"))
        if chance.random() < mix.request_withdrawn:
            waiting.append((asked + chance.uniform(300, 0.9 * _DAY), "withdraw"))
    if facts.shop == "vn" and chance.random() < mix.rate("combined"):
        waiting.append((chance.uniform(60, 1_800), "combine"))
    if chance.random() < mix.rate("delivery_failed"):
        facts.plan[Status.in_transit] = [(chance.uniform(2, 6) * _DAY, "fail_delivery")]


def is_to_be_combined(facts: OrderFacts) -> bool:
    """Whether TikTok will look for another package of the buyer to put this order into."""
    return any(what == "combine" for _, what in facts.plan.get(Status.awaiting_shipment, ()))
