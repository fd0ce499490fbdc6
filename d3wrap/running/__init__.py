"""Run somebody's unmodified training script with D³ attached to it: ``d3wrap run`` and ``d3wrap doctor``."""
