"""Where fits run: in this process, in others of this machine, or on a Dask cluster.

Everything goes through joblib's backends, so that scikit-learn's own parallel work follows. Knows processes,
threads and signals; knows nothing of models or of what is searched for.
"""

import logging
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mlapi.errors import MlapiError, RecipeError
from mlapi.settings import safe_path
from mlapi.wording import how_to_install, reason

SMALL_S = 4.0
"""Starting processes takes two seconds, scikit-learn's import included: less work than this stays here."""


T = TypeVar("T")

DASK_PORT = 8786

SCHEDULER_WAIT_S = 10
"""How long a Dask scheduler may take to answer, and its first worker to come."""


@dataclass(frozen=True, slots=True)
class Engine:
    """`workers` is how many calls run at once; `cluster` is the Dask client of those on other machines."""

    workers: int
    cluster: Any = None

    @property
    def is_remote(self) -> bool:
        return self.cluster is not None

    def run(
        self, function: Callable[[Any, Any], Any], shared: Any, calls: Iterable[Any], *, here: bool = False
    ) -> Generator[Any, None, None]:
        """`function(shared, call)` of each call, in the order in which they end; `here` is in this process.

        What is shared is brought to each process once, and has to be picklable. Calls are asked for as there
        is room, at most `workers` ahead of those that run. To stop early, close the iterator: what still runs
        on this machine is killed.

        Raises:
            RecipeError: A process was killed, or a cluster went away.
        """
        if here:
            yield from (function(shared, call) for call in calls)
            return
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
        try:
            with self._shared(shared) as place, ExitStack() as begun:
                with _interrupts_blocked():
                    results = parallel(joblib.delayed(_call)(function, place, call) for call in calls)
                    begun.enter_context(closing(results))  # Ctrl-C is raised at the end of this block
                yield from results
        except TerminatedWorkerError as error:
            raise RecipeError(
                "the system killed a process that was fitting, most likely for want of memory: "
                "train on fewer rows or columns"
            ) from error
        except Exception as error:  # whatever a cluster's client raises; here it is a defect of ours
            if not self.is_remote:
                raise
            raise _lost(error) from error

    def send(self, function: Callable[..., T], *given: Any, tell: Callable[[dict[str, Any]], None]) -> T:
        """`function(tell, *given)` on the cluster; what it tells there is told here.

        Raises:
            RecipeError: The cluster went away, or lost the worker that did it.
            MlapiError: Whatever of ours the function raises.
        """
        topic = f"mlapi-{uuid4().hex}"
        self.cluster.subscribe_topic(topic, lambda event: tell(event[1]))
        try:
            return cast("T", self.cluster.submit(_tell_of, topic, function, *given, pure=False).result())
        except MlapiError:
            raise
        except Exception as error:  # whatever a cluster's client raises
            raise _lost(error) from error

    @contextmanager
    def _shared(self, shared: Any) -> Iterator[Any]:
        """What a call is given for it: a file, or Dask's name for copies that lie with all workers.

        It must not travel with each call: where Ctrl-C kills a process that is being sent more than a pipe
        holds (64 KiB), loky waits for ever. joblib's own files would do, but Ctrl-C leaves some of them, and
        the terminal is told.
        """
        if self.cluster is not None:
            yield self.cluster.scatter(shared, broadcast=True, hash=False)
            return
        with TemporaryDirectory(prefix="mlapi-") as folder:
            place = Path(folder) / "shared"
            joblib.dump(shared, place)
            yield place


@contextmanager
def engine(url: str | None) -> Iterator[Engine]:
    """Within it joblib's parallel work runs on this machine's cores, or on the cluster at `dask://host:port`.

    Raises:
        RecipeError: The URL is of another kind, Dask is not installed, or nothing answers there.
    """
    if url is None:
        with _this_machine() as local:
            yield local
        return
    with _cluster(*_address(url)) as remote:
        yield remote


@contextmanager
def one_core() -> Iterator[None]:
    """One thread and no further processes for what is fitted within, and no warnings.

    Two processes with a thread each are quicker than threads, and threads that share a core with anybody
    wait for each other in a loop: histogram gradient boosting on 43,000 rows, while other processes had work
    for the same two cores, took 1.6 s with one thread and 40 to 250 s with two.
    """
    with (
        warnings.catch_warnings(action="ignore"),
        joblib.parallel_config("sequential"),
        threadpool_limits(1),
    ):
        yield


