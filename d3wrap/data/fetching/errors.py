"""What can go wrong with one address; the next is tried, so these do not leave the package."""

from __future__ import annotations


class Unavailable(Exception):
    """This address does not give the file, and trying again will not help."""


class Interrupted(Exception):
    """This try ended early; another may go on from there."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the server asks to wait."""
