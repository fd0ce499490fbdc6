"""Do independent jobs somewhere: in this process, in several, on a Slurm cluster, or on Ray."""

from d3wrap.executors.choose import EXECUTORS, make_executor
from d3wrap.executors.executor import Ended, Executor

__all__ = ["EXECUTORS", "Ended", "Executor", "make_executor"]
