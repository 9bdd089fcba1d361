"""The seller's decisions: one YAML file, read strictly.

`load_mapping` gives a `Mapping` or says what to mend; `routing`, `special_orders` and
`exception_kinds` hold the rules and tables that read it.
"""

from tiktok_ns_pipeline.mapping.models import Mapping, MappingError, load_mapping
from tiktok_ns_pipeline.mapping.shop import Shop

__all__ = ["Mapping", "MappingError", "Shop", "load_mapping"]
