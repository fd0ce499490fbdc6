"""Stop a script from within, past its ``except Exception``."""

from __future__ import annotations


class Stop(BaseException):
    """Raised in a script's optimizer step once the doctor has seen enough; the step is not made."""
