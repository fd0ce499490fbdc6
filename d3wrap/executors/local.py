"""Jobs on this machine: one after the other in this process, or several at once in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait

from d3wrap.executors.executor import Ended, Item, fault_of


class LocalExecutor:
    """At most ``jobs`` at once; with 1 they are done in this process.

    Processes are spawned, not forked, since torch's threads and CUDA do not survive a fork. One that is killed takes
    its job with it and no other, and a new one takes its place. They end with this process, even if that is killed.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def run(self, function: Callable[[Item], object], items: Sequence[Item]) -> Generator[Ended[Item], None, None]:
        """Call ``function(item)`` for each item; see :class:`~d3wrap.executors.executor.Executor`."""
        if self.jobs == 1:
            for item in items:
                yield Ended(item, fault_of(function, item))
        else:
            yield from self._in_processes(function, items)

    def _in_processes(
        self, function: Callable[[Item], object], items: Sequence[Item]
    ) -> Generator[Ended[Item], None, None]:
        waiting, free = deque(items), list[_Worker]()
        busy: dict[object, tuple[_Worker, Item]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.jobs:
                    worker = free.pop() if free else _Worker()
                    item = waiting.popleft()
                    worker.connection.send((function, item))
                    busy[worker.connection] = worker, item
                for connection in wait([worker.connection for worker, _ in busy.values()]):
                    worker, item = busy.pop(connection)
                    try:
                        fault = worker.connection.recv()
                    except (EOFError, ConnectionError):
                        yield Ended(item, worker.last_words(), died=True)
                        continue
                    free.append(worker)
                    yield Ended(item, fault)
        finally:
            for worker in [*free, *(worker for worker, _ in busy.values())]:
                worker.end()


class _Worker:
    """A process that does one job after the other."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,))
        self.process.start()
        theirs.close()

    def last_words(self) -> str:
        """Return what ended the process, in words."""
        self.process.join()
        code = self.process.exitcode or 0
        self.connection.close()
        if code >= 0:
            return f"its process ended with exit code {code}, in the middle of the run"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "; the system does that when memory runs out" if name == "SIGKILL" else ""
        return f"its process was killed ({name}){memory}"

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _serve(connection: Connection) -> None:
    """Do what comes through the connection, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of us; the parent ends this process
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            function, item = connection.recv()
        except EOFError:
            return
        fault = fault_of(function, item)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(fault)


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
