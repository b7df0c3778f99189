"""`tudui backward`: each number against one that is computed here another way."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import tudui_network
from tudui.config import load_config, parse_set
from tudui.data import draw_epoch, load_data
from tudui.lab.backward.batch import first_batch

LAYERS = [f"{name}.{kind}" for name in ("conv1", "conv2", "conv3", "linear1", "linear2") for kind in ("weight", "bias")]


def by_another_way(*, batch_size=64):
    """The network, images and labels of the first batch, as a tutorial would make them."""
    config = load_config(None, []).config
    data = load_data(config.data, config.seed)
    order = draw_epoch(len(data.train), seed=0, epoch=0, data=config.data).order
    pixels = data.train.images.float() / 255
    images = (pixels - pixels.mean((0, 2, 3), keepdim=True)) / pixels.std((0, 2, 3), keepdim=True, correction=0)
    torch.set_num_threads(1)
    return tudui_network(10, seed=0), images[order], data.train.targets[order], batch_size


def test_outputs_and_targets_of_batch_size_one(tudui):
    """S13: forward with one image."""
    model, images, labels, _ = by_another_way()
    found = tudui("backward", "layers", "--batch-size", "1", "--json").json()
    assert found["targets"] == labels[:1].tolist()
    assert found["outputs"][0] == pytest.approx(model(images[:1])[0].tolist(), abs=1e-5)
    out = tudui("backward", "layers", "--batch-size", "1").out
    assert out.startswith(f"sample 0: target {labels[0]}, outputs {found['outputs'][0][0]:.3f} ")


def test_the_loss_of_each_batch(tudui):
    """S14: batch size 64, the last images dropped."""
    model, images, labels, size = by_another_way()
    found = tudui("backward", "layers", "--batches", "1000", "--json").json()
    assert found["batches"] == len(labels) // 64 == len(found["batch_losses"])
    assert found["dropped"] == len(labels) % 64
    with torch.no_grad():
        expected = [
            float(nn.CrossEntropyLoss()(model(images[start : start + size]), labels[start : start + size]))
            for start in range(0, len(labels) - size + 1, size)
        ]
    assert found["batch_losses"] == pytest.approx(expected, rel=1e-4)
    kept = tudui("backward", "layers", "--batches", "1000", "--set", "train.drop_last=false", "--json").json()
    assert kept["dropped"] == 0
    assert len(kept["batch_losses"]) == found["batches"] + 1


def test_gradients_are_none_before_and_filled_after(tudui):
    """S15: the table per layer."""
    model, images, labels, size = by_another_way()
    nn.CrossEntropyLoss()(model(images[:size]), labels[:size]).backward()
    found = tudui("backward", "layers", "--json").json()
    assert [layer["name"] for layer in found["layers"]] == LAYERS
    for layer, parameter in zip(found["layers"], model.parameters(), strict=True):
        assert layer["gradient_before"] is None
        assert layer["shape"] == list(parameter.shape)
        assert layer["norm"] == pytest.approx(float(parameter.grad.norm()), rel=1e-3)
        assert layer["mean"] == pytest.approx(float(parameter.grad.abs().mean()), rel=1e-3)
        # on a black background max pooling chooses between values that differ by rounding alone
        assert layer["largest"] == pytest.approx(float(parameter.grad.abs().max()), rel=1e-2)
        assert layer["zeros"] == pytest.approx(float((parameter.grad == 0).float().mean()), abs=1e-3)
    out = tudui("backward", "layers").out
    assert out.count("None") == len(LAYERS)


def test_the_optimizer_moves_the_weights(tudui):
    """S16: plain SGD takes rate x gradient off each weight."""
    plain = ("--set", "optimizer.momentum=0", "--set", "optimizer.weight_decay=0", "--set", "optimizer.nesterov=false")
    found = tudui("backward", "layers", *plain, "--json").json()
    model, images, labels, size = by_another_way()
    nn.CrossEntropyLoss()(model(images[:size]), labels[:size]).backward()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    torch.optim.SGD(model.parameters(), lr=found["learning_rate"]).step()
    for layer, old, parameter in zip(found["layers"], before, model.parameters(), strict=True):
        entry = tuple(layer["entry"])
        assert layer["weight_before"] == float(old[entry])
        # on a black background max pooling chooses between values that differ by rounding alone
        assert layer["change"] == pytest.approx(float(parameter.detach()[entry] - old[entry]), rel=1e-2)
        assert layer["change"] == pytest.approx(layer["weight_after"] - layer["weight_before"], abs=1e-12)
        assert layer["change"] == pytest.approx(-layer["rate_times_gradient"], rel=1e-3)
    # Nesterov momentum makes the first step 1.9 as long, but for the weight decay
    for layer in tudui("backward", "layers", "--set", "optimizer.weight_decay=0", "--json").json()["layers"]:
        assert layer["change"] == pytest.approx(-1.9 * layer["rate_times_gradient"], rel=1e-3)


def test_another_loss_and_another_config(tudui, tmp_path):
    (tmp_path / "mine.yaml").write_text("loss: {name: huber, delta: 0.5}\ntrain: {batch_size: 8}\n")
    found = tudui("backward", "layers", "--config", "mine.yaml", "--json").json()
    model, images, labels, _ = by_another_way()
    onehot = nn.functional.one_hot(labels[:8], 10).float()
    expected = 10 * nn.HuberLoss(delta=0.5)(model(images[:8]), onehot)
    assert found["loss"] == pytest.approx(float(expected.detach()), rel=1e-4)
    answer = tudui("backward", "layers", "--config", "mine.yaml", "--loss", "mse", "--json")
    assert "replaces the whole section 'loss'" in answer.err
    assert answer.json()["batch_size"] == 8


def test_gradients_accumulate_and_the_graph_is_freed(tudui):
    """S17."""
    found = tudui("backward", "accumulate", "--json").json()
    assert [layer["name"] for layer in found["layers"]] == LAYERS
    for layer in found["layers"]:
        assert layer["exactly_double"]
        assert layer["twice"] == pytest.approx(2 * layer["once"], rel=1e-6)
        assert layer["halves"] < 1e-3
    assert found["retained_is_double"]
    assert "Trying to backward through the graph a second time" in found["freed_graph_error"]
    assert found["grad_after_zeroing"] is None
    out = tudui("backward", "accumulate").out
    assert "raises RuntimeError" in out
    assert out.count(" yes ") == len(LAYERS)


def test_underflow_in_half_precision(tudui):
    """S17: counted against numpy's float16, and by the bits of bf16."""
    found = tudui("backward", "precision", "--json").json()
    assert [row["name"] for row in found["parameters"]] == LAYERS
    assert [row["name"] for row in found["outputs"]] == [
        f"{name} output" for name in ("conv1", "conv2", "conv3", "linear1", "linear2")
    ]
    model, images, labels, size = by_another_way()
    travelling = {}

    def keep(layer, _, output):
        output.register_hook(lambda gradient: travelling.update({layer: gradient}))

    for layer in model.children():
        layer.register_forward_hook(keep)
    nn.CrossEntropyLoss()(model(images[:size]), labels[:size]).backward()
    gradient = travelling[model.conv1].numpy().ravel()
    nonzero = gradient[gradient != 0]
    lost = found["outputs"][0]["lost"]
    assert found["outputs"][0]["nonzero"] == pytest.approx(len(nonzero), rel=1e-3)
    assert lost["fp16"]["underflow"] == pytest.approx(np.mean(nonzero.astype(np.float16) == 0), rel=0.05)
    assert lost["fp16"]["underflow"] > 0
    tiny = np.abs(nonzero.astype(np.float16)) < 2**-14
    assert lost["fp16"]["coarse"] + lost["fp16"]["underflow"] == pytest.approx(np.mean(tiny), rel=0.01)
    assert lost["fp16 scaled"]["underflow"] < lost["fp16"]["underflow"] / 100
    assert lost["bf16"]["underflow"] == 0
    assert found["smallest"]["fp16"] == 2**-24
    assert found["smallest"]["bf16"] == 2**-133
    assert found["largest"]["fp16"] == 65504


