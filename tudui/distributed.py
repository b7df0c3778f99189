"""The processes of one job, started by torchrun; this is the only file that says `torch.distributed`."""

import io
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from tudui.config.schema import TrainConfig
from tudui.errors import TuduiError, UsageError, WorkerError
from tudui.invocation import number_of_processes
from tudui.text import in_a_line

Value = TypeVar("Value")
PATIENCE = 3.0  # seconds in which every process that is alive says so, after one was lost


@dataclass(frozen=True)
class World:
    """The processes that share every batch equally; alone unless `connect` found others."""

    rank: int = 0
    size: int = 1
    store: Any = None  # torch.distributed.Store: where the processes leave their names

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
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
        """Return the rows [whole, *] of which each process gives its share."""
        if self.size == 1:
            return own
        rows = own.new_zeros(whole, *own.shape[1:])
        rows[self.share(0, whole)] = own
        self.sum_([rows])
        return rows

    def largest(self, value: int) -> int:
        """Return the largest value that any process has."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value)
        with self._naming_the_lost():
            torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX)
        return int(tensor)

    def from_first(self, value: Value) -> Value:
        """Return the first process's value, of tensors and plain values, on the CPU; the others' is ignored."""
        if self.size == 1:
            return value
        packed = io.BytesIO()
        torch.save(value, packed)
        holder = [packed.getvalue()]
        with self._naming_the_lost():
            torch.distributed.broadcast_object_list(holder, src=0, device=torch.device("cpu"))
        first: Value = torch.load(io.BytesIO(holder[0]), map_location="cpu", weights_only=True)
        return first

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """Fail in every process where the block fails in one, with its exit code; the first one says why.

        Nothing in the block may wait for another process.
        """
        error: TuduiError | None = None
        try:
            yield
        except TuduiError as caught:
            error = caught
        if self.size == 1:
            if error:
                raise error
            return
        found: list[Any] = [None] * self.size
        with self._naming_the_lost():
            torch.distributed.all_gather_object(found, error and (str(error), error.exit_code))
        for rank, failure in enumerate(found):
            if failure:
                text, exit_code = failure
                told = TuduiError((f"rank {rank}: " if rank else "") + text if self.is_first else "")
                told.exit_code = exit_code
                raise told

    @contextmanager
    def _naming_the_lost(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # whatever the connection broke with, another process is gone
            raise self._lost(error) from None

    def _lost(self, error: RuntimeError) -> WorkerError:
        try:
            self.store.set(f"alive/{self.rank}", b"")
            time.sleep(PATIENCE)
            lost = [rank for rank in range(self.size) if not self.store.check([f"alive/{rank}"])]
            named = [f"rank {rank} ({self.store.get(f'process/{rank}').decode()})" for rank in lost]
        except RuntimeError:  # the machine that kept the names is gone too
            named = []
        return WorkerError(f"rank {self.rank} stops: {', '.join(named) + ' ended' if named else in_a_line(error)}")


ALONE = World()


def check_shares(config: TrainConfig) -> None:
    """Refuse batches that the processes of this job cannot share equally."""
    size = number_of_processes()
    if size > 1 and not config.drop_last:
        raise UsageError(
            f"train.drop_last: false leaves a last batch that {size} processes cannot share equally; leave it true"
        )
    if config.batch_size % size:
        below = config.batch_size // size * size
        near = f"{below} or {below + size}" if below else str(size)
        raise UsageError(
            f"train.batch_size: {config.batch_size} images cannot be shared equally by {size} processes; take {near}"
        )


@contextmanager
def connect() -> Iterator[World]:
    """Find the other processes of a job that torchrun started: gloo between processors, nccl between GPUs."""
    if number_of_processes() == 1:
        yield ALONE
        return
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(rendezvous("env://"))
    if os.environ.get("LOCAL_WORLD_SIZE") == str(size):  # one machine, whose store still knows those before a restart
        store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
    store.set(f"process/{rank}", f"process {os.getpid()} on {socket.gethostname()}")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        yield World(rank, size, store)
    finally:
        distributed.destroy_process_group()
