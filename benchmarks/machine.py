"""What the figures were measured on: the machine in words that name no one, and versions."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which

from .contestants import ENTRIES


def facts() -> dict[str, str]:
    """Machine and interpreters."""
    return {
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "CPU": f"{cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "Load": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5, 15 minutes, at the end)",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Node": node_version(),
    }


def cpu_model() -> str:
    """As the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def node_version() -> str:
    """None is a word, too."""
    node = which("node")
    if node is None:
        return "none"
    said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True)  # noqa: S603
    return said.stdout.strip().removeprefix("v")


def versions(names: Iterable[str] = ()) -> dict[str, str]:
    """Of every package that takes part."""
    wanted = names or {name for entry in ENTRIES.values() for name in entry.packages}
    return {name: _version(name) for name in sorted(wanted, key=str.lower)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