def test_too_large_a_scale_overflows(tudui):
    answer = tudui("backward", "precision", "--scale", "1e8")
    assert "share that becomes infinite" in answer.out
    found = tudui("backward", "precision", "--scale", "1e8", "--json").json()
    assert all(row["lost"]["fp16 scaled"]["overflow"] > 0.5 for row in found["parameters"] if "linear2" in row["name"])
    assert all(row["lost"]["bf16 scaled"]["overflow"] == 0 for row in found["parameters"])


def test_gradients_vanish_and_explode_with_depth(tudui, tmp_path):
    """S17: by the factors that theory gives for a linear network."""
    answer = tudui("backward", "depth", "--depth", "24", "--out", "depth.svg", "--json")
    found = {one["initialisation"]: one for one in answer.json()["initialisations"]}
    assert all(len(one["norms"]) == 25 for one in found.values())
    # zeros around the image take a little off at each convolution
    assert found["default"]["factor"] == pytest.approx(math.sqrt(1 / 3), rel=0.05)
    assert found["small"]["factor"] == pytest.approx(0.5, rel=0.05)
    assert found["large"]["factor"] == pytest.approx(2.0, rel=0.05)
    assert found["xavier"]["factor"] == pytest.approx(1.0, rel=0.05)
    assert found["orthogonal"]["norms"] == pytest.approx([found["orthogonal"]["norms"][0]] * 25, rel=1e-5)
    assert found["default"]["norms"][24] < 1e-4 * found["default"]["norms"][0]
    assert found["large"]["norms"][24] > 1e5 * found["large"]["norms"][0]
    assert (tmp_path / "depth.svg").read_text().startswith("<?xml")
    out = tudui("backward", "depth").out
    assert [line.split()[0] for line in out.splitlines()[2:9]] == ["0", "1", "2", "4", "8", "16", "32"]


