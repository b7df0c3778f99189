"""TensorBoard: read back with its own reader, and served by its own server."""

import io
import itertools
import json
import re
import shutil
import sys
import threading
import time
import urllib.request
from collections import Counter
from urllib.parse import urljoin

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.conftest import LAYERS, quick_config, record, served, tudui_network
from tests.test_run import cut_at
from tudui.blocks import blocks_of
from tudui.errors import Interrupted
from tudui.networks import Shape, build_network
from tudui.run import train
from tudui.sinks.pictures import confusion_picture, prediction_grid

PARAMETERS = [f"{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias")]
EVERYTHING = {"scalars": 0, "histograms": 0, "images": 0, "compressedHistograms": 0, "tensors": 0}


def read(run_dir) -> EventAccumulator:
    return EventAccumulator(str(run_dir / "tensorboard"), size_guidance=EVERYTHING).Reload()


def check_scalars(run_dir):
    """Every tag of the design, once per step, with the values of the record."""
    found, events = read(run_dir), record(run_dir)
    steps = [event for event in events if event["event"] == "StepEnd"]
    validations = [event for event in events if event["event"] == "Evaluated" and event["split"] == "validation"]
    expected = {
        "loss/train": {event["step"]: event["loss"] for event in steps},
        "accuracy/train": {event["step"]: event["scores"]["accuracy"] for event in steps},
        "learning_rate": {event["step"]: event["learning_rate"] for event in steps},
        "loss/validation": {event["step"]: event["loss"] for event in validations},
        "accuracy/validation": {event["step"]: event["scores"]["accuracy"] for event in validations},
    }
    for name in ("total", *PARAMETERS):
        expected[f"gradient_norm/{name}"] = {event["step"]: event["gradient_norm"][name] for event in steps}
    for name in PARAMETERS:
        expected[f"update_ratio/{name}"] = {event["step"]: event["update_ratio"][name] for event in steps}
    for tag, values in expected.items():
        scalars = found.Scalars(tag)
        assert Counter(scalar.step for scalar in scalars) == dict.fromkeys(values, 1), tag
        assert [scalar.value for scalar in scalars] == pytest.approx(list(values.values()), rel=1e-6), tag
    assert {scalar.step for scalar in found.Scalars("images_per_second")} == set(expected["loss/train"])
    of_test = {tag for tag in found.Tags()["scalars"] if tag.endswith("/test")}
    assert of_test == {"accuracy/test", "top5/test", "nll/test"}  # a point each, which HParams shows
    for tag in of_test:
        assert [scalar.step for scalar in found.Scalars(tag)] == [steps[-1]["step"]], tag
    ends = [event["step"] for event in steps if event["epoch_done"]]
    for kind in ("gradient", "weight"):
        for name in PARAMETERS:
            assert [histogram.step for histogram in found.Histograms(f"{kind}/{name}")] == ends
    return found


def test_every_tag_once_per_step(trained):
    found = check_scalars(trained)
    tags = found.Tags()
    assert set(tags["images"]) == {
        "predictions/validation", "predictions/test", "confusion/validation", "confusion/test"
    }  # fmt: skip
    weight = found.Histograms("weight/conv1.weight")[-1].histogram_value
    assert weight.num == 32 * 3 * 5 * 5
    picture = Image.open(io.BytesIO(found.Images("predictions/validation")[0].encoded_image_string))
    assert picture.size[0] > 400
    per_class = {tag for tag in tags["scalars"] if tag.startswith("per_class_accuracy/")}
    assert per_class == {f"per_class_accuracy/{digit}" for digit in range(10)}  # on validation, and each a curve
    text = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "lr: " in text
    assert "name: ce" in text


def test_the_graph_is_the_network_in_order(trained):
    graph = GraphDef.FromString(read(trained)._graph)
    nodes = {node.name: node for node in graph.node}
    shapes = {
        name: [size.size for size in node.attr["_output_shapes"].list.shape[0].dim]
        for name, node in nodes.items()
        if "_output_shapes" in node.attr
    }
    assert shapes["conv3/weight"] == [64, 32, 5, 5]
    values, parts = torch.zeros(2, 3, 32, 32), tudui_network(10)
    assert shapes["images"] == [-1, *values.shape[1:]]
    for layer, module in parts.named_children():
        values = module(values)
        assert shapes[f"{layer}/{type(module).__name__}"] == [-1, *values.shape[1:]]
    assert nodes["conv1/Conv2d"].input[0] == "images"
    assert nodes["pool1/MaxPool2d"].input[0] == "conv1/Conv2d"
    assert "linear2/weight" in nodes["linear2/Linear"].input
    assert nodes["logits"].input[0] == "linear2/Linear"


