"""Seconds and peak memory of one call."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
FORGET_PEAK = Path("/proc/self/clear_refs")


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return the wall time of a call, the device's work included."""
    _wait_for(device)
    began = time.perf_counter()
    call()
    _wait_for(device)
    return time.perf_counter() - began


def peak_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Return by how much memory rose, at its peak during a call, above its level just before.

    On CUDA it is what torch allocated; else the process's resident set, which counts every allocator but is the
    call's own only in a process that does nothing else. ``None`` where the system does not say (Linux does).
    """
    gc.collect()
    if device.type == "cuda":
        _wait_for(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    if not FORGET_PEAK.exists():
        call()
        return None
    # What was freed but kept by the C library would hide as much of the call's own need.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda keep: None)(0)
    FORGET_PEAK.write_text("5")  # the peak starts anew from the present level
    before = _resident("VmRSS")
    call()
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024  # "123 kB"


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
