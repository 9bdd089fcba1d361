"""Every TikTok Shop endpoint that we call, in one table.

The version is part of each path and differs per endpoint (T 1.6); a row carries the newest month
that serves our purpose and is known to both the reference (T 9.2) and the published client library
against which the contract tests run. Three rows have no such month (`mark_as_shipped`,
`update_package_shipping_info`: 202309 here, 202610 there; `reject_return`: 202309, 202606); they carry
the one that is described. An `old_` row is the version before, for shops that are not answered in the
newer one (T 7.1).

Vocabulary: an endpoint *reads* when asking twice changes nothing at TikTok, whatever its HTTP verb;
otherwise it *writes*, and an unclear outcome of it has to be looked up before it is sent again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Effect = Literal["read", "write"]

API_BASE_URL = "https://open-api.tiktokglobalshop.com"
"""All regions (T 1.1)."""

# Ids become part of the signed path as they are: nothing that needs escaping, nothing that climbs.
_PATH_VALUE = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table. `scope` is None where TikTok documents none."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path_template: str
    effect: Effect
    needs_shop_cipher: bool
    """Sent and signed when true; sending it elsewhere is refused (T 1.4)."""
    scope: str | None
    """What the seller must have granted (T 1.3)."""

    def path(self, **values: str) -> str:
        """The path to request and sign. Raises ValueError for a value that is no id."""
        for name, value in values.items():
            if not _PATH_VALUE.fullmatch(value):
                raise ValueError(f"{name} of {self.name} is not an id of TikTok Shop")
        return self.path_template.format(**values)

    def __str__(self) -> str:
        return f"{self.name} ({self.method} {self.path_template})"


_TABLE = (
    Endpoint("authorized_shops", "GET", "/authorization/202309/shops", "read", False, None),
    Endpoint("search_orders", "POST", "/order/202309/orders/search", "read", True, "seller.order.info"),
    Endpoint("order_details", "GET", "/order/202507/orders", "read", True, "seller.order.info"),
    Endpoint(
        "price_detail",
        "GET",
        "/order/202407/orders/{order_id}/price_detail",
        "read",
        True,
        "seller.order.info",
    ),
    Endpoint(
        "attach_external_orders",
        "POST",
        "/order/202406/orders/external_orders",
        "write",
        True,
        "seller.order.ext_ref.write.custom",
    ),
    Endpoint(
        "external_orders",
        "GET",
        "/order/202406/orders/{order_id}/external_orders",
        "read",
        True,
        "seller.order.ext_ref.read",
    ),
    Endpoint(
        "search_external_order",
        "POST",
        "/order/202406/orders/external_order_search",
        "read",
        True,
        "seller.order.ext_ref.read",
    ),
    Endpoint(
        "search_packages",
        "POST",
        "/fulfillment/202309/packages/search",
        "read",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "package",
        "GET",
        "/fulfillment/202309/packages/{package_id}",
        "read",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "ship_package",
        "POST",
        "/fulfillment/202309/packages/{package_id}/ship",
        "write",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "mark_as_shipped",
        "POST",
        "/fulfillment/202309/orders/{order_id}/packages",
        "write",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "update_order_shipping_info",
        "POST",
        "/fulfillment/202309/orders/{order_id}/shipping_info/update",
        "write",
        True,
        "seller.logistics",
    ),
    Endpoint(
        "update_package_shipping_info",
        "POST",
        "/fulfillment/202309/packages/{package_id}/shipping_info/update",
        "write",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "split_attributes",
        "GET",
        "/fulfillment/202309/orders/split_attributes",
        "read",
        True,
        "seller.fulfillment.package.write",
    ),
    Endpoint(
        "split_order",
        "POST",
        "/fulfillment/202309/orders/{order_id}/split",
        "write",
        True,
        "seller.fulfillment.package.write",
    ),
    Endpoint(
        "handover_time_slots",
        "GET",
        "/fulfillment/202309/packages/{package_id}/handover_time_slots",
        "read",
        True,
        "seller.fulfillment.package.write",
    ),
    Endpoint("warehouses", "GET", "/logistics/202309/warehouses", "read", True, "seller.logistics"),
    Endpoint(
        "shipping_providers",
        "GET",
        "/logistics/202309/delivery_options/{delivery_option_id}/shipping_providers",
        "read",
        True,
        "seller.fulfillment.basic",
    ),
    Endpoint(
        "search_cancellations",
        "POST",
        "/return_refund/202602/cancellations/search",
        "read",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "approve_cancellation",
        "POST",
        "/return_refund/202309/cancellations/{cancel_id}/approve",
        "write",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "reject_cancellation",
        "POST",
        "/return_refund/202309/cancellations/{cancel_id}/reject",
        "write",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "reject_reasons",
        "GET",
        "/return_refund/202309/reject_reasons",
        "read",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "search_returns",
        "POST",
        "/return_refund/202602/returns/search",
        "read",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "return_records",
        "GET",
        "/return_refund/202309/returns/{return_id}/records",
        "read",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "approve_return",
        "POST",
        "/return_refund/202309/returns/{return_id}/approve",
        "write",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint(
        "reject_return",
        "POST",
        "/return_refund/202309/returns/{return_id}/reject",
        "write",
        True,
        "seller.return_refund.basic",
    ),
    Endpoint("statements", "GET", "/finance/202309/statements", "read", True, "seller.finance.info"),
    Endpoint(
        "statement_transactions",
        "GET",
        "/finance/202501/statements/{statement_id}/statement_transactions",
        "read",
        True,
        "seller.finance.info",
    ),
    Endpoint(
        "old_statement_transactions",
        "GET",
        "/finance/202309/statements/{statement_id}/statement_transactions",
        "read",
        True,
        "seller.finance.info",
    ),
    Endpoint(
        "order_transactions",
        "GET",
        "/finance/202501/orders/{order_id}/statement_transactions",
        "read",
        True,
        "seller.finance.info",
    ),
    Endpoint(
        "old_order_transactions",
        "GET",
        "/finance/202309/orders/{order_id}/statement_transactions",
        "read",
        True,
        "seller.finance.info",
    ),
    Endpoint("payments", "GET", "/finance/202605/payments", "read", True, "seller.finance.info"),
    Endpoint("old_payments", "GET", "/finance/202309/payments", "read", True, "seller.finance.info"),
    Endpoint("withdrawals", "GET", "/finance/202309/withdrawals", "read", True, "seller.finance.info"),
    Endpoint(
        "unsettled_transactions",
        "GET",
        "/finance/202507/orders/unsettled",
        "read",
        True,
        "seller.finance.info",
    ),
    Endpoint(
        "search_products",
        "POST",
        "/product/202502/products/search",
        "read",
        True,
        "seller.product.basic",
    ),
    Endpoint(
        "search_inventory",
        "POST",
        "/product/202309/inventory/search",
        "read",
        True,
        "seller.product.basic",
    ),
    Endpoint(
        "update_inventory",
        "POST",
        "/product/202309/products/{product_id}/inventory/update",
        "write",
        True,
        "seller.product.write",
    ),
    Endpoint("search_fbt_inventory", "POST", "/fbt/202408/inventory/search", "read", True, None),
    Endpoint("webhooks", "GET", "/event/202309/webhooks", "read", True, "seller.authorization.info"),
    Endpoint("register_webhook", "PUT", "/event/202309/webhooks", "write", True, "seller.authorization.info"),
    Endpoint(
        "delete_webhook", "DELETE", "/event/202309/webhooks", "write", True, "seller.authorization.info"
    ),
)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in _TABLE}
