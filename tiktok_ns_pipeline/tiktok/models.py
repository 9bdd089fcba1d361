"""Orders, their prices and the shops that have them, as TikTok Shop sent them.

How each value is read is told in `wire`. Enum values stay text, since new ones appear without notice;
unknown keys are ignored here and kept in the raw answer.

Every line item is one unit (T 3.5). Amounts are in the currency of their block; times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.wire import (
    Amount,
    Count,
    Currency,
    Flag,
    Id,
    Instant,
    Personal,
    RequiredId,
    RequiredText,
    Text,
    Wire,
    absent_as_empty,
    absent_as_none,
    parse,
    required_text,
)


class ItemTax(Wire):
    """A tax entry of a unit. `tax_type` is `SALES_TAX` in the US, other names elsewhere (T 3.5)."""

    tax_type: Text = None
    tax_amount: Amount = None
    tax_rate: Amount = None


class CombinedListingSku(Wire):
    """One component of a virtual bundle (T 3.5)."""

    product_id: Id = None
    sku_id: Id = None
    seller_sku: Text = None
    sku_count: Count = None


class LineItem(Wire):
    """One unit of one SKU (T 3.5). `sku_id` is the only safe key: `seller_sku` may be empty or
    repeated (T 9.4)."""

    id: RequiredId
    product_id: Id = None
    product_name: Text = None
    sku_id: Id = None
    sku_name: Text = None
    seller_sku: Text = None
    sku_type: Text = None
    currency: Currency = None
    original_price: Amount = None
    seller_discount: Amount = None
    platform_discount: Amount = None
    sale_price: Amount = None
    """What the buyer pays: original price less both discounts."""
    display_status: Text = None
    package_id: Id = None
    """Changes when packages are split or combined: key what was shipped by `id` (T 4.4)."""
    package_status: Text = None
    tracking_number: Text = None
    shipping_provider_id: Id = None
    shipping_provider_name: Text = None
    rts_time: Instant = None
    """When its shipment was arranged."""
    cancel_reason: Text = None
    cancel_user: Text = None
    """`BUYER`, `SELLER`, `OPERATOR` or `SYSTEM`; a failed delivery cancels a shipped unit (T 6.1)."""
    item_tax: Annotated[tuple[ItemTax, ...], BeforeValidator(absent_as_empty)] = ()
    is_gift: Flag = False
    gift_retail_price: Amount = None
    small_order_fee: Amount = None
    retail_delivery_fee: Amount = None
    buyer_service_fee: Amount = None
    distance_fee: Amount = None
    distance_shipping_fee: Amount = None
    pfand_fee: Amount = None
    combined_listing_skus: Annotated[tuple[CombinedListingSku, ...], BeforeValidator(absent_as_empty)] = ()


class Payment(Wire):
    """The order's money (T 3.4). Discounts are positive numbers. Whether `tax` is on top of the
    prices (US) or inside them depends on the market."""

    currency: Currency = None
    original_total_product_price: Amount = None
    seller_discount: Amount = None
    platform_discount: Amount = None
    sub_total: Amount = None
    original_shipping_fee: Amount = None
    shipping_fee_seller_discount: Amount = None
    shipping_fee_platform_discount: Amount = None
    shipping_fee_cofunded_discount: Amount = None
    shipping_fee: Amount = None
    tax: Amount = None
    product_tax: Amount = None
    shipping_fee_tax: Amount = None
    retail_delivery_fee: Amount = None
    small_order_fee: Amount = None
    buyer_service_fee: Amount = None
    handling_fee: Amount = None
    shipping_insurance_fee: Amount = None
    item_insurance_fee: Amount = None
    item_insurance_tax: Amount = None
    distance_fee: Amount = None
    distance_shipping_fee: Amount = None
    payment_platform_discount: Amount = None
    payment_discount_service_fee: Amount = None
    total_amount: Amount = None


class DistrictInfo(Wire):
    """One level of the address, L0 being the country (T 3.6)."""

    address_level: Text = None
    address_level_name: Text = None
    address_name: Personal = None
    iso_code: Text = None


class DeliveryPreferences(Wire):
    """Where to leave the parcel (US)."""

    drop_off_location: Personal = None


class RecipientAddress(Wire):
    """Where the parcel goes, masked or not as the market and status want it (T 3.6)."""

    name: Personal = None
    first_name: Personal = None
    last_name: Personal = None
    phone_number: Personal = None
    full_address: Personal = None
    address_detail: Personal = None
    address_line1: Personal = None
    address_line2: Personal = None
    address_line3: Personal = None
    address_line4: Personal = None
    postal_code: Personal = None
    post_town: Personal = None
    region_code: Text = None
    district_info: Annotated[tuple[DistrictInfo, ...], BeforeValidator(absent_as_empty)] = ()
    delivery_preferences: Annotated[DeliveryPreferences | None, BeforeValidator(absent_as_none)] = None


class PackageReference(Wire):
    """A package known so far (T 3.3)."""

    id: RequiredId


class Order(Wire):
    """An order as search and detail return it (T 3.3). Only `id` and `status` must be there."""

    id: RequiredId
    status: RequiredText
    create_time: Instant = None
    update_time: Instant = None
    paid_time: Instant = None
    """None as long as nothing is paid; also on cash-on-delivery orders that may be shipped (T 3.2)."""
    rts_time: Instant = None
    collection_time: Instant = None
    delivery_time: Instant = None
    cancel_time: Instant = None
    request_cancel_time: Instant = None
    """When the buyer asked to cancel."""
    rts_sla_time: Instant = None
    """Until when the shipment must be arranged, else it is late (T 3.2)."""
    tts_sla_time: Instant = None
    """Until when the carrier must have collected it, else it is late."""
    delivery_sla_time: Instant = None
    fast_dispatch_sla_time: Instant = None
    pick_up_cut_off_time: Instant = None
    shipping_due_time: Instant = None
    """Not arranged by then, TikTok cancels the order (T 3.2); so with the two that follow."""
    collection_due_time: Instant = None
    delivery_due_time: Instant = None
    cancel_order_sla_time: Instant = None
    release_date: Instant = None
    user_id: Id = None
    buyer_email: Personal = None
    buyer_nickname: Personal = None
    buyer_message: Personal = None
    seller_note: Personal = None
    fulfillment_type: Text = None
    shipping_type: Text = None
    delivery_type: Text = None
    delivery_option_id: Id = None
    delivery_option_name: Text = None
    shipping_provider_id: Id = None
    shipping_provider: Text = None
    tracking_number: Text = None
    warehouse_id: Id = None
    packages: Annotated[tuple[PackageReference, ...], BeforeValidator(absent_as_empty)] = ()
    split_or_combine_tag: Text = None
    """`COMBINED`, `SPLIT` or none."""
    need_upload_invoice: Text = None
    """BR: `NEED_INVOICE` until the invoice is in (T 3.3, 4.1)."""
    is_cod: Flag = False
    is_sample_order: Flag = False
    is_on_hold_order: Flag = False
    is_buyer_request_cancel: Flag = False
    is_replacement_order: Flag = False
    is_exchange_order: Flag = False
    is_subscription_order: Flag = False
    has_updated_recipient_address: Flag = False
    replaced_order_id: Id = None
    exchange_source_order_id: Id = None
    order_type: Text = None
    commerce_platform: Text = None
    cancel_reason: Text = None
    cancellation_initiator: Text = None
    payment_method_name: Text = None
    recipient_address: Annotated[RecipientAddress | None, BeforeValidator(absent_as_none)] = None
    """None for UNPAID and ON_HOLD (T 3.6)."""
    payment: Annotated[Payment | None, BeforeValidator(absent_as_none)] = None
    line_items: Annotated[tuple[LineItem, ...], BeforeValidator(absent_as_empty)] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Order:
        """Read a raw order. Raises WireError naming the order and the field that is wrong."""
        order = parse(cls, raw, "order")
        seen: set[str] = set()
        for index, line in enumerate(order.line_items):
            if line.id in seen:
                raise WireError(order.id, f"line_items[{index}].id", f"repeats line {line.id}")
            seen.add(line.id)
        return order


class _Prices(Wire):
    """The amounts that a price detail states for the order and again for each unit (T 3.7)."""

    currency: Currency = None
    total: Amount = None
    payment: Amount = None
    sku_list_price: Amount = None
    subtotal_deduction_seller: Amount = None
    subtotal_deduction_platform: Amount = None
    sku_sale_price: Amount = None
    subtotal_tax_amount: Amount = None
    subtotal: Amount = None
    shipping_list_price: Amount = None
    shipping_fee_deduction_seller: Amount = None
    shipping_fee_deduction_platform: Amount = None
    shipping_sale_price: Amount = None
    tax_amount: Amount = None
    tax_rate: Amount = None
    """A share, not percent: 0.021 is 2.1 %."""
    net_price_amount: Amount = None
    sku_gift_original_price: Amount = None
    sku_gift_net_price: Amount = None
    small_order_fee: Amount = None
    cod_fee: Amount = None
    cod_fee_net_amount: Amount = None
    distance_fee: Amount = None
    distance_shipping_fee: Amount = None


class PriceDetailLine(_Prices):
    """The calculated price of one unit. `id` is the line item's; there is no SKU id (T 3.7)."""

    id: RequiredId


class PriceDetail(_Prices):
    """The calculated price of an order (T 3.7). The `voucher_deduction_...` keys look like amounts
    but are type codes, so they are not read."""

    line_items: Annotated[tuple[PriceDetailLine, ...], BeforeValidator(absent_as_empty)] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any], order_id: str) -> PriceDetail:
        """Read a raw price detail, which does not carry its order's id. Raises WireError."""
        return parse(cls, raw, "price detail of order", order_id)


class AuthorizedShop(Wire):
    """A shop that the seller opened to the app (T 1.4)."""

    id: RequiredId
    cipher: Annotated[str, BeforeValidator(required_text), Field(repr=False)]
    code: Text = None
    name: Text = None
    region: Text = None
    seller_type: Text = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> AuthorizedShop:
        """Read a raw shop. Raises WireError."""
        return parse(cls, raw, "shop")
