"""What other processes do in tests. The module is small, since each of them imports it first."""

import os
import signal
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from mlapi.training.execution.engine import one_core


def look_around(rows: Any, _: int) -> dict[str, Any]:
    """What a call sees where it runs."""
    with one_core():
        pools = {pool["num_threads"] for pool in threadpool_info()}
    return {
        "pid": os.getpid(),
        "sum": float(np.sum(rows)),
        "is mapped": isinstance(rows, np.memmap),
        "threads": pools,
        "sees Ctrl-C": signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, []),
    }


def die(_: Any, __: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
