"""Says what machine the figures are of."""

import os
import platform
import re
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

import psycopg

ROOT = Path(__file__).parents[2]


def describe(server_url: str) -> dict[str, str]:
    """Return what the figures depend on, by name."""
    with psycopg.connect(server_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": row[0] if row else "unknown",
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("SQLAlchemy", "psycopg", "slack-bolt")),
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _commit() -> str:
    """Return which commit was measured, and whether files were changed since."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
