"""The seller's decisions for one TikTok shop: whose books, which customer, how money is shown.

Policies are small models told apart by their `policy` key, so that a decision carries exactly the
values that it needs and no others.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tiktok_ns_pipeline.mapping.follow_ups import (
    BillingPolicy,
    Carriers,
    CashSaleBilling,
    Handover,
    NoBilling,
    RejectReason,
)
from tiktok_ns_pipeline.mapping.refunds import NoRefunds, RefundPolicy
from tiktok_ns_pipeline.mapping.section import Currency, Id, Region, Section
from tiktok_ns_pipeline.mapping.settlements import Bookings, NoSettlement, PostedSettlement, SettlementPolicy
from tiktok_ns_pipeline.mapping.stock import NoStock, StockPublishing

Rate = Annotated[Decimal, Field(gt=0, le=100)]
"""Percent."""


class BucketCustomer(Section):
    """All orders of the shop and currency go to one customer, rolled over before it is too full (N 6)."""

    policy: Literal["bucket"]
    name: str | None = Field(
        default=None, max_length=60, description="name of the customer; made up if absent"
    )
    existing_id: Id | None = Field(default=None, description="internal id of a customer that exists already")
    limit: int = Field(
        default=9_500, ge=1, le=10_000, description="transactions before the next customer is begun"
    )


class BuyerCustomer(Section):
    """One customer for each buyer, by TikTok's user id: names and phones may be masked (T 3.6)."""

    policy: Literal["buyer"]


CustomerPolicy = Annotated[BucketCustomer | BuyerCustomer, Field(discriminator="policy")]


class ShownTax(Section):
    """Show the tax that the marketplace collects and remits as a pair of lines that cancel out (N 6)."""

    collected_item_id: Id = Field(description="internal id of the item for tax collected")
    remitted_item_id: Id = Field(description="internal id of the item for tax remitted, a negative line")


class _TaxUntouched(Section):
    """The Sales Order carries no tax, and NetSuite is told so, else it would add its own."""

    engine: Literal["suitetax", "legacy", "none"] = Field(
        description="tax engine of the account: suitetax, legacy, or none to leave tax fields alone"
    )
    tax_code_id: Id | None = Field(
        default=None, description="internal id of a tax code of 0 %, where one is wanted"
    )
    tax_type_id: Id | None = Field(default=None, description="internal id of its tax type (suitetax)")


class MarketplaceFacilitatorTax(_TaxUntouched):
    """TikTok computes, collects and remits the tax; it is never the seller's (T 10.2)."""

    policy: Literal["marketplace_facilitator"]
    show_lines: ShownTax | None = Field(
        default=None, description="the two items of the pair of lines, if wanted"
    )


class InclusiveGrossTax(_TaxUntouched):
    """Prices include tax and are posted as they are."""

    policy: Literal["inclusive_gross"]


class InclusiveSplitTax(Section):
    """Prices include tax, which is split out of every line: net plus tax is the price (T 10.2)."""

    policy: Literal["inclusive_split"]
    engine: Literal["suitetax", "legacy"] = Field(description="tax engine of the account")
    rate: Rate = Field(description="percent of tax inside the prices, such as 20")
    tax_code_id: Id = Field(description="internal id of the tax code")
    tax_type_id: Id | None = Field(default=None, description="internal id of the tax type (suitetax)")
    destinations: Annotated[
        tuple[Region, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)
    ] = Field(default=(), description="countries that this tax is for; others are parked; empty for all")

    @model_validator(mode="after")
    def _typed_for_suitetax(self) -> InclusiveSplitTax:
        if self.engine == "suitetax" and self.tax_type_id is None:
            raise ValueError("SuiteTax needs the tax type as well; write `tax_type_id: ...`")
        return self


TaxPolicy = Annotated[
    MarketplaceFacilitatorTax | InclusiveGrossTax | InclusiveSplitTax, Field(discriminator="policy")
]


class Shipping(Section):
    """The line that shipping income goes to, and when there is any."""

    item_id: Id = Field(description="internal id of the item for shipping")
    when_tiktok_ships: Literal["exclude", "include"] = Field(
        default="exclude",
        description="exclude (the buyer's fee goes to TikTok's carrier, T 10.2) or include it as income",
    )
    cofunded_discount: Literal["seller", "channel"] = Field(
        default="seller", description="who bears the co-funded shipping discount"
    )


class NetPriceDiscount(Section):
    """The seller's discount lowers the price of the line."""

    policy: Literal["net_price"]


class DiscountLine(Section):
    """The seller's discount stands on a line of its own under the full price."""

    policy: Literal["discount_line"]
    item_id: Id = Field(description="internal id of the discount item")


SellerDiscount = Annotated[NetPriceDiscount | DiscountLine, Field(discriminator="policy")]


class NetSuiteRate(Section):
    """NetSuite takes the exchange rate of the transaction's day from its own table."""

    source: Literal["netsuite"]


class DatedRate(Section):
    """An exchange rate and the day from which it holds."""

    since: date = Field(description="first day of the rate, such as 2026-08-01")
    rate: Decimal = Field(gt=0, description="units of the subsidiary's currency for one of the order's")


class FixedRate(Section):
    """The seller's own exchange rates; the newest that has begun on the order's day holds."""

    source: Literal["fixed"]
    rates: tuple[DatedRate, ...] = Field(min_length=1, description="rates with the day each begins")

    def rate_on(self, day: date) -> DatedRate | None:
        """The rate of a day; None before the first."""
        begun = [rate for rate in self.rates if rate.since <= day]
        return max(begun, key=lambda rate: rate.since, default=None)