def test_hparams_and_layout_lie_in_the_same_run(trained):
    assert len(list((trained / "tensorboard").rglob("*tfevents*"))) == 1
    found = read(trained)
    plugin = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content)
        for tag, content in found.PluginTagToContent("hparams").items()
    }
    assert "_hparams_/experiment" not in plugin  # it would keep TensorBoard from putting first what differs
    start = plugin["_hparams_/session_start_info"].session_start_info
    assert start.hparams["loss.name"].string_value == "ce"
    assert start.hparams["optimizer.lr"].number_value == pytest.approx(quick_config().optimizer.lr)
    assert start.hparams["train.batch_size"].string_value == "64"  # not 64.000
    for no_hparam in ("log.every", "data.dir", "train.threads", "device", "checkpoint.every"):
        assert no_hparam not in start.hparams
    assert "_hparams_/session_end_info" in plugin
    layout = layout_pb2.Layout.FromString(found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    wanted = [tag for category in layout.category for chart in category.chart for tag in chart.multiline.tag]
    drawn = {tag: [one for one in found.Tags()["scalars"] if re.match(tag, one)] for tag in wanted}  # as the page does
    assert [len(tags) for tags in drawn.values()] == [1] * len(wanted)
    charts = {category.title: [chart.title for chart in category.chart] for category in layout.category}
    assert charts == {
        "loss and accuracy": ["training loss", "validation loss", "training accuracy", "validation accuracy"],
        "norm of the whole gradient, learning rate": ["norm of the whole gradient", "learning rate"],
        "gradient norm by layer, tudui": [*LAYERS],
        "change per step by layer, tudui": [*LAYERS],
    }
    assert all(len(chart.multiline.tag) == 1 for category in layout.category for chart in category.chart)
    assert not any(tag.endswith("/test") for (tag,) in drawn.values())  # a single point is no curve


def test_the_scores_are_a_table_of_text(trained):
    table = read(trained).Tensors("result/scores/text_summary")[0].tensor_proto.string_val[0].decode().splitlines()
    head, line, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    assert head == ["", "test", "validation"]
    assert line == ["---"] * 3
    result = json.loads((trained / "result.json").read_text())
    assert [name for name, *_ in rows] == list(result["test"])
    for name, *values in rows:
        assert [float(value) for value in values] == pytest.approx(
            [result[split][name] for split in head[1:]], rel=1e-5
        )


def test_a_network_of_many_layers_is_shown_by_block(tmp_path):
    """As many curves and histograms as resnet20 has blocks; the record keeps every parameter."""
    config = quick_config("network.name=resnet20", "data.size=8", "train.epochs=1", "optimizer.lr=0.1")
    train(config, tmp_path / "run")
    found, blocks = read(tmp_path / "run"), {"conv", "bn", "stage1", "stage2", "stage3", "linear"}
    tags, (first, *_) = found.Tags(), (event for event in record(tmp_path / "run") if event["event"] == "StepEnd")
    by_kind = {}
    for tag in tags["scalars"] + tags["histograms"]:
        kind, _, name = tag.partition("/")
        by_kind.setdefault(kind, set()).add(name)
    assert by_kind["gradient_norm"] == {"total", *blocks}
    assert by_kind["update_ratio"] == by_kind["gradient"] == by_kind["weight"] == blocks
    layout = layout_pb2.Layout.FromString(found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    by_block = {category.title: {chart.title for chart in category.chart} for category in layout.category}
    assert by_block["gradient norm by block, resnet20"] == by_block["change per step by block, resnet20"] == blocks
    assert len(first["gradient_norm"]) == 1 + len(first["update_ratio"]) == 60
    inside = [norm for name, norm in first["gradient_norm"].items() if name.startswith("stage2.")]
    written = found.Scalars("gradient_norm/stage2")[0].value
    assert written == pytest.approx(sum(norm**2 for norm in inside) ** 0.5, rel=1e-6)
    ratios = sorted(ratio for name, ratio in first["update_ratio"].items() if name.startswith("bn."))
    assert found.Scalars("update_ratio/bn")[0].value == pytest.approx(sum(ratios) / 2, rel=1e-6)  # of 2, the median
    counted = found.Histograms("weight/stage3")[-1].histogram_value
    network = build_network(config.network, Shape((3, 8, 8), 10), seed=0)
    assert counted.num == sum(one.numel() for one in network.stage3.parameters())


@pytest.mark.parametrize(
    ("layers", "blocks"),
    [
        ([f"conv{number}.weight" for number in range(20)], [f"conv{number}.weight" for number in range(20)]),
        (["stem.weight", *(f"body.{number}.bias" for number in range(20))],
         ["stem-body.0", *(f"body.{2 * n + 1}-body.{2 * n + 2}" for n in range(9)), "body.19"]),
        ([f"model.features.{block}.{part}.w" for block in range(3) for part in range(9)],
         [f"model.features.{block}" for block in range(3)]),
        ([f"model.head.{part}.w" for part in range(9)] + [f"model.body.{part}.w" for part in range(16)],
         ["model.head", *(f"model.body.{part}" for part in range(16))]),
        ([f"w{number}" for number in range(50)],
         [f"w{n}-w{min(n + 2, 49)}" for n in range(0, 50, 3)]),
    ],
    ids=["few", "flat", "one block", "a large one", "no blocks"],
)  # fmt: skip
def test_blocks_are_the_top_level_and_at_most_20(layers, blocks):
    found = blocks_of(layers)
    assert list(found) == blocks
    assert [layer for inside in found.values() for layer in inside] == layers


@pytest.mark.parametrize("number", [3, 4, 6], ids=["within an epoch", "at its end", "in the second"])
def test_every_tag_once_per_step_after_a_resume(number, tmp_path):
    config = quick_config()
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", sinks=[cut_at(number)])
    train(config, tmp_path / "run", resume=True)
    check_scalars(tmp_path / "run")


@pytest.mark.slow
def test_events_after_the_last_checkpoint_are_withdrawn(tmp_path):
    """As after a kill: the folder goes back to what the checkpoint knows."""
    config = quick_config("checkpoint.every=2", "train.epochs=4")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", sinks=[cut_at(13)])
    checkpoints = tmp_path / "run" / "checkpoints"
    (checkpoints / "previous.pt").replace(checkpoints / "last.pt")  # that of epoch 2
    train(config, tmp_path / "run", resume=True)
    check_scalars(tmp_path / "run")


def test_tensorboard_can_be_turned_off(tmp_path):
    train(quick_config("train.epochs=1", "log.sinks=[]"), tmp_path / "run")
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_pictures_show_what_they_say():
    images = np.full((3, 3, 32, 32), 200, dtype=np.uint8)
    right = prediction_grid(images, [0, 1, 2], [0, 1, 2], ["cat", "dog", "a very long name of a class"])
    wrong = prediction_grid(images, [0, 1, 2], [0, 1, 1], ["cat", "dog", "a very long name of a class"])
    changed = np.argwhere((right != wrong).any(2))
    assert changed[:, 1].min() >= 2 * 144  # only around and below the third picture
    assert (changed[:, 0] > 144).any()
    pixels = np.arange(3 * 32 * 32, dtype=np.uint8).reshape(1, 3, 32, 32)
    shown = prediction_grid(pixels, [0], [0], ["cat"])[8:136, 8:136]
    assert np.array_equal(shown[::4, ::4], pixels[0].transpose(1, 2, 0))  # each pixel a square of 4 x 4
    assert np.array_equal(shown, shown[::4, ::4].repeat(4, 0).repeat(4, 1))
    matrix = confusion_picture([[10, 0], [5, 5]], ["cat", "dog"])
    dark = confusion_picture([[0, 10], [5, 5]], ["cat", "dog"])
    assert not np.array_equal(matrix, dark)
    for classes in (2, 10, 100):
        assert min(confusion_picture(np.eye(classes).tolist(), [f"class {n}" for n in range(classes)]).shape[:2]) > 100


def test_nothing_to_show_says_what_to_do(tmp_path, tudui):
    answer = tudui("tensorboard", tmp_path / "none")
    assert answer.code == 2
    assert "no such folder; train first" in answer.err
    (tmp_path / "empty").mkdir()
    answer = tudui("tensorboard", tmp_path / "empty")
    assert answer.code == 2
    assert "contains no event files" in answer.err


def test_the_server_listens_on_the_loopback_address(trained):
    with served(trained.parent) as address, urllib.request.urlopen(f"{address}data/plugin/scalars/tags") as answer:
        runs = answer.read().decode()
    assert "digits-ce-seed0" in runs
    assert "accuracy/validation" in runs


@pytest.mark.parametrize("command", ["runs", "tensorboard"])
def test_folders_that_come_and_go_meanwhile_are_no_error(command, tmp_path, tudui):
    """A run that is being deleted: pathlib raises if a folder goes between its listing and its reading."""
    over = threading.Event()

    def come_and_go() -> None:
        for number in itertools.cycle(range(50)):
            if over.is_set():
                return
            (tmp_path / f"run{number}" / "tensorboard").mkdir(parents=True)
            shutil.rmtree(tmp_path / f"run{number}")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(300):
            assert tudui(command, tmp_path).code == 2  # nothing is here
    finally:
        over.set()
        other.join()


@pytest.mark.parametrize(
    "other",
    [
        "sys.modules['tensorboard.plugins.hparams.backend_context'] = None",
        "made = hparams_plugin.backend_context.Context.__init__\n"
        "hparams_plugin.HParamsPlugin.__init__ = lambda self, context: None\n"
        "hparams_plugin.backend_context.Context.__init__ = lambda self, context, more: made(self, context)",
    ],
)
def test_another_version_of_tensorboard_shows_its_own_pages(trained, other):
    """Its HParams has other parts, which are not documented: a module is missing, or a class is made from more."""
    start = "sys.argv = sys.argv[3:]; runpy.run_module('tudui', run_name='__main__', alter_sys=True)"
    code = f"import runpy, sys\nfrom tensorboard.plugins.hparams import hparams_plugin\n{other}\n{start}"
    with served(trained, sys.executable, "-c", code) as address:
        with urllib.request.urlopen(address) as page:
            assert b"TensorBoard</title>" in page.read()
        with urllib.request.urlopen(urljoin(address, "data/plugins_listing")) as answer:
            assert {"scalars", "hparams"} <= {*json.load(answer)}


def test_a_comparison_lies_under_one_folder_with_a_page_that_overlays_the_losses(compared):
    """Every run under its readable name, found by the real server, and a mean curve per loss and noise level."""
    shown = compared / "tensorboard"
    runs = {f"{cell}-seed{seed}" for cell in ("ce", "mse", "ce-noise40", "mse-noise40") for seed in range(3)}
    means = {f"{cell}-mean" for cell in ("ce", "mse", "ce-noise40", "mse-noise40")}
    assert {path.name for path in shown.iterdir()} == runs | means
    values = json.loads((compared / "comparison.json").read_text())
    for row in values["rows"]:
        found = EventAccumulator(str(shown / f"{row['name']}-mean")).Reload()
        last = found.Scalars("compared/accuracy_validation")[-1]
        assert last.value == pytest.approx(row["validation_accuracy"]["mean"], rel=1e-6)
        assert {len(found.Scalars(f"compared/gradient_norm/{name}")) for name in ("total", "conv1.weight")} == {4}
    first = EventAccumulator(str(shown / "ce-mean"), size_guidance=EVERYTHING).Reload()
    layout = layout_pb2.Layout.FromString(first.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    overview, by_layer = layout.category
    tags = [[re.sub(r"\\(.)", r"\1", tag) for tag in chart.multiline.tag] for chart in overview.chart]
    assert tags == [["compared/accuracy_validation$"], ["compared/gradient_norm/total$"]]
    assert [chart.title for chart in by_layer.chart] == [*LAYERS]
    assert all(len(chart.multiline.tag) == 1 for chart in by_layer.chart)
    plugin = first.PluginTagToContent("hparams")["_hparams_/experiment"]
    columns = plugin_data_pb2.HParamsPluginData.FromString(plugin).experiment
    assert [setting.name for setting in columns.hparam_infos] == ["loss.name", "data.label_noise", "seed"]
    assert [metric.name.tag for metric in columns.metric_infos][:2] == ["accuracy/test", "accuracy/validation"]
    with served(compared) as address:
        found, deadline = set(), time.monotonic() + 60
        while found != runs | means and time.monotonic() < deadline:
            with urllib.request.urlopen(urljoin(address, "data/runs")) as answer:
                found = set(json.load(answer))
            time.sleep(0.2)
        assert found == runs | means
