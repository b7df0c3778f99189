"""Do runs in processes of their own, several at a time."""

import math
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tudui.comparison.executors.job import GRACE, PATIENCE, Failure, Listener, Progress, job_of, stopped
from tudui.comparison.runs import PlannedRun
from tudui.config.own_code import OwnFile, allow_again, allowed
from tudui.errors import TuduiError, WorkerError, as_tudui_errors
from tudui.run import train_together
from tudui.signals import stop_on_signal


def side_by_side(runs: Sequence[PlannedRun], folder: Path, jobs: int, listener: Listener, *, events: bool) -> None:
    """Keep `jobs` processes busy until every run is done; the listener is called in this process."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads in an unknown state
    begun, messages, stopping = context.Value("i", 0), context.Queue(), context.Event()
    workers = [
        context.Process(target=_work, args=(allowed(), runs, begun, messages, stopping, folder, events))
        for _ in range(jobs)
    ]
    failure: TuduiError | None = None
    give_up, late = math.inf, 0
    try:
        with stop_on_signal() as request, _pausing_with(workers):
            _start(workers)
            while any(worker.is_alive() for worker in workers) or not messages.empty():
                failure = failure or _death(workers)
                if (request.signal_number is not None or failure) and not stopping.is_set():
                    stopping.set()
                    give_up = time.monotonic() + GRACE
                if time.monotonic() > give_up:  # its last checkpoint is whole
                    late = sum(worker.is_alive() for worker in workers)
                    break
                try:
                    message = messages.get(timeout=PATIENCE)
                except queue.Empty:
                    continue
                if isinstance(message, Progress):
                    listener(message)
                elif failure is None and not (stopping.is_set() and message.exit_code == 128 + signal.SIGTERM):
                    failure = message
            failure = failure or _death(workers)
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()
    if request.signal_number is not None:
        raise stopped(request.signal_number, late, failure)
    if failure:
        raise failure


def _start(workers: Sequence[SpawnProcess]) -> None:
    """Start processes that ignore Ctrl-C and do not import the caller's script, which then needs no `if __name__`."""
    main, may_set_handlers = sys.modules["__main__"], threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if may_set_handlers else None
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        for worker in workers:
            worker.start()
    finally:
        sys.modules["__main__"] = main
        if may_set_handlers:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _pausing_with(workers: Sequence[SpawnProcess]) -> Iterator[None]:
    """Let Ctrl-Z, which a terminal sends only to this process, pause the workers as well."""
    if not hasattr(signal, "SIGTSTP") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def to_all(number: int) -> None:
        for worker in workers:
            if worker.pid is not None and worker.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    def pause(number: int, frame: FrameType | None) -> None:
        to_all(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)  # returns when the shell continues this process
        to_all(signal.SIGCONT)

    before = signal.signal(signal.SIGTSTP, pause)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _death(workers: Sequence[SpawnProcess]) -> TuduiError | None:
    """Return the error for a worker that was killed or crashed, if there is one."""
    code = next((worker.exitcode for worker in workers if worker.exitcode), None)
    if code is None:
        return None
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return WorkerError(
        f"a worker process died ({how}); run the same command again to resume, with fewer --jobs if memory ran out"
    )


def _work(
    own: Sequence[OwnFile], runs: Sequence[PlannedRun], begun: Any, messages: Any, stopping: Any, folder: Path,
    events: bool,
) -> None:  # fmt: skip
    allow_again(own)
    if hasattr(os, "setpgrp"):  # not on Windows
        os.setpgrp()  # Ctrl-C on a terminal reaches only the parent, which asks the workers to stop
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def report(progress: Progress) -> None:
        messages.put(progress)
        if stopping.is_set() and not progress.done:
            signal.raise_signal(signal.SIGTERM)  # repeated ones do nothing more

    while not stopping.is_set():
        with begun.get_lock():
            place = begun.value
            begun.value += 1
        if place >= len(runs):
            return
        run = runs[place]
        try:
            with as_tudui_errors():
                (result,) = train_together([job_of(run, folder, report, events=events)])
            report(Progress(run.name, 1.0, done=result.status))
        except TuduiError as error:
            messages.put(Failure(str(error), error.exit_code))
            return


def _die_with_parent() -> None:
    """End this process when its parent is gone, even if killed: two processes must never train one run."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