@contextmanager
def _this_machine() -> Iterator[Engine]:
    cores = joblib.cpu_count()
    with _silence(), safe_path(), joblib.parallel_config("loky", n_jobs=cores, inner_max_num_threads=1):
        try:
            yield Engine(cores)
        finally:  # else they would keep their memory for five minutes
            get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextmanager
def _silence() -> Iterator[None]:
    """What loky and joblib tell the terminal of a process that has grown and is replaced, and of Ctrl-C.

    A fit that ends while the others are killed asks for the next one in vain, in a thread that logs this. The
    thread that kills fails where it finds the name of a call that it has thrown away before (joblib 1.6.0).
    """
    callbacks, told = logging.getLogger("concurrent.futures"), threading.excepthook

    def tell(failure: threading.ExceptHookArgs) -> None:
        is_that = failure.thread is not None and failure.thread.name == "ExecutorManagerThread"
        if not (is_that and failure.exc_type is KeyError):
            told(failure)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        warnings.filterwarnings("ignore", r"\d+ tasks (have been|which were) ", UserWarning)
        callbacks.addFilter(_nothing)
        threading.excepthook = tell
        try:
            yield
        finally:
            threading.excepthook = told
            callbacks.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that are started within never see Ctrl-C, which a terminal sends to them all.

    They inherit the mask: an initializer would come too late for a process that is still importing. Python's
    own helper is started before, since it unblocks the signal when it has started (until 3.13).
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interrupts_counted() -> Iterator[Callable[[], int]]:
    """How often Ctrl-C came within.

    A second one may come while the first still ends processes: what is caught then looks like one of them.
    """
    came, before = 0, signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: 0  # it is not raised here
        return
    react: Callable[[int, FrameType | None], object] = before

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        react(number, frame)

    signal.signal(signal.SIGINT, count)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_of(topic: str, function: Callable[..., Any], *given: Any) -> Any:
    """On a worker of the cluster."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    return function(partial(get_worker().log_event, topic), *given)


def _lost(error: Exception) -> RecipeError:
    return RecipeError(
        f"the Dask cluster lost its scheduler or workers, or cannot run a fit: {reason(error)}"
    )


def _call(function: Callable[[Any, Any], Any], place: Any, call: Any) -> Any:
    return function(_read(place) if isinstance(place, Path) else place, call)


@lru_cache(maxsize=1)
def _read(place: Path) -> Any:
    """What this machine's own process wrote a moment ago; arrays are mapped, and share their memory."""
    return joblib.load(place, mmap_mode="r")


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or DASK_PORT
    except ValueError:  # a port or a bracket that is none
        host = None
    if not host or parts.scheme != "dask" or parts.path.strip("/"):
        raise RecipeError(
            f"unknown engine {url!r:.100}: leave it out for this machine, "
            f"or give dask://host:{DASK_PORT} for a Dask cluster"
        )
    return host, port


@contextmanager
def _cluster(host: str, port: int) -> Iterator[Engine]:
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RecipeError(f"engine dask:// needs distributed: {how_to_install('dask')}") from error
    where = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    try:
        _listen_to(host, port)
        client = distributed.Client(  # type: ignore[no-untyped-call]
            where, timeout=SCHEDULER_WAIT_S, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"no Dask scheduler answers at {where}: start one (`dask scheduler`), or leave the engine out"
        ) from error
    with client:
        workers = _workers(client, where)
        with joblib.parallel_config("dask", client=client):
            yield Engine(workers, client)


def _listen_to(host: str, port: int) -> None:
    """A scheduler speaks first; for the first word of anybody else Dask's client waits for ever (2026.8)."""
    with socket.create_connection((host, port), timeout=SCHEDULER_WAIT_S) as connection:
        if not connection.recv(1):
            raise ConnectionError("closed")


def _workers(client: Any, where: str) -> int:
    try:
        client.wait_for_workers(1, timeout=SCHEDULER_WAIT_S)
    except TimeoutError as error:
        raise RecipeError(
            f"the Dask scheduler at {where} has no workers: start some with `dask worker {where}`"
        ) from error
    return int(sum(client.ncores().values()))