def test_a_loss_that_is_not_finite_is_said(tudui):
    answer = tudui("backward", "depth", "--depth", "150")
    assert answer.code == 0
    assert "large: its loss is not finite" in answer.out


@pytest.mark.parametrize("loss", ["ce", "mse", "l1", "huber"])
def test_gradients_are_the_central_differences(tudui, loss):
    """S17: in float64."""
    found = tudui("backward", "check", "--loss", loss, "--json").json()
    assert [layer["name"] for layer in found["layers"]] == LAYERS
    assert [layer["entries"] for layer in found["layers"]] == [20] * 9 + [10]
    assert found["largest_difference"] == max(layer["difference"] for layer in found["layers"])
    assert found["largest_difference"] < 1e-3


def test_a_wrong_gradient_is_found():
    """The check must be able to fail: a loss whose gradient is 1 % too long."""
    from tudui.lab.backward import check

    batch = first_batch(load_config(None, [parse_set("train.batch_size=4")]).config)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            return values.clone()

        @staticmethod
        def backward(ctx, gradient):
            return 1.01 * gradient

    right = batch.loss
    wrong = type(batch)(**vars(batch) | {"loss": lambda logits, labels: Wrong.apply(right(logits, labels))})
    differences = [layer.difference for layer in check.check_gradients(wrong)]
    assert differences == pytest.approx([0.01 / 1.01] * len(LAYERS), rel=1e-2)


@pytest.mark.parametrize(
    ("arguments", "outputs"),
    [
        ((), 1),
        (("--loss", "mae", "--target", "2"), 1),
        (("--loss", "huber", "--set", "loss.delta=0.1", "--input", "1,2", "--seed", "3"), 1),
        (("--loss", "ce", "--target", "0"), 2),
        (("--config", "mine.yaml", "--target", "0.5"), 1),
    ],
)
def test_the_chain_rule_by_hand(tudui, tmp_path, arguments, outputs):
    """S17: every product equals autograd's derivative, and the right one."""
    (tmp_path / "mine.yaml").write_text("loss: {name: huber, delta: 0.2}\n")
    found = tudui("backward", "by-hand", *arguments, "--json").json()
    weights = found["weights"]
    assert len(found["products"]) == len(weights) == 6 + 3 * outputs
    for product in found["products"]:
        total = sum(math.prod(factor["value"] for factor in path) for path in product["paths"])
        assert product["by_hand"] == pytest.approx(total, rel=1e-12)
        assert product["by_hand"] == pytest.approx(product["autograd"], abs=1e-12)
    out = tudui("backward", "by-hand", *arguments).out
    assert out.count("autograd") == len(weights) + 1


