"""d3wrap's own generators, each registered like anybody's."""
