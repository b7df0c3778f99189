"""A run in TensorBoard: one event folder, one tag per curve, one entry among the hyper-parameters."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from textwrap import wrap
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event as TensorBoardEvent
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import custom_scalars, histogram_raw, hparams, image, scalar, text

from tudui.blocks import MANY, blocks_of, charted, norm_of, ratio_of, title_of
from tudui.config import Config
from tudui.config.dump import to_yaml
from tudui.config.load import flatten
from tudui.data import Dataset
from tudui.events import Evaluated, Event, RunEnded, RunStarted, StepEnd, Warned
from tudui.sinks import RunInfo, Sink
from tudui.sinks.event_file import EventFile, event_file
from tudui.sinks.graph import network_graph
from tudui.sinks.number_pictures import pairs_picture, values_grid
from tudui.sinks.pictures import confusion_picture, prediction_grid
from tudui.tasks import Numbers
from tudui.training.gradients import kinds_of, layer_names

# settings that are no hyper-parameters: computation, checkpoints, log, and the folder of the images
NO_HPARAMS = re.compile(
    r"log\.|checkpoint\.|data\.(dir|cache|on_bad_image|noise_matrix|noise_manifest|outlier_manifest)$|train\.(threads|channels_last)$|"
    r"(device|deterministic|expect)$"
)
MAX_CLASSES_SHOWN = 100
CURVES = {"train": "training", "validation": "validation"}  # a test score is one point: it is among the HParams


@contextmanager
def open_sink(run: RunInfo) -> Iterator[Sink]:
    """Write events to the folder; TensorBoard discards events of an earlier process after the last step."""
    with event_file(run.folder, purge_step=run.last_step + 1 if run.last_step else None) as events:
        yield emitter(events, run)


def emitter(events: EventFile, run: RunInfo) -> Sink:
    """Return the sink that writes to an open event file."""
    first = run.data.task.metrics[0].name

    def emit(event: Event) -> None:
        match event:
            case RunStarted():
                _start(events, run)
            case StepEnd():
                events.add(_steps(event), event.step)
            case Evaluated(weights="last"):
                detailed = event.split == "test" or event.epoch % run.config.log.details_every == 0
                events.add(_scores(event, run.data, detailed=detailed), event.step)
            case Warned():
                events.add(text("result/warnings", _verbatim(event.message)), event.step)
            case RunEnded():
                for name, scores in (event.result["train"] or {}).items():
                    if scores[first] is not None:
                        events.add(scalar(f"{first}/train_{name}", scores[first]), event.step)
                if event.status == "finished":
                    events.add(text("result/scores", _scores_table(event.result)), event.step)
                events.add(hparams({}, {})[2])  # the end of the session

    return emit


def _verbatim(shown: str) -> str:
    """Return Markdown that shows text unchanged: names in it may look like markup, images or links."""
    lines = [part for line in shown.splitlines() for part in wrap(line, 120, drop_whitespace=False) or [""]]
    return "\n".join(f"    {line}" for line in lines)


def _scores_table(result: Mapping[str, Any]) -> str:
    """Return the scores of the last weights as a Markdown table."""
    splits = [split for split in ("test", "validation") if result[split]]
    rows = [[name, *(f"{result[split][name]:.6g}" for split in splits)] for name in result["test"]]
    return "\n".join(f"| {' | '.join(row)} |" for row in (["", *splits], ["---"] * (1 + len(splits)), *rows))


def hyper_parameters(config: Config) -> dict[str, str | float]:
    """Return the settings that HParams shows; numbers without a fraction as text, or 64 would be 64.000."""
    settings = {key: value for key, value in flatten(config).items() if not NO_HPARAMS.match(key)}
    return {key: value if isinstance(value, float) else str(value).lower() for key, value in settings.items()}


def one_tag_charts(rows: Mapping[str, Mapping[str, str]]) -> Summary:
    """Return the layout of Custom Scalars from tags by row and title: one in each chart, so that a line is a run.

    TensorBoard gives all lines of a run one colour.
    """
    return custom_scalars(
        {
            row: {title: ["Multiline", [f"{re.escape(tag)}$"]] for title, tag in charts.items()}
            for row, charts in rows.items()
        }
    )


def _start(events: EventFile, run: RunInfo) -> None:
    # no experiment of its own: TensorBoard then shows first what differs between the runs
    events.add(hparams(hyper_parameters(run.config), {})[1])  # the start of the session
    events.add(text("config", _verbatim(to_yaml(run.config))), 0)
    graph = network_graph(run.model, run.data.shape)
    events.write(TensorBoardEvent(graph_def=graph.SerializeToString()))
    events.add(one_tag_charts(_charts(run)))


def _charts(run: RunInfo) -> dict[str, dict[str, str]]:
    """Return the tags of Custom Scalars by row and title; TensorBoard puts together rows of the same name."""
    layers, first = layer_names(run.model), run.data.task.metrics[0]
    kinds = kinds_of(run.model)
    titles = {block: title_of(block, kinds) for block in charted(layers)}
    kind = "layer" if len(layers) <= MANY else "block"
    network = run.config.network.name.rpartition("/")[2]  # runs of another network get charts of their own
    curves = {tag: title for tag, title in CURVES.items() if tag in run.data.splits()}
    return {
        f"loss and {first.title}": {
            f"{title} {shown}": f"{name}/{tag}"
            for name, shown in {"loss": "loss", first.name: first.title}.items()
            for tag, title in curves.items()
        },
        "norm of the whole gradient, learning rate": {
            "norm of the whole gradient": "gradient_norm/total",
            "learning rate": "learning_rate",
        },
        f"gradient norm by {kind}, {network}": {title: f"gradient_norm/{block}" for block, title in titles.items()},
        f"change per step by {kind}, {network}": {title: f"update_ratio/{block}" for block, title in titles.items()},
    }


def _steps(event: StepEnd) -> Iterator[Summary]:
    blocks = blocks_of(list(event.update_ratio)).items()
    scalars = {
        "loss/train": event.loss,
        **{f"{name}/train": value for name, value in event.scores.items()},
        "learning_rate": event.learning_rate,
        "images_per_second": event.timing.images_per_second,
        **{f"gradient_norm/{block}": norm_of(event.gradient_norm, layers) for block, layers in blocks},
        "gradient_norm/total": event.gradient_norm["total"],
        **{f"update_ratio/{block}": ratio_of(event.update_ratio, layers) for block, layers in blocks},
    }
    for tag, value in scalars.items():
        yield scalar(tag, value)
    for tag, counted in event.histograms.items():
        edges, counts = list(counted.edges), list(counted.counts)
        sums = {"num": sum(counts), "sum": counted.total, "sum_squares": counted.total_of_squares}
        yield histogram_raw(tag, edges[0], edges[-1], bucket_limits=edges[1:], bucket_counts=counts, **sums)


def _scores(event: Evaluated, data: Dataset, *, detailed: bool) -> Iterator[Summary]:
    metrics = {metric.name for metric in data.task.metrics}
    for name, value in event.values().items():
        if event.split != "test" or name in metrics:  # one point is no curve: for HParams, which takes it from there
            yield scalar(f"{name}/{event.split}", value)
    if isinstance(data.task, Numbers):
        yield from _of_numbers(event, data, data.task, detailed=detailed)
        return
    names = data.task.names
    for name, accuracy in event.details["per_class_accuracy"].items():
        if event.split == "validation" and accuracy is not None and len(names) <= MAX_CLASSES_SHOWN:
            yield scalar(f"per_class_accuracy/{name}", accuracy)
    if (shown := len(event.predicted)) and not data.features:  # a row of a table is no picture
        split = data.splits()[event.split]
        images = split.store[split.rows[:shown]].cpu().numpy()
        picture = prediction_grid(images, split.targets[:shown].tolist(), event.predicted, names)
        yield image(f"predictions/{event.split}", picture, dataformats="HWC")
    if detailed and len(names) <= MAX_CLASSES_SHOWN:
        picture = confusion_picture(event.details["confusion"], names)
        yield image(f"confusion/{event.split}", picture, dataformats="HWC")


def _of_numbers(event: Evaluated, data: Dataset, task: Numbers, *, detailed: bool) -> Iterator[Summary]:
    """Yield residuals as a histogram, predicted over true values, and images: the first and the worst."""
    if not detailed:
        return
    for column, name in enumerate(task.names):
        found = event.details["residuals"][name]
        low, high = found["range"]
        if high > low:
            edges, counts = np.linspace(low, high, len(found["counts"]) + 1).tolist(), found["counts"]
            middle = [count * (a + b) / 2 for count, (a, b) in zip(counts, pairwise(edges), strict=True)]
            squares = [count * ((a + b) / 2) ** 2 for count, (a, b) in zip(counts, pairwise(edges), strict=True)]
            sums = {"num": sum(counts), "sum": sum(middle), "sum_squares": sum(squares)}
            tag = f"residuals_{name}/{event.split}"
            yield histogram_raw(tag, low, high, bucket_limits=edges[1:], bucket_counts=counts, **sums)
        picture = pairs_picture(event.details["predicted_over_true"][name], task, column)
        yield image(f"predicted_over_true_{name}/{event.split}", picture, dataformats="HWC")
    if data.features:
        return
    split, worst = data.splits()[event.split], event.details["worst"]
    if event.predicted:
        picture = values_grid(split, range(len(event.predicted)), event.predicted, task)
        yield image(f"predictions/{event.split}", picture, dataformats="HWC")
    if worst["position"]:
        picture = values_grid(split, worst["position"], worst["predicted"], task)
        yield image(f"worst/{event.split}", picture, dataformats="HWC")
