"""The networks: that of the course, to the last parameter, and one of another package through everything."""

import json
import signal
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import Field
from torch import nn
from torchvision.transforms import v2

from tests.conftest import LAYERS, QUICK, tudui_network
from tudui.config import config_from, load_config, parse_set
from tudui.config.optimizing import AdamConfig, SgdConfig
from tudui.data import Preparation, Split, draw_epoch, load_data
from tudui.errors import ConfigError, Interrupted, UsageError, WeightsError
from tudui.events import StepEnd
from tudui.inference.export import export_model
from tudui.inference.scores import evaluate_weights
from tudui.lab.backward.batch import first_batch
from tudui.losses import LossSpec, loss_specs
from tudui.networks import NetworkParameters, NetworkSpec, Shape, build_network, network_specs
from tudui.networks.mlp import MlpParameters
from tudui.networks.modules.describe import describe_network
from tudui.run import train
from tudui.sinks.graph import network_graph
from tudui.training.gradients import fill_gradients, layer_names
from tudui.training.optimizer import Optimizer
from tudui.weights import read_weights


def course_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


def test_parameters_and_names():
    model = tudui_network(10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 145_578
    assert tuple(dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters())) == LAYERS
    assert tudui_network(37)(torch.zeros(2, 3, 32, 32)).shape == (2, 37)


def test_the_same_function_as_the_courses_network():
    course, ours = course_network(), tudui_network(10)
    ours.load_state_dict(dict(zip(ours.state_dict(), course.state_dict().values(), strict=True)))
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(ours(images), course(images))


