"""The processes of one job, started by torchrun; only this file uses `torch.distributed`."""

import io
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from tudui.config.schema import TrainConfig
from tudui.errors import TuduiError, UsageError, WorkerError, as_tudui_errors
from tudui.invocation import check_environment, number_of_processes
from tudui.text import in_a_line

Value = TypeVar("Value")
PATIENCE = 3.0  # seconds for live processes to report after one was lost


@dataclass(frozen=True)
class World:
    """The processes that share every batch equally: one, unless `connect` found others."""

    rank: int = 0
    size: int = 1
    store: Any = None  # torch.distributed.Store: the names of the processes

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, start: int, stop: int) -> slice:
        """Return this process's share of the positions start to stop."""
        return slice(start + self.rank, stop, self.size)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in one message."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with self._naming_the_lost():
            torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def put_together(self, own: Tensor, whole: int) -> Tensor:
        """Return all rows [whole, *], of which `own` is this process's share."""
        if self.size == 1:
            return own
        rows = own.new_zeros(whole, *own.shape[1:])
        rows[self.share(0, whole)] = own
        self.sum_([rows])
        return rows

    def largest(self, value: int) -> int:
        """Return the largest value of all processes."""
        return max(self._gather(value))

    def from_first(self, value: Value) -> Value:
        """Return the first process's value (tensors and plain values, on the CPU) in every process."""
        if self.size == 1:
            return value
        packed = io.BytesIO()
        torch.save(value, packed)
        holder = [packed.getvalue()]
        with self._naming_the_lost():
            torch.distributed.broadcast_object_list(holder, src=0, device=torch.device("cpu"))
        return cast(Value, torch.load(io.BytesIO(holder[0]), map_location="cpu", weights_only=True))

    def copy_first_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process."""
        if self.size == 1:
            return
        with self._naming_the_lost():
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """If the block fails in one process, fail in all, with its exit code; the first process reports why.

        Nothing in the block may wait for another process.
        """
        failure: tuple[str, int] | None = None
        try:
            with as_tudui_errors():
                yield
        except TuduiError as error:
            if self.size == 1:
                raise
            failure = str(error), error.exit_code
        for rank, found in enumerate(self._gather(failure)):
            if found:
                text = (f"rank {rank}: " if rank else "") + found[0] if self.is_first else ""
                shared = TuduiError(*text.splitlines())
                shared.exit_code = found[1]
                raise shared

    def _gather(self, value: Value) -> list[Value]:
        """Return the value of every process, by rank."""
        values = [value] * self.size
        if self.size > 1:
            with self._naming_the_lost():
                torch.distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def _naming_the_lost(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # every broken connection means that another process is gone
            named = []
            with suppress(RuntimeError):  # the machine with the names may be gone too
                self.store.set(f"alive/{self.rank}", b"")
                time.sleep(PATIENCE)
                lost = [rank for rank in range(self.size) if not self.store.check([f"alive/{rank}"])]
                named = [f"rank {rank} ({self.store.get(f'process/{rank}').decode()})" for rank in lost]
            reason = f"{', '.join(named)} ended" if named else in_a_line(error)
            raise WorkerError(f"rank {self.rank} stops: {reason}") from None


ALONE = World()


def check_shares(config: TrainConfig) -> None:
    """Raise UsageError for batches that the processes of this job cannot share equally."""
    check_environment()
    size = number_of_processes()
    if size > 1 and not config.drop_last:
        raise UsageError(
            f"train.drop_last: {size} processes cannot share the last batch equally; set train.drop_last=true"
        )
    if config.batch_size % size:
        below = config.batch_size // size * size
        near = f"{below} or {below + size}" if below else str(size)
        raise UsageError(
            f"train.batch_size: {config.batch_size} is not a multiple of {size} processes; set it to {near}"
        )


@contextmanager
def connect() -> Iterator[World]:
    """Connect to the other processes that torchrun started: gloo between CPUs, nccl between GPUs."""
    if number_of_processes() == 1:
        yield ALONE
        return
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(rendezvous("env://"))
        if os.environ.get("LOCAL_WORLD_SIZE") == str(size):  # one machine, whose store survives a restart
            store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        store.set(f"process/{rank}", f"process {os.getpid()} on {socket.gethostname()}")
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
    except RuntimeError as error:  # also a port in use, or a process that ended before all were connected
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise WorkerError(
            f"the other processes cannot be reached at {where} ({in_a_line(error)}); start all of them"
        ) from None
    try:
        yield World(rank, size, store)
    finally:
        distributed.destroy_process_group()
