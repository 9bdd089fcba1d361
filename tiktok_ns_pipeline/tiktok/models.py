"""What TikTok Shop sent, read tolerantly and exactly.

TikTok writes «no value» in many ways: an absent key, `""`, `null`, and for ids and times also `0` or
`"0"` (T 0). All of them become None, and never zero: an amount that is not stated is not an amount
of zero. Enum values stay text, since new ones appear without notice; unknown keys are ignored here
and kept in the raw answer. What is there but wrong (a float for an id, text for an amount) is refused
with a WireError that names the record and the field, and that never repeats a buyer's data.

Every line item is one unit (T 3.5). Amounts are in the currency of their block; times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.tiktok.errors import WireError

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Seconds of the year 2100: a larger number is milliseconds or nonsense.
_LATEST_EPOCH = 4_102_444_800


def _present(value: object) -> bool:
    return value is not None and value != {} and not (isinstance(value, str) and not value.strip())


def _kind(value: object) -> str:
    """What sort of value it is, for error texts: never the value itself."""
    kinds = {"dict": "an object", "list": "a list", "str": "text", "bool": "a truth value", "int": "a number"}
    return kinds.get(type(value).__name__, "a number with decimals")


def _whole_number(value: object, what: str) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 40:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"is {_kind(value)} where {what} belongs")
    return value


def _amount(value: object) -> Decimal | None:
    if not _present(value):
        return None
    if not isinstance(value, (str, int, Decimal)) or isinstance(value, bool):
        raise ValueError(f"is {_kind(value)} where an amount belongs")
    try:
        return exact_decimal(value)
    except MoneyError as wrong:
        raise ValueError(f"is no amount: {wrong}") from None


def _id(value: object) -> str | None:
    if not _present(value):
        return None
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if text is None:
        raise ValueError(f"is {_kind(value)} where an id belongs")
    if not _ID.fullmatch(text):
        raise ValueError("is text that no id of TikTok Shop can be")
    return None if text == "0" else text


def _required_id(value: object) -> str:
    found = _id(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _text(value: object) -> str | None:
    if not _present(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError(f"is {_kind(value)} where text belongs")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is text with half a character (a lone surrogate)") from None
    return text


def _required_text(value: object) -> str:
    found = _text(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _currency(value: object) -> str | None:
    text = _text(value)
    if text is not None and not _CURRENCY.fullmatch(text.strip()):
        raise ValueError("is no currency code (ISO 4217)")
    return text and text.strip()


def _instant(value: object) -> datetime | None:
    if not _present(value):
        return None
    seconds = _whole_number(value, "a time in Unix seconds")
    if not 0 <= seconds < _LATEST_EPOCH:
        raise ValueError(f"is {seconds}, which is no time in Unix seconds")
    return from_epoch(seconds) if seconds else None


def _count(value: object) -> int | None:
    return _whole_number(value, "a count") if _present(value) else None


def _flag(value: object) -> bool:
    """Absent means false: TikTok omits flags that are not set (T 0)."""
    if not _present(value):
        return False
    spelled = str(value).strip().lower() if isinstance(value, (bool, int, str)) else ""
    if spelled not in ("true", "false", "1", "0"):
        raise ValueError(f"is {_kind(value)} where true or false belongs")
    return spelled in ("true", "1")


def _list(value: object) -> object:
    if not _present(value):
        return ()
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"is {_kind(value)} where a list belongs")
    return cast(object, value)


def _object(value: object) -> object:
    """For blocks that may be missing."""
    return value if _present(value) else None


Amount = Annotated[Decimal | None, BeforeValidator(_amount)]
Id = Annotated[str | None, BeforeValidator(_id)]
RequiredId = Annotated[str, BeforeValidator(_required_id)]
Text = Annotated[str | None, BeforeValidator(_text)]
RequiredText = Annotated[str, BeforeValidator(_required_text)]
Personal = Annotated[str | None, BeforeValidator(_text), Field(repr=False)]
"""Text about the buyer: never in a `repr`, so never in a log (T 9.6)."""
Currency = Annotated[str | None, BeforeValidator(_currency)]
Instant = Annotated[datetime | None, BeforeValidator(_instant)]
Count = Annotated[int | None, BeforeValidator(_count)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_M = TypeVar("_M", bound=_Wire)


class ItemTax(_Wire):
    """A tax entry of a unit. `tax_type` is `SALES_TAX` in the US, other names elsewhere (T 3.5)."""

    tax_type: Text = None
    tax_amount: Amount = None
    tax_rate: Amount = None


class CombinedListingSku(_Wire):
    """One component of a virtual bundle (T 3.5)."""

    product_id: Id = None
    sku_id: Id = None
    seller_sku: Text = None
    sku_count: Count = None


class LineItem(_Wire):
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
    package_status: Text = None
    cancel_reason: Text = None
    cancel_user: Text = None
    item_tax: Annotated[tuple[ItemTax, ...], BeforeValidator(_list)] = ()
    is_gift: Flag = False
    gift_retail_price: Amount = None
    small_order_fee: Amount = None
    retail_delivery_fee: Amount = None
    buyer_service_fee: Amount = None
    distance_fee: Amount = None
    distance_shipping_fee: Amount = None
    pfand_fee: Amount = None
    combined_listing_skus: Annotated[tuple[CombinedListingSku, ...], BeforeValidator(_list)] = ()


class Payment(_Wire):
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


class DistrictInfo(_Wire):
    """One level of the address, L0 being the country (T 3.6)."""

    address_level: Text = None
    address_level_name: Text = None
    address_name: Personal = None
    iso_code: Text = None


class DeliveryPreferences(_Wire):
    """Where to leave the parcel (US)."""

    drop_off_location: Personal = None


class RecipientAddress(_Wire):
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
    district_info: Annotated[tuple[DistrictInfo, ...], BeforeValidator(_list)] = ()
    delivery_preferences: Annotated[DeliveryPreferences | None, BeforeValidator(_object)] = None


class Package(_Wire):
    """A package known so far (T 3.3)."""

    id: RequiredId


class Order(_Wire):
    """An order as search and detail return it (T 3.3). Only `id` and `status` must be there."""

    id: RequiredId
    status: RequiredText
    create_time: Instant = None
    update_time: Instant = None
    paid_time: Instant = None
    """None as long as nothing is paid; also on cash-on-delivery orders that may be shipped (T 3.2)."""
    cancel_time: Instant = None
    rts_sla_time: Instant = None
    tts_sla_time: Instant = None
    shipping_due_time: Instant = None
    collection_due_time: Instant = None
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
    packages: Annotated[tuple[Package, ...], BeforeValidator(_list)] = ()
    split_or_combine_tag: Text = None
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
    recipient_address: Annotated[RecipientAddress | None, BeforeValidator(_object)] = None
    """None for UNPAID and ON_HOLD (T 3.6)."""
    payment: Annotated[Payment | None, BeforeValidator(_object)] = None
    line_items: Annotated[tuple[LineItem, ...], BeforeValidator(_list)] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Order:
        """Read a raw order. Raises WireError naming the order and the field that is wrong."""
        order = _parse(cls, raw, "order")
        seen: set[str] = set()
        for index, line in enumerate(order.line_items):
            if line.id in seen:
                raise WireError(order.id, f"line_items[{index}].id", f"repeats line {line.id}")
            seen.add(line.id)
        return order


class _Prices(_Wire):
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

    line_items: Annotated[tuple[PriceDetailLine, ...], BeforeValidator(_list)] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any], order_id: str) -> PriceDetail:
        """Read a raw price detail, which does not carry its order's id. Raises WireError."""
        return _parse(cls, raw, "price detail of order", order_id)


