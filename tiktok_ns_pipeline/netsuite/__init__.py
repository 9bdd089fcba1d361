"""The NetSuite adapter: signs, sends, and says what came of it; knows nothing of TikTok or intents."""

from tiktok_ns_pipeline.netsuite.auth import (
    Authenticator,
    OAuth2ClientCredentials,
    TokenBasedAuthentication,
    account_base_url,
)
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import (
    NetSuiteAmbiguous,
    NetSuiteAuthenticationError,
    NetSuiteConflict,
    NetSuiteDuplicate,
    NetSuiteError,
    NetSuiteNotFound,
    NetSuiteNotSent,
    NetSuitePermissionError,
    NetSuiteRefused,
    NetSuiteThrottled,
    NetSuiteTransient,
    NetSuiteUnknownError,
)

__all__ = [
    "Authenticator",
    "NetSuiteAmbiguous",
    "NetSuiteAuthenticationError",
    "NetSuiteClient",
    "NetSuiteConflict",
    "NetSuiteDuplicate",
    "NetSuiteError",
    "NetSuiteNotFound",
    "NetSuiteNotSent",
    "NetSuitePermissionError",
    "NetSuiteRefused",
    "NetSuiteThrottled",
    "NetSuiteTransient",
    "NetSuiteUnknownError",
    "OAuth2ClientCredentials",
    "TokenBasedAuthentication",
    "account_base_url",
]
