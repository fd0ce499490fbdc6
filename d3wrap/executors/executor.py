"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ended(Generic[Item]):
    """A job that came to its end: what was done, and the fault in one line, ``None`` where all went well.

    ``died`` says that its process is gone, so that it could not write down anything itself.
    """

    item: Item
    fault: str | None = None
    died: bool = False


class Executor(Protocol):
    """Calls a function for each of several items, in an order and in processes of its own choice."""

    def run(self, function: Callable[[Item], object], items: Sequence[Item]) -> Generator[Ended[Item], None, None]:
        """Call ``function(item)`` for each item, and yield each as it ends; one that fails stops no other.

        Function and items must be such that ``pickle`` can send them. Closing the generator ends what is under way,
        where the executor can.
        """
        ...


def fault_of(function: Callable[[Item], object], item: Item) -> str | None:
    """Call ``function(item)`` and return what it raised in one line; an interruption passes through."""
    try:
        function(item)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
