"""What a fitted estimator says of rows: the one place where estimators are called to answer.

An estimator may spread its work over processes of joblib's (`n_jobs`). Those are no use to a server: they are
started in gunicorn's master, where the golden rows are answered first, and a worker that is forked afterwards
waits for them forever. A server has workers and threads of its own, so each call stays within its thread.
Training's own fits are not called here, and may spread.
"""

from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray


def call(estimator: Any, method: str, rows: Any) -> NDArray[Any]:
    """What the named method gives for rows, computed in this thread; joblib keeps that by thread.

    Raises:
        Exception: What the estimator raises.
    """
    with joblib.parallel_config(backend="sequential"), np.errstate(all="ignore"):
        return np.asarray(getattr(estimator, method)(rows))
