"""The stages of a run around the loop: begin, restore, end an epoch, end the run."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tudui.config import config_from, load_config
from tudui.config.describe import shorten
from tudui.config.dump import to_yaml
from tudui.config.load import flatten
from tudui.config.loss_spec import Loss
from tudui.config.plug_ins import folder_name
from tudui.errors import DataError, UsageError
from tudui.events import Divergence, Evaluated, Outliers, RunEnded, RunStarted, StepEnd, Warned, WrongLabels
from tudui.files import json_text, write_text
from tudui.losses import build_every_loss, in_unit
from tudui.run.outcome import learned, manifest_of, memorised_images, spoiled_of, write_predictions
from tudui.run.pictures import draw_pictures
from tudui.run_folder import RunFolder, RunResult
from tudui.sinks import RunInfo, Sink, open_sink
from tudui.sinks.several import Sinks
from tudui.training.checkpoint import BEST, LAST, load_checkpoint, newest_checkpoint, restore_state, save_checkpoint
from tudui.training.device import hardware, versions
from tudui.training.engine import predict, score
from tudui.training.gradients import kinds_of
from tudui.training.hashes import begun_from
from tudui.training.state import images_left_out
from tudui.training.step import Training
from tudui.weights import load_initial

if TYPE_CHECKING:
    from tudui.training.checkpoint import Checkpoint

OWN_OF_A_MACHINE = ("data.dir", "device", "train.threads")  # settings in which the processes of a run may differ


class Run:
    """A run around the loop, event by event. It writes nothing before its first event."""

    def __init__(self, training: Training, folder: RunFolder, *, cautions: Sequence[str] = ()) -> None:
        self.training, self.folder, self.cautions = training, folder, [*cautions]
        self.config, self.data, self.loss = training.config, training.data, training.loss
        self.state, self.world = training.state, training.world
        self.metric = self.data.task.metrics[0]  # selects the best weights and stops early
        self.emit = Sinks()
        self.saved_step = -1
        self.pictures = False  # whether they are drawn at the end
        self.diverged: Divergence | None = None
        self.warning: str | None = None  # of a resumed run, for the listeners
        if self.config.train.early_stopping and self.data.validation is None:
            raise UsageError("train.early_stopping: needs validation images; set data.validation above 0")

    def initialise(self) -> None:
        """Load the weights of `train.init_from`, if it is set."""
        if self.config.train.init_from:
            path, model = Path(self.config.train.init_from), self.state.network.model
            self.cautions += load_initial(path, model, self.config.network, self.data.shape)

    def share_state(self) -> None:
        """Give every process the state of the first; TuduiError if its settings or its images differ from theirs."""
        if self.world.size == 1:
            return
        mine = {key: value for key, value in flatten(self.config).items() if key not in OWN_OF_A_MACHINE}
        mine |= {"device": self.config.device.partition(":")[0], "the images": self.data.fingerprint()}
        first = self.world.from_first(mine)
        with self.world.agreeing():
            if differing := sorted(key for key in {**first, **mine} if first.get(key) != mine.get(key)):
                shown = ", ".join(f"{key} {shorten(mine.get(key))} not {shorten(first.get(key))}" for key in differing)
                raise UsageError(
                    f"this process and the first have different settings ({shown}); start every process with the same "
                    f"config and images, and set device and precision with --set where machines differ"
                )
        self.state.load_state_dict(self.world.from_first(self.state.state_dict()))

    def restore(self, *, restart: bool = False, write: bool = True) -> None:
        """Restore the newest checkpoint; begin again if no step was done, or with `restart`.

        `write` cuts files back to it. WeightsError: no checkpoints; DataError: other images; UsageError: other config.
        """
        checkpoint = None
        if not restart:
            checkpoint, self.warning = newest_checkpoint(self.folder.checkpoints)
            if checkpoint is None:
                self.folder.check_not_begun()
        if checkpoint:
            self._restore(checkpoint)
        else:
            if not self.folder.extends(self.config):
                self.folder.check_same(self.config)  # without a fingerprint, other data is another run
            self.initialise()
        lengths = checkpoint.lengths if checkpoint else {}
        self.folder.check_lengths(lengths)
        if not write:
            return
        self.folder.cut_back(lengths)
        before = load_config(self.folder.config).config
        now = self.config
        if (before.train.epochs, before.data, before.log) != (now.train.epochs, now.data, now.log):
            write_text(self.folder.config, to_yaml(self.config))

    def _restore(self, checkpoint: "Checkpoint") -> None:
        began = config_from(checkpoint.config, str(checkpoint.path))
        if not self.folder.extends(self.config, began):
            self.folder.check_same(self.config, began)  # config.yaml may have been edited
        if checkpoint.data != self.data.fingerprint():
            raise DataError(
                f"{self.folder.root}: the data of {self.data.name} has changed since the run began; "
                f"restore it, give its new path with --data or --data-dir, or train again in another --run-dir"
            )
        restore_state(self.state, checkpoint)
        if began.train.epochs < self.config.train.epochs and self.is_over():
            raise UsageError(
                f"{self.folder.root}: early stopping ended this run after epoch {self.state.progress.epoch}, so more "
                f"epochs change nothing; train longer in a new run with --set train.early_stopping=null"
            )

    def open_sinks(self, stack: ExitStack) -> list[Sink]:
        """Return the sinks that the config names."""
        names, model, step = self.config.log.sinks, self.state.network.model, self.state.progress.step
        run = partial(RunInfo, config=self.config, data=self.data, model=model, last_step=step)
        return [
            stack.enter_context(open_sink(name, run(folder=self.folder.root / folder_name(name)))) for name in names
        ]

    def take(self, event: StepEnd) -> None:
        """Emit the event of a step; end its epoch if it is the last one."""
        self.emit(event)
        self.diverged = event.diverged
        if event.epoch_done and not self.diverged:
            self.end_epoch(event)

    def begin(self) -> None:
        """Emit RunStarted for a new run. For a resumed run, send it to the listeners but not to the record."""
        step, model = self.state.progress.step, self.state.network.model
        new, spoiled = step == 0, spoiled_of(self.data, self.config.data)
        started = RunStarted(
            name=self.folder.root.name, config=self.config.model_dump(mode="json"),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            task=self.data.task.about(),
            images={name: len(split) for name, split in self.data.splits().items()},
            steps_planned=self.state.steps_planned, step=step, samples=f"{self.data.noun}s", kinds=kinds_of(model),
            hashes=begun_from(self.config, self.data, model) if new and self.world.is_first else {},
            wrong_labels=spoiled if isinstance(spoiled, WrongLabels) else None,
            outliers=spoiled if isinstance(spoiled, Outliers) else None,
            residuals=in_unit(self.config.loss, self.data.task),
        )  # fmt: skip
        if new and self.world.is_first:
            self.save(LAST)  # a record with steps and no checkpoint is then known to have lost it
            if found := manifest_of(self.data, self.config):
                write_text(self.folder.root / found[0], json_text(found[1]) + "\n")
            self.emit(started)
            left_out, of_loss = images_left_out(self.config, self.data), self.config.loss.warnings()
            for note in (*self.cautions, *left_out, *of_loss, *self.data.notes):
                self.emit(Warned(step=0, message=note))
        if not new:
            self.emit.tell(started, self.emit.listeners)
            if self.warning:
                self.emit.tell(Warned(step=step, message=self.warning), self.emit.listeners)
        self.training.over = self.is_over()

    def end_epoch(self, trained: StepEnd) -> None:
        """Evaluate on validation and save checkpoints."""
        progress = self.state.progress
        if self.data.validation is not None:
            evaluated, outputs = self.evaluate("validation")
            if self.diverged:
                return
            self.emit(evaluated)
            self.warn_of_collapse(evaluated, outputs)
            score = evaluated.scores[self.metric.name]
            if self.is_over() and (memorised := memorised_images(trained, evaluated, self.metric)):
                self.emit(Warned(step=evaluated.step, message=memorised))
            if self.metric.is_better(score, progress.best_score):
                progress.best_epoch, progress.best_score = progress.epoch, score
                if self.config.checkpoint.best:
                    self.save(BEST)
        if self.is_over() or progress.epoch % self.config.checkpoint.every == 0:
            self.save(LAST)

    def warn_of_collapse(self, evaluated: Evaluated, outputs: torch.Tensor) -> None:
        """Warn if all predictions are the same; again only after they were not."""
        collapsed = self.data.task.collapse(outputs)
        if collapsed and not self.state.progress.collapsed:
            message = (
                f"collapsed in epoch {evaluated.epoch}: every {evaluated.split} {self.data.noun} is {collapsed} "
                f"(loss {self.config.loss.name}, peak learning rate {self.config.optimizer.lr:g}); "
                f"try a lower --lr, a lower --set train.clip, or another loss"
            )
            self.emit(Warned(step=evaluated.step, message=message))
        self.state.progress.collapsed = collapsed is not None

    def is_over(self) -> bool:
        """Return whether the run diverged, has done its epochs, or is ended by early stopping."""
        patience, progress = self.config.train.early_stopping or math.inf, self.state.progress
        waited = 0 if progress.epoch_images else progress.epoch - progress.best_epoch  # it stops between epochs
        return self.training.over or progress.epoch == self.config.train.epochs or waited >= patience

    def save(self, name: str) -> None:
        """Write a checkpoint of the current state, unless `last.pt` has it."""
        step = self.state.progress.step
        if not self.world.is_first or (name == LAST and self.saved_step == step):
            return
        if name == LAST:
            self.saved_step = step
        lengths = self.folder.lengths() if step else {self.folder.record.name: 0}  # from step 0 all is written again
        path, config = self.folder.checkpoints / name, self.config.model_dump(mode="json")
        save_checkpoint(path, self.state, self.data, config, lengths=lengths)

    def evaluate(
        self, split: str, *, weights: str = "last", losses: Mapping[str, Loss] | None = None
    ) -> tuple[Evaluated, torch.Tensor]:
        """Return the scores and outputs [N, K] of a split; the run diverged if its last weights give nan."""
        progress, images = self.state.progress, self.data.splits()[split]
        outputs = predict(self.state.network, images, self.world)
        detailed = progress.epoch % self.config.log.details_every == 0
        evaluated = score(
            outputs,
            images.targets,
            task=self.data.task,
            loss=self.loss,
            losses=losses or {},
            split=split,
            weights=weights,
            epoch=progress.best_epoch if weights == "best" else progress.epoch,
            step=progress.step,
            predictions_shown=self.config.log.images if detailed else 0,
        )
        if weights == "last" and not all(map(math.isfinite, evaluated.values().values())):
            rate = self.state.optimizer.peak * self.state.schedule(progress.step - 1)
            self.diverged = Divergence(step=progress.step, what="loss", layer=None, learning_rate=rate)
        return evaluated, outputs

    def end(self) -> RunResult:
        """Write the result, with the final scores unless the run diverged."""
        self.training.over = True
        scores = {} if self.diverged else self._final_scores()
        if self.pictures and self.world.is_first:
            draw_pictures(self.folder, self.data, self.config.log.pictures)
        if self.diverged:
            scores = {"diverged": asdict(self.diverged), **dict.fromkeys(("train", "validation", "test", "best"))}
        return self.write_result("diverged" if self.diverged else "finished", scores)

    def _final_scores(self) -> dict[str, Any]:
        """Evaluate the last and the selected weights on test; return nothing if that shows that the run diverged."""
        validation = self.evaluate("validation")[0] if self.data.validation is not None else None
        test, outputs = self.evaluate("test", losses=build_every_loss(self.data.task))
        if self.diverged:
            return {}
        self.emit(test)
        if validation is None:
            self.warn_of_collapse(test, outputs)
        if missing := self.data.task.missing(outputs, self.data.test.targets):
            self.emit(Warned(step=test.step, message=f"on the {test.images:,} test {self.data.noun}s, {missing}"))
        if self.world.is_first:
            write_predictions(self.folder.predictions, self.data.test, outputs, self.data.task)
        progress, metric = self.state.progress, self.metric.name
        best, best_score = test, validation.scores[metric] if validation else None
        if validation and self.config.checkpoint.best and progress.best_epoch != progress.epoch:
            last_weights = {name: tensor.clone() for name, tensor in self.state.network.model.state_dict().items()}
            weights = load_checkpoint(self.folder.checkpoints / BEST).state["model"] if self.world.is_first else {}
            self.state.network.model.load_state_dict(self.world.from_first(weights))
            best, _ = self.evaluate("test", weights="best")
            self.state.network.model.load_state_dict(last_weights)
            best_score = progress.best_score
            self.emit(best)
        return {
            "train": learned(self.state.network, self.data.train, self.metric, self.world),
            "validation": validation.values() if validation else None,
            "test": test.values(),
            "best": {"epoch": best.epoch, f"validation_{metric}": best_score, f"test_{metric}": best.scores[metric]},
        }

    def write_result(self, status: str, values: Mapping[str, Any]) -> RunResult:
        """Emit the last event, then write the result as the last file."""
        progress = self.state.progress
        result = {
            "status": status,
            "seed": self.config.seed,
            "loss": self.config.loss.name,
            "data": self.config.data.name,
            "task": self.data.task.about(),
            "images": {name: len(split) for name, split in self.data.splits().items()},
            "epochs": progress.epoch,
            "steps": progress.step,
            **values,
            "versions": versions(),
            "hardware": {**hardware(self.config), "processes": self.world.size},
            "timing": {"seconds": progress.seconds, "images_per_second": progress.images / max(progress.seconds, 1e-9)},
        }
        self.emit(RunEnded(step=progress.step, status=status, result=result))
        result |= self.emit.drops()
        if self.world.is_first:
            write_text(self.folder.result, json_text(result, indent=2) + "\n")
        return RunResult(self.folder.root, status, result)
