"""The D³ objectives, each a plugin on the hooks."""
