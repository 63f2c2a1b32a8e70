"""Where fits run: in this process, in others of this machine, or on a Dask cluster.

Everything goes through joblib's backends, so that scikit-learn's own parallel work runs there as well. Knows
processes, threads and signals, and nothing of models.
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

SMALL_WORK_S = 4.0
"""Seconds of work below which no other process is started: that takes two, scikit-learn's import included."""

T = TypeVar("T")

DASK_PORT = 8786
"""The port of a Dask scheduler, where a URL names none."""

SCHEDULER_WAIT_S = 10
"""Seconds that a Dask scheduler may take to answer, and its first worker to come."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where calls run: `workers` is how many run at once.

    `cluster` is the Dask client of a cluster; None: they run on this machine.
    """

    workers: int
    cluster: Any = None

    @property
    def is_remote(self) -> bool:
        """Whether calls run on other machines."""
        return self.cluster is not None

    def run(
        self, function: Callable[[Any, Any], Any], shared: Any, calls: Iterable[Any], *, here: bool = False
    ) -> Generator[Any, None, None]:
        """Yield `function(shared, call)` of each call, in the order in which they end.

        To stop early, close the generator: what still runs on this machine is killed.

        Args:
            function: A function that other processes can import.
            shared: Is brought to each process once, and has to be picklable.
            calls: Are taken from the iterable as there is room, at most `workers` ahead of those that run.
            here: Whether all runs in this process, one call after the other.

        Raises:
            RecipeError: A process was killed, or a cluster went away.
        """
        if here:
            yield from (function(shared, call) for call in calls)
            return
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
        try:
            with self._shared(shared) as place, ExitStack() as begun:
                with _interrupts_deferred(), _interrupts_blocked():
                    results = parallel(joblib.delayed(_call)(function, place, call) for call in calls)
                    begun.enter_context(closing(results))
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

    def send(self, function: Callable[..., T], *arguments: Any, tell: Callable[[dict[str, Any]], None]) -> T:
        """Return `function(tell, *arguments)`, called on the cluster.

        Args:
            tell: Is called here with whatever the function tells there.

        Raises:
            RecipeError: The cluster went away, or lost the worker that did it.
            MlapiError: Whatever of ours the function raises.
        """
        topic = f"mlapi-{uuid4().hex}"
        self.cluster.subscribe_topic(topic, lambda event: tell(event[1]))
        try:
            return cast(
                "T", self.cluster.submit(_call_with_topic, topic, function, *arguments, pure=False).result()
            )
        except MlapiError:
            raise
        except Exception as error:  # whatever a cluster's client raises
            raise _lost(error) from error

    @contextmanager
    def _shared(self, shared: Any) -> Iterator[Any]:
        """What stands for the shared value in a call: a file, or Dask's name for copies with all workers.

        The value itself must not travel with each call: where Ctrl-C kills a process that is being sent more
        than a pipe holds (64 KiB), loky waits for ever. joblib's own files would do, but Ctrl-C leaves some
        of them, and a warning on the terminal.
        """
        if self.cluster is not None:
            yield self.cluster.scatter(shared, broadcast=True, hash=False)
            return
        with _temporary_folder() as folder:
            place = folder / "shared"
            joblib.dump(shared, place)
            yield place


@contextmanager
def engine(url: str | None) -> Iterator[Engine]:
    """Run joblib's parallel work on this machine's cores within the block, or on the cluster at a URL.

    Args:
        url: `dask://host:port`; None: this machine.

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
    """Let what is fitted within the block use one thread and no other processes, and hide its warnings.

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
    """Hide what loky and joblib print about a process that has grown and is replaced, and about Ctrl-C.

    A fit that ends while the others are killed asks for the next one in vain, in a thread that logs this. The
    thread that kills fails where it finds the name of a call that it has thrown away before (joblib 1.6.0).
    """
    callbacks, hook_before = logging.getLogger("concurrent.futures"), threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        is_killer = failure.thread is not None and failure.thread.name == "ExecutorManagerThread"
        if not (is_killer and failure.exc_type is KeyError):
            hook_before(failure)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        warnings.filterwarnings("ignore", r"\d+ tasks (have been|which were) ", UserWarning)
        callbacks.addFilter(_nothing)
        threading.excepthook = hook
        try:
            yield
        finally:
            threading.excepthook = hook_before
            callbacks.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Make a folder that goes with the block, also where Ctrl-C comes while it is made or removed."""
    with ExitStack() as begun:
        with _interrupts_deferred():
            folder = begun.enter_context(TemporaryDirectory(prefix="mlapi-"))
        try:
            yield Path(folder)
        finally:
            with _interrupts_deferred():
                begun.close()


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Raise a Ctrl-C that comes within the block at its end, when what it begins is in the caller's hands."""
    react = _interrupt_handler()
    if react is None:
        yield
        return
    pending: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: pending.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, react)
        if pending:
            react(signal.SIGINT, pending[0])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes within the block that never see Ctrl-C, which a terminal sends to them all.

    They inherit the mask: an initializer would come too late for a process that is still importing. Python's
    own helper is started before, since it unblocks the signal when it has started (until 3.13). In this
    process the mask defers nothing: another thread takes the signal (OpenBLAS has some).
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupt_handler() -> Callable[[int, FrameType | None], object] | None:
    """Return what Ctrl-C calls in this thread; None where it calls nothing."""
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    return handler if is_main and callable(handler) else None


@contextmanager
def interrupts_counted() -> Iterator[Callable[[], int]]:
    """Give a function that returns how often Ctrl-C came within the block; it is raised as always.

    A second one may come while the first still ends processes: what is caught then looks like one of them.
    """
    count, react = 0, _interrupt_handler()
    if react is None:
        yield lambda: 0
        return

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        react(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: count
    finally:
        signal.signal(signal.SIGINT, react)


def _call_with_topic(topic: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on a worker of the cluster; what it tells becomes an event of this topic."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    return function(partial(get_worker().log_event, topic), *arguments)


def _lost(error: Exception) -> RecipeError:
    return RecipeError(
        f"the Dask cluster lost its scheduler or workers, or cannot run a fit: {reason(error)}"
    )


def _call(function: Callable[[Any, Any], Any], place: Any, call: Any) -> Any:
    return function(_read(place) if isinstance(place, Path) else place, call)


@lru_cache(maxsize=1)
def _read(place: Path) -> Any:
    """Read what `_shared` has written; arrays are mapped, so that all processes share their memory."""
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
        _check_scheduler(host, port)
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


def _check_scheduler(host: str, port: int) -> None:
    """Check that the other side of the connection speaks first, as a scheduler does.

    If it does not, Dask's client waits for the first byte for ever (2026.8).

    Raises:
        OSError: Nothing answers there, or it says nothing.
    """
    with socket.create_connection((host, port), timeout=SCHEDULER_WAIT_S) as connection:
        if not connection.recv(1):
            raise ConnectionError("closed")


def _workers(client: Any, where: str) -> int:
    """Return how many calls the cluster's workers run at once; wait for the first worker.

    Raises:
        RecipeError: There is none in time.
    """
    try:
        client.wait_for_workers(1, timeout=SCHEDULER_WAIT_S)
    except TimeoutError as error:
        raise RecipeError(
            f"the Dask scheduler at {where} has no workers: start some with `dask worker {where}`"
        ) from error
    return int(sum(client.ncores().values()))
