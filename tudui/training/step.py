"""One step of training: batch, forward, loss, backward, optimizer. For one run, or for several in lockstep.

On a GPU the whole step is captured as a CUDA graph with a branch for each run; a CPU runs the same code directly.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor

from tudui.config import Config
from tudui.config.loss_spec import Loss
from tudui.data import Dataset, EpochDraw
from tudui.distributed import ALONE, World
from tudui.networks.modules.check import naming
from tudui.seeding import derive_seed, seed_generators
from tudui.training.gradients import clip_, fill_gradients, norms
from tudui.training.state import TrainState

WARM_UPS = 3  # steps before a capture, so that lazy initialisation is done


@dataclass(eq=False)  # compare by identity, not by field values
class Training:
    """One run as the loop sees it."""

    state: TrainState
    data: Dataset
    loss: Loss
    config: Config
    world: World = ALONE  # the processes that share its batches
    over: bool = False  # finished, diverged or stopped early


class Measures(NamedTuple):
    """The measures of one step: a row of numbers that stays on the device until a yield."""

    loss: float  # mean over the batch
    score: float  # sum over the batch of the task's first metric
    norms: list[float]  # [P] of each parameter's gradient, before clipping
    ratios: list[float]  # [P] norm of each parameter's change / norm of the parameter; [] if the step was not measured


class RunStep:
    """The step of one run. Everything that changes between steps is in tensors with fixed addresses."""

    def __init__(self, training: Training, first: Tensor) -> None:
        self.training, self.first = training, first  # int64 []: position of the batch in the epoch
        self.parameters = training.state.optimizer.parameters
        self.metric = training.data.task.metrics[0]
        self.draw: EpochDraw | None = None
        self.images: Iterator[Tensor] | None = None  # of each batch, if they are streamed

    def begin_epoch(self, draw: EpochDraw, first: int) -> None:
        """Use the draw of a new epoch, whose next batch begins at position `first`."""
        train = self.training.data.train
        if train.streamed:
            self.images = train.batches(self._rows(draw.order, first))
        if self.draw is None:
            self.draw = draw.to(self.first.device)
        else:
            self.draw.copy_(draw)

    def _rows(self, order: Tensor, first: int) -> Iterator[Tensor]:
        """Yield the rows of each batch from `first` on that this process trains on."""
        size, world = self.training.config.train.batch_size, self.training.world
        for batch in order[first : self.training.state.steps_per_epoch * size].split(size):
            yield self.training.data.train.rows[batch[world.share(0, len(batch))]]

    def __call__(self, step: int, images: int, *, measured: bool) -> Tensor:
        """Do the step on a number of images; return its `Measures` as a row. Only fp16 waits for the device.

        A measured step comes before a yield, where the state of all processes is the same.
        """
        assert self.draw is not None, "begin_epoch comes first"
        state, world = self.training.state, self.training.world
        optimizer, scaler = state.optimizer, state.scaler
        positions = self.first + torch.arange(images, device=self.first.device)[world.share(0, images)]
        read = next(self.images) if self.images else None
        inputs, targets = self.draw.at(self.training.data.train, positions, read)
        if state.random_layers or state.own_code:  # from seed and step, so that a resumed run draws the same
            seed_generators(derive_seed(self.training.config.seed, "layers", step, world.rank))
        outputs = state.network(inputs)
        mean = self.training.loss(outputs, targets).mean() / world.size  # the sum over processes is the batch's mean
        with naming(state.network.model, state.network.name):
            gradients = fill_gradients(scaler.scale(mean) if scaler else mean, self.parameters)
        measures = torch.stack([mean.detach(), self.metric.of(outputs.detach(), targets).sum()])
        self._sum(gradients, measures)
        for_scaler = cast("torch.optim.Optimizer", optimizer)  # a scaler uses only param_groups and step
        if scaler:
            scaler.unscale_(for_scaler)
        layer_norms = norms(gradients)
        if state.clip is not None:
            clip_(gradients, layer_norms, state.clip)
        before = [parameter.detach().clone() for parameter in self.parameters] if measured else []
        if scaler:
            scaler.step(for_scaler)
            scaler.update()
        else:
            optimizer.step()
        row = [measures, layer_norms]
        if measured:
            world.copy_first_(optimizer.buffers)  # running means of its share
            after = [parameter.detach() for parameter in self.parameters]
            row.append(norms(torch._foreach_sub(after, before)) / norms(before).clamp(min=1e-12))
        return torch.cat(row)

    def _sum(self, gradients: list[Tensor], measures: Tensor) -> None:
        """Sum over the processes. All do the same update, also of a parameter that only some of them used."""
        world = self.training.world
        if world.size == 1:
            return
        used = measures.new_tensor([parameter.grad is not None for parameter in self.parameters])
        world.sum_([*gradients, measures, used])
        for parameter, gradient, uses in zip(self.parameters, gradients, used, strict=True):
            if parameter.grad is None and uses:
                parameter.grad = gradient


class Lockstep:
    """The same step of several runs: each row holds the `Measures` of one."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        state = trainings[0].state
        self.device = state.network.device
        self.first = torch.zeros((), dtype=torch.int64, device=self.device)
        self.runs = [RunStep(training, self.first) for training in trainings]
        optimizers = [training.state.optimizer for training in trainings]
        self.peaks = torch.tensor([optimizer.peak for optimizer in optimizers], device=self.device)
        self.rates = self.peaks.clone()
        for optimizer, rate in zip(optimizers, self.rates, strict=True):
            optimizer.rate = rate  # a view
        # a scaler reads its gradients, and several processes wait for each other, in every step
        alone = trainings[0].world.size == 1
        # a graph repeats its random numbers and what Python did, and reads from fixed addresses
        fixed = not any(t.state.random_layers or t.state.own_code or t.data.train.streamed for t in trainings)
        self.captured = self.device.type == "cuda" and state.scaler is None and alone and fixed
        self.streams = [torch.cuda.Stream(self.device) for _ in self.runs] if self.captured else []
        self.pool = torch.cuda.graph_pool_handle() if self.captured else None  # one graph runs at a time
        self.graphs: dict[tuple[int, bool], Callable[[], Tensor]] = {}

    def begin_epoch(self, draws: Sequence[EpochDraw], first: int = 0) -> None:
        """Use the draws of a new epoch, one for each run; its next batch begins at position `first`."""
        for run, draw in zip(self.runs, draws, strict=True):
            run.begin_epoch(draw, first)

    def __call__(self, step: int, first: int, images: int, factor: float, *, measured: bool) -> Tensor:
        """Do step number `step` on the epoch's images from `first` on; return float32 [R, 2 + P or 2 + 2 P]."""
        self.first.fill_(first)
        torch.mul(self.peaks, factor, out=self.rates)
        if not self.captured:
            return torch.stack([run(step, images, measured=measured) for run in self.runs])
        shape = (images, measured)
        if shape not in self.graphs:
            self.graphs[shape] = self._capture(images, measured=measured)
        return self.graphs[shape]()

    def _capture(self, images: int, *, measured: bool) -> Callable[[], Tensor]:
        """Return the step as one CUDA graph; the state of every run is unchanged."""
        changed = [tensor for run in self.runs for tensor in run.training.state.optimizer.tensors()]
        before = [tensor.detach().clone() for tensor in changed]
        torch.cuda.synchronize(self.device)
        side = torch.cuda.Stream(self.device)
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._branches(images, measured=measured)
        torch.cuda.synchronize(self.device)
        with torch.no_grad():
            torch._foreach_copy_(changed, before)
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            rows = self._branches(images, measured=measured)
        # each graph has its own gradients; those of a measured step are read before the next step
        measured_gradients = [
            (parameter, parameter.grad) for run in self.runs for parameter in run.parameters if measured
        ]

        def replay() -> Tensor:
            graph.replay()
            for parameter, gradient in measured_gradients:
                parameter.grad = gradient
            return rows.clone()  # the next replay overwrites them

        return replay

    def _branches(self, images: int, *, measured: bool) -> Tensor:
        """Do the step of each run on its own stream, so that small kernels of many runs share the device."""
        main = torch.cuda.current_stream(self.device)
        rows = []
        for run, stream in zip(self.runs, self.streams, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                rows.append(run(0, images, measured=measured))
        for stream in self.streams:
            main.wait_stream(stream)
        return torch.stack(rows)
