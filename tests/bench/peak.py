"""The most memory a process ever had. Imports next to nothing, since it runs where that counts."""

import re
import sys
from pathlib import Path


def peak_mb() -> float:
    """The most memory this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had before exec
        kib = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert kib
        return int(kib[1]) / 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)