ExchangeRate = Annotated[NetSuiteRate | FixedRate, Field(discriminator="source")]


class Shop(Section):
    """One TikTok shop. `code` is its key in the file and part of every external id."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,11}$", description="short code in lower case, such as us")
    tiktok_shop_id: Id = Field(description="TikTok's id of the shop, digits in quotes")
    region: Region = Field(description="market of the shop, such as US")
    timezone: str = Field(description="zone in which the subsidiary's days end, such as Europe/London")
    currency: Currency = Field(description="currency of the shop's orders, such as USD")
    subsidiary_id: Id = Field(description="internal id of the subsidiary")
    currency_id: Id = Field(description="internal id of that currency in NetSuite")
    orders_since: date | None = Field(
        default=None,
        description="first day whose orders are posted, such as 2026-08-01; earlier ones are left alone",
    )
    location_id: Id | None = Field(
        default=None, description="internal id of the location of orders that name no warehouse"
    )
    fbt_location_id: Id | None = Field(
        default=None, description="internal id of the location of orders that TikTok fulfils (FBT)"
    )
    department_id: Id | None = Field(default=None, description="internal id of the department")
    class_id: Id | None = Field(default=None, description="internal id of the class")
    form_id: Id | None = Field(default=None, description="internal id of the custom form")
    order_status: Literal["A", "B"] = Field(
        default="B", description="A (pending approval) or B (pending fulfilment)"
    )
    largest_order: Decimal | None = Field(
        default=None, gt=0, description="orders worth more are parked, in the shop's currency"
    )
    customer: CustomerPolicy = Field(description="whom the Sales Orders are for: `policy: bucket` or buyer")
    tax: TaxPolicy = Field(
        description="`policy: marketplace_facilitator`, inclusive_gross or inclusive_split"
    )
    shipping: Shipping = Field(description="the shipping item, as `item_id: ...`")
    seller_discount: SellerDiscount = Field(
        default=NetPriceDiscount(policy="net_price"), description="`policy: net_price` or discount_line"
    )
    exchange_rate: ExchangeRate = Field(
        default=NetSuiteRate(source="netsuite"), description="`source: netsuite` or fixed"
    )
    carriers: Carriers = Field(
        default_factory=dict,
        description="TikTok providers of this shop by ship method or carrier, before those of the file",
    )
    handover: Handover = Field(
        default="drop_off", description="how TikTok's carrier gets the parcels: drop_off or pickup"
    )
    reject_reason: RejectReason = Field(
        default="", description="this market's reason for rejecting cancellations, where it has its own"
    )
    billing: BillingPolicy = Field(
        default=NoBilling(policy="none"),
        description="how shipments are billed: `policy: none`, cash_sale (with `account_id`) or invoice",
    )
    stock: StockPublishing = Field(
        default=NoStock(policy="none"),
        description="whether TikTok's stock follows NetSuite: `policy: none` or publish",
    )
    settlement: SettlementPolicy = Field(
        default=NoSettlement(policy="none"),
        description="whether payouts are posted: `policy: none` or post (with its accounts)",
    )
    refunds: RefundPolicy = Field(
        default=NoRefunds(policy="none"),
        description="whether refunds become documents: `policy: none` or as_billed (with `item_id`)",
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write one such as America/Los_Angeles") from None
        return value

    def is_before_go_live(self, placed_at: datetime | None) -> bool:
        """Whether an order placed then is none of ours: the shop's books began later."""
        if self.orders_since is None or placed_at is None:
            return False
        return placed_at.astimezone(self.zone).date() < self.orders_since

    @model_validator(mode="after")
    def _taxed_as_its_market(self) -> Shop:
        if self.region == "US" and self.tax.policy != "marketplace_facilitator":
            raise ValueError(
                "US prices are without sales tax, which TikTok collects and remits (T 10.1, 10.2); "
                "write `policy: marketplace_facilitator` under `tax`"
            )
        return self

    @model_validator(mode="after")
    def _clears_what_it_billed(self) -> Shop:
        if isinstance(self.billing, CashSaleBilling) and isinstance(self.settlement, PostedSettlement):
            billed, cleared = self.billing.account_id, self.settlement.clearing_account_id
            if billed != cleared:
                raise ValueError(
                    f"Cash Sales go into account {billed}, payouts empty account {cleared}; write the same "
                    "account as `billing.account_id` and `settlement.clearing_account_id`"
                )
        return self

    @property
    def bookings(self) -> Bookings | None:
        """The shop's own accounts for TikTok's amounts; None where it posts no payouts."""
        return self.settlement.booking if isinstance(self.settlement, PostedSettlement) else None

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the subsidiary's days end."""
        return ZoneInfo(self.timezone)

    @property
    def channel_ships_pays_seller(self) -> bool:
        """Whether the shipping fee of an order that TikTok ships is the seller's income."""
        return self.shipping.when_tiktok_ships == "include"

    @property
    def cofunded_paid_by_seller(self) -> bool:
        """Whether the co-funded shipping discount is the seller's cost."""
        return self.shipping.cofunded_discount == "seller"


def with_codes(shops: Any) -> Any:
    """Give every shop its key as `code`, so that a shop knows what it is called."""
    if not isinstance(shops, dict):
        return shops
    entries = cast("dict[str, Any]", shops)
    return {
        code: {**cast("dict[str, Any]", shop), "code": code} if isinstance(shop, dict) else shop
        for code, shop in entries.items()
    }
