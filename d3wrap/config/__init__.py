"""Read settings from YAML without surprises."""

from d3wrap.config.document import ConfigDocument
from d3wrap.config.loader import load_yaml, parse_value, read_text
from d3wrap.config.overrides import Override, apply_overrides

__all__ = ["ConfigDocument", "Override", "apply_overrides", "load_yaml", "parse_value", "read_text"]