def test_initial_weights_come_from_the_seed_alone():
    torch.manual_seed(5)
    first = tudui_network(10, seed=3)
    torch.manual_seed(6)
    state = torch.get_rng_state()
    second, other = tudui_network(10, seed=3), tudui_network(10, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


class Odd(nn.Module):
    """What the course's network has not: a branch, running means, a frozen parameter, one that is not used."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape.input[0], width, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.head = nn.Linear(width * 16, shape.outputs)
        self.frozen = nn.Parameter(torch.full((width, 1, 1), 0.5), requires_grad=False)
        self.unused = nn.Linear(2, 2)

    def forward(self, images):
        values = self.stem(images) + self.frozen
        values = values + self.block(values)
        return self.head(nn.functional.adaptive_avg_pool2d(values, 4).flatten(1))


class OddParameters(NetworkParameters):
    name: Literal["odd"] = "odd"
    width: int = Field(8, ge=1, le=64, description="channels")


ODD = NetworkSpec(
    name="odd",
    parameters=OddParameters,
    build=lambda parameters, shape: Odd(shape, parameters.width),
    rates={("ce", "recipe", "sgd"): 0.02},
)
SETTINGS = ("network=odd", "network.width=4", *QUICK)


@pytest.fixture
def odd(monkeypatch):
    monkeypatch.setitem(network_specs(), "odd", ODD)


def test_rates_belong_to_the_network(odd, monkeypatch):
    assert load_config(None, [parse_set("network=odd")]).config.optimizer.lr == 0.02
    with pytest.raises(ConfigError, match="no measured rate for l1, form recipe, sgd, network odd; set one"):
        load_config(None, [parse_set("network=odd"), parse_set("loss=l1")])
    own = LossSpec(name="own", formula="0", build=lambda parameters, task: None, rates={("odd", "recipe", "sgd"): 0.3})
    monkeypatch.setitem(loss_specs(), "own", own)
    assert load_config(None, [parse_set("network=odd"), parse_set("loss=own")]).config.optimizer.lr == 0.3
    with pytest.raises(ConfigError, match="no measured rate for own"):
        load_config(None, [parse_set("loss=own")])


def test_an_optimizer_has_a_rate_for_losses_without_a_recipe(monkeypatch):
    of_loss = "loss={name: l1, input: probabilities}"
    with pytest.raises(ConfigError, match="no measured rate for l1, form probabilities, adam"):
        load_config(None, [parse_set("optimizer=adam"), parse_set(of_loss)])
    monkeypatch.setattr(AdamConfig, "usual_rate", 0.003)
    loaded = load_config(None, [parse_set("optimizer=adam"), parse_set(of_loss)])
    assert loaded.config.optimizer.lr == 0.003
    assert loaded.provenance["optimizer.lr"] == "recipe of adam for any loss"
    assert load_config(None, [parse_set("optimizer=adam")]).config.optimizer.lr == 0.002


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("network=tudi",), "--set network=tudi: network.name: unknown network 'tudi'; did you mean 'tudui'"),
        (("network.width=3",), "--set network.width=3: network.width: unknown key; network has: name"),
        (("network=odd", "network.width=0"), "network.width: should be greater than or equal to 1 (got 0)"),
        (("network=3",), "network: must be a section with keys and values (got 3)"),
    ],
)
def test_a_network_section_that_is_wrong(settings, says, odd):
    with pytest.raises(ConfigError) as caught:
        load_config(None, [parse_set(setting) for setting in settings])
    assert says in str(caught.value)


def test_auto_is_resolved_where_the_config_is_read(tudui):
    text = "loss: auto\nnetwork: auto\n"
    Path("auto.yaml").write_text(text)
    config = load_config(Path("auto.yaml")).config
    assert config == load_config().config
    assert (config.loss.name, config.network.name) == ("ce", "tudui")
    shown = tudui("config", "show", "--config", "auto.yaml").out
    assert "name: ce" in shown
    assert "name: tudui" in shown
    assert config_from({}, "before there was a choice").network.name == "tudui"


def test_a_network_of_another_package_is_trained_resumed_and_read(odd, tmp_path):
    config = load_config(None, [parse_set(setting) for setting in SETTINGS]).config
    whole = train(config, tmp_path / "whole")
    stopped = []

    def stop(event):
        if isinstance(event, StepEnd) and event.step >= 25 and not stopped:
            stopped.append(event.step)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", sinks=[stop])
    train(config, tmp_path / "cut", resume=True)
    ours, theirs = (read_weights(tmp_path / name) for name in ("whole", "cut"))
    assert ours.network == OddParameters(width=4)
    assert ours.tensors.keys() == Odd(Shape((3, 32, 32), 10), 4).state_dict().keys()
    assert all(torch.equal(ours.tensors[name], theirs.tensors[name]) for name in ours.tensors)
    assert torch.equal(ours.tensors["frozen"], torch.full((4, 1, 1), 0.5))
    assert ours.tensors["block.0.num_batches_tracked"] == 40
    assert evaluate_weights(tmp_path / "whole").evaluated.scores["accuracy"] == whole.values["test"]["accuracy"]
    for name in ("odd.safetensors", "odd.pt"):
        export_model(tmp_path / "whole", tmp_path / name, format="torch" if name.endswith("pt") else "safetensors")
        again = read_weights(tmp_path / name)
        assert again.network == ours.network
        assert all(torch.equal(ours.tensors[key], again.tensors[key]) for key in ours.tensors)
        assert "the package of the network odd" in (tmp_path / f"{name}.md").read_text()
    assert export_model(tmp_path / "whole", tmp_path / "odd.onnx", format="onnx").check.passed
    other = load_config(None, [parse_set(f"train.init_from={tmp_path / 'whole'}"), *map(parse_set, QUICK)]).config
    with pytest.raises(WeightsError, match=r"of the network odd, width 4, and not tudui \(conv1.weight"):
        train(other, tmp_path / "other")
    with pytest.raises(UsageError, match="--set network=tudui"):
        first_batch(config)


def test_the_graph_of_a_network_with_a_branch():
    model = Odd(Shape((3, 32, 32), 10), 4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    nodes = {node.name: list(node.input) for node in network_graph(model, Shape((3, 32, 32), 10)).node}
    layers = {name: [source for source in inputs if "weight" not in source and "bias" not in source]
              for name, inputs in nodes.items() if inputs}  # fmt: skip
    assert layers == {
        "stem/Conv2d": ["images"],
        "block/0/BatchNorm2d": ["stem/Conv2d"],
        "block/1/ReLU": ["block/0/BatchNorm2d"],
        "block/2/Conv2d": ["block/1/ReLU"],
        "head/Linear": ["stem/Conv2d", "block/2/Conv2d"],
        "logits": ["head/Linear"],
    }
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_what_a_step_changes_holds_running_means_and_no_frozen_parameter():
    optimizer = Optimizer(model := Odd(Shape((3, 32, 32), 10), 4), SgdConfig(lr=0.1))
    changed = {id(tensor) for tensor in optimizer.tensors()}
    assert {id(buffer) for buffer in model.buffers()} < changed
    assert id(model.frozen) not in changed
    gradients = fill_gradients(model(torch.randn(2, 3, 32, 32)).sum(), optimizer.parameters)
    assert [len(gradients), len(layer_names(model))] == [len(optimizer.parameters)] * 2
    assert model.unused.weight.grad is None  # as after backward


@pytest.mark.parametrize("size", [(64, 64), (20, 48)])
def test_images_of_another_size(size, odd):
    store = torch.randint(256, (50, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(50)
    split = Split(store, rows, rows % 2, rows)
    prepared = Preparation.standardizing(split)(store)
    assert prepared.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert prepared.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    augment = load_config(None, [parse_set("data.augment.shift=2"), parse_set("data.augment.flip=true")]).config.data
    draw = draw_epoch(50, seed=0, epoch=0, data=augment)
    images, _ = draw.batch(split, 0, 50)
    for image, source, flip, (down, right) in zip(images, store[draw.order], draw.flips, draw.shifts, strict=True):
        padded = nn.functional.pad(source, (2, 2, 2, 2))[:, down : down + size[0], right : right + size[1]]
        assert torch.equal(image, padded.flip(2) if flip else padded)
    with pytest.raises(UsageError, match=f"takes images of 3 x 32 x 32 .got 3 x {size[0]} x {size[1]}"):
        build_network(NetworkParameters(name="tudui"), Shape((3, *size), 2), seed=0)
    assert build_network(OddParameters(), Shape((3, *size), 2), seed=0)(prepared[:2]).shape == (2, 2)


@pytest.mark.parametrize("side", [32, 64])
def test_resnet20_has_the_parameters_and_shapes_of_the_paper(side):
    shape = Shape((3, side, side), 10)
    network = build_network(NetworkParameters(name="resnet20"), shape, seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 269_722
    sizes = {name: layer(torch.zeros(1, 3, side, side)).shape for name, layer in [("whole", network)]}
    values = network.conv(torch.zeros(1, 3, side, side))
    for stage in (network.stage1, network.stage2, network.stage3):
        values = stage(values)
        sizes[f"stage {len(sizes)}"] = values.shape
    assert [tuple(size[1:]) for size in sizes.values()] == [
        (10,), (16, side, side), (32, side // 2, side // 2), (64, side // 4, side // 4)
    ]  # fmt: skip
    described = describe_network(NetworkParameters(name="resnet20"), shape)
    assert described.parameters == described.trained == 269_722
    # 40.55 million at 32 x 32: convolutions and the last layer, as counted by hand from the layers' shapes
    convolutions = sum(
        layer.weight.numel() * (side // shrink) ** 2
        for part, shrink in ((network.conv, 1), (network.stage1, 1), (network.stage2, 2), (network.stage3, 4))
        for layer in part.modules()
        if isinstance(layer, nn.Conv2d)
    )
    assert described.operations == convolutions + 640


def test_mlp_and_linear_take_images_of_any_size():
    shape = Shape((3, 8, 12), 5)
    linear = build_network(NetworkParameters(name="linear"), shape, seed=0)
    mlp = build_network(MlpParameters(name="mlp", hidden=(7, 6)), shape, seed=0)
    assert [tuple(one.shape) for one in linear.parameters()] == [(5, 288), (5,)]
    assert [tuple(one.shape) for one in mlp.parameters()] == [(7, 288), (7,), (6, 7), (6,), (5, 6), (5,)]
    images = torch.randn(4, *shape.input)
    by_hand = images.flatten(1)
    for layer in (mlp[1], mlp[3]):
        by_hand = (by_hand @ layer.weight.T + layer.bias).clamp(min=0)
    assert torch.allclose(mlp(images), by_hand @ mlp[5].weight.T + mlp[5].bias, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer", [SgdConfig(name="sgd", lr=0.1, weight_decay=0.1), AdamConfig(name="adam", lr=0.1, weight_decay=0.1)]
)
def test_the_updates_are_torchs_and_an_unused_parameter_stays(optimizer):
    ours, theirs = (Odd(Shape((3, 32, 32), 10), 4) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    unused = ours.unused.weight.detach().clone()
    mine = Optimizer(ours, optimizer)
    kind = {
        "sgd": lambda given: torch.optim.SGD(given, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1, fused=True),
        "adam": lambda given: torch.optim.Adam(given, 0.1, betas=optimizer.betas, weight_decay=0.1, fused=True),
    }[optimizer.name]
    usual = kind([one for one in theirs.parameters() if one.requires_grad])
    for seed in range(3):
        images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        fill_gradients(ours(images).square().mean(), mine.parameters)
        mine.step()
        usual.zero_grad()
        theirs(images).square().mean().backward()
        usual.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other), name
    assert torch.equal(ours.unused.weight, unused)


def test_a_network_of_torchvision_at_64_pixels(tudui, class_folders):
    train = ("train", "--network", "torchvision:squeezenet1_1", "--size", "64", "--lr", "0.01", "-e", "1", "-b", "8")
    assert tudui(*train, "--data", f"folder:{class_folders}", "--set", "device=cpu", "--run-dir", "run").code == 0
    scored = tudui("evaluate", "run", "--json").json()
    assert scored["accuracy"] == json.loads(Path("run/result.json").read_text())["test"]["accuracy"]
    predicted = tudui("predict", "run", class_folders, "--json").json()["predictions"]
    assert len(predicted) == 40
    weights = read_weights(Path("run"))
    assert weights.shape == Shape((3, 64, 64), 2)
    files = sorted(class_folders.rglob("*.png"))
    one = next(row for row in predicted if row["image"].endswith(files[3].name))
    with Image.open(files[3]) as image:  # 80 x 64 pixels: nothing to scale, the centre is kept
        pixels = torch.from_numpy(np.asarray(image)[:, 8:72].copy()).permute(2, 0, 1)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (weights.preparation.mean, weights.preparation.std))
    with torch.inference_mode():
        expected = weights.model()(((pixels / 255 - mean) / std)[None]).softmax(1)[0]
    for row in one["classes"]:
        assert row["probability"] == pytest.approx(float(expected[weights.classes.index(row["name"])]), abs=1e-5)


@pytest.mark.parametrize("side", [32, 64, 96])
def test_the_size_of_images_is_in_the_cache_the_standardisation_and_the_prediction(side, class_folders):
    settings = (f"data.name=folder:{class_folders}", f"data.size={side}", "network=linear", "optimizer.lr=0.1")
    for other in (32, 64, 96):  # each has its own place in the cache
        config = load_config(None, [parse_set(one) for one in (*settings[:1], f"data.size={other}", *settings[2:])])
        assert load_data(config.config.data, 0).shape.input == (3, other, other)
    data = load_data(load_config(None, [parse_set(one) for one in settings]).config.data, 0)
    images = data.train.store[data.train.rows]
    scaled = []
    for path in sorted(class_folders.rglob("*.png")):
        with Image.open(path) as image:
            square = v2.functional.center_crop(v2.functional.resize(image, side), side)
            scaled.append(np.asarray(square).transpose(2, 0, 1))
    theirs = np.stack(scaled).astype(float)
    store = data.train.store.numpy().astype(float)
    assert store.shape == theirs.shape
    # torchvision scales and then cuts, Tudui scales the part that is kept: equal but for pixels at the edge
    assert np.abs(store - theirs).mean() < 1
    values = images.numpy().astype(np.float64) / 255
    assert data.preparation.mean == pytest.approx(values.mean((0, 2, 3)), abs=1e-6)
    assert data.preparation.std == pytest.approx(values.std((0, 2, 3)), abs=1e-6)
