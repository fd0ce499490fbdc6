"""Benchmark data brought from its public sources, checked, and put where d3wrap reads it."""

from __future__ import annotations

from d3wrap.data.fetching.fetcher import Fetched, fetch
from d3wrap.data.fetching.patience import Patience
from d3wrap.data.fetching.sources import SOURCES, Archive, Source, find_source

__all__ = ["SOURCES", "Archive", "Fetched", "Patience", "Source", "fetch", "find_source"]