class AuthorizedShop(_Wire):
    """A shop that the seller opened to the app (T 1.4)."""

    id: RequiredId
    cipher: Annotated[str, BeforeValidator(_required_text), Field(repr=False)]
    code: Text = None
    name: Text = None
    region: Text = None
    seller_type: Text = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> AuthorizedShop:
        """Read a raw shop. Raises WireError."""
        return _parse(cls, raw, "shop")


def _parse(model: type[_M], raw: object, kind: str, record_id: str | None = None) -> _M:
    """The model of a raw document; WireError tells the first field that is wrong."""
    if not isinstance(raw, Mapping):
        raise WireError(record_id, "the document", f"is {_kind(raw)} where an object belongs", kind=kind)
    document = cast(Mapping[str, Any], raw)
    try:
        return model.model_validate(document)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        reason = _reason(first.get("ctx", {}).get("error"), first["type"])
        failure = WireError(record_id or _readable_id(document), _field(first["loc"]), reason, kind=kind)
    # Outside the except block: pydantic's error quotes the input, which may be a buyer's data.
    raise failure


def _reason(ours: object, pydantic_type: str) -> str:
    if isinstance(ours, ValueError):
        return str(ours)
    return "is missing" if pydantic_type == "missing" else "is no object where one belongs"


def _field(location: tuple[int | str, ...]) -> str:
    """`line_items[2].sale_price` from the parts of a location."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _readable_id(document: Mapping[str, Any]) -> str | None:
    try:
        return _id(document.get("id"))
    except ValueError:
        return None