def test_the_net_by_hand_is_that_of_numpy(tudui):
    found = tudui("backward", "by-hand", "--loss", "mse", "--input", "0.5,-1", "--target", "1", "--json").json()

    def loss(weights):
        hidden = [np.tanh(weights[f"w{j}1"] * 0.5 + weights[f"w{j}2"] * -1 + weights[f"b{j}"]) for j in (1, 2)]
        return (weights["v11"] * hidden[0] + weights["v12"] * hidden[1] + weights["c1"] - 1) ** 2

    assert found["forward"]["loss"] == pytest.approx(loss(found["weights"]), rel=1e-12)
    for product in found["products"]:
        name = product["weight"]
        up, down = (loss(found["weights"] | {name: found["weights"][name] + step}) for step in (1e-6, -1e-6))
        assert product["by_hand"] == pytest.approx((up - down) / 2e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("layers", "--loss", "hubber"), 2, "did you mean 'huber'"),
        (("layers", "--data", "digitz"), 2, "did you mean 'digits'"),
        (("layers", "--batch-size", "0"), 2, "train.batch_size"),
        (("layers", "--batch-size", "5000"), 2, "5000 is more than the 1295 training images"),
        (("layers", "--samples", "-1"), 2, "--samples -1"),
        (("layers", "--config", "absent.yaml"), 2, "absent.yaml"),
        (("accumulate", "--set", "nothing"), 2, "--set nothing: must be KEY=VALUE"),
        (("check", "--entries", "0"), 2, "--entries 0: "),
        (("check", "--entries", "1000000"), 2, "--entries 1000000: "),
        (("depth", "--depth", "0"), 2, "--depth 0: "),
        (("depth", "--out", "depth.gif"), 2, "--out depth.gif: must end with .png, .svg or .pdf"),
        (("precision", "--scale", "0"), 2, "--scale 0: must be greater than 0"),
        (("precision", "--scale", "nan"), 2, "--scale nan"),
        (("by-hand", "--input", "1,2,3"), 2, "--input has shape [3]; give two numbers"),
        (("by-hand", "--input", "1,x"), 2, "--input: 'x' is not a number"),
        (("by-hand", "--target", "nan"), 2, "--target nan: must be a finite number"),
        (("by-hand", "--loss", "ce", "--target", "2"), 2, "compares two logits with a class, 0 or 1"),
        (("by-hand", "--loss", "hubber"), 2, "did you mean 'huber'"),
        (("by-hand", "--seed", "-1"), 2, "--seed -1: must be 0 or greater"),
        (("layers", "--data", "folder:absent"), 3, "absent"),
    ],
)
def test_bad_input_is_one_clear_line(tudui, arguments, code, says):
    answer = tudui("backward", *arguments)
    answer.refused(code, says)
    assert answer.out == ""


def test_batch_1_of_cifar10(tudui, cifar_folder):
    """S13, on the tutorial's own images."""
    found = tudui("backward", "layers", "--data", f"folder:{cifar_folder}", "--batch-size", "1", "--json").json()
    assert len(found["outputs"]) == len(found["targets"]) == 1
    assert found["batch_size"] == 1
    assert found["loss"] == pytest.approx(2.3, abs=0.3)


def test_mae_names_l1_here_too(tudui):
    found, l1 = (tudui("backward", "layers", "--loss", name, "--json").json() for name in ("mae", "l1"))
    assert found["loss"] == l1["loss"]
    assert "half batches' gradients" not in tudui("backward", "accumulate", "--batch-size", "1").out


def test_a_factor_is_taken_as_far_as_numbers_reach(tudui):
    short, long = (
        {
            one["initialisation"]: one["factor"]
            for one in tudui("backward", "depth", "--depth", depth, "--json").json()["initialisations"]
        }
        for depth in (40, 200)
    )
    assert long["default"] == pytest.approx(short["default"], rel=0.1)
