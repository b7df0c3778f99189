"""Weights of any origin: whatever a learner has on disk is loaded, and nothing in it is executed."""

import collections
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from tests.conftest import photograph, quick_config, record, tudui_network
from tests.test_networks import course_network
from tudui.errors import WeightsError
from tudui.run import train
from tudui.training.checkpoint import load_checkpoint
from tudui.weights import read_weights

COURSE_SCRIPT = """
import torch
from torch import nn

class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.{attribute} = nn.Sequential(
            nn.Conv2d(3, 32, 5, 1, 2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, 1, 2), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, 1, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 4 * 4, 64), nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.{attribute}(x)

if __name__ == "__main__":
    torch.manual_seed(7)
    network = {name}()
    torch.save(network, "whole.pth")
    torch.save(network, "old.pth", _use_new_zipfile_serialization=False)
    torch.save(network.state_dict(), "plain.pth")
    torch.save(network.state_dict(), "old_plain.pth", _use_new_zipfile_serialization=False)
    torch.save({{"epoch": 3, "model_state_dict": network.state_dict(), "optimizer": {{}}}}, "beside.pth")
"""


def network_of(weights):
    return weights.model()


@pytest.mark.parametrize(("name", "attribute"), [("Tudui", "model1"), ("MyNet", "model"), ("Net", "layers")])
def test_the_files_of_the_courses_scripts(name, attribute, tmp_path, sentence):
    (tmp_path / "model.py").write_text(COURSE_SCRIPT.format(name=name, attribute=attribute))
    subprocess.run([sys.executable, "model.py"], check=True, cwd=tmp_path)  # class __main__.NAME
    torch.manual_seed(7)
    expected = course_network()
    images = torch.randn(3, 3, 32, 32)
    for file in ("whole.pth", "plain.pth", "old_plain.pth", "beside.pth"):
        weights = read_weights(tmp_path / file)
        assert torch.equal(network_of(weights)(images), expected(images)), file
        assert weights.preparation is None
    with pytest.raises(WeightsError) as error:
        read_weights(tmp_path / "old.pth")
    sentence(error.value)


def test_a_class_saved_under_a_module_name(tmp_path):
    (tmp_path / "my_model.py").write_text(COURSE_SCRIPT.format(name="Tudui", attribute="model"))
    script = "import torch, my_model; torch.manual_seed(7); torch.save(my_model.Tudui(), 'whole.pth')"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert read_weights(tmp_path / "whole.pth").number_of_classes == 10


@pytest.mark.parametrize("prefix", ["", "model.", "model1.", "module.model.", "network.layers."])
def test_prefixes_and_numbers(prefix, tmp_path):
    expected, images = course_network(), torch.randn(2, 3, 32, 32)
    state = {f"{prefix}{name}": tensor for name, tensor in expected.state_dict().items()}
    torch.save(state, tmp_path / "numbered.pt")
    assert torch.equal(network_of(read_weights(tmp_path / "numbered.pt"))(images), expected(images))
    named = dict(zip(tudui_network(10).state_dict(), expected.state_dict().values(), strict=True))
    torch.save({f"{prefix}{name}": tensor for name, tensor in named.items()}, tmp_path / "named.pt")
    assert torch.equal(network_of(read_weights(tmp_path / "named.pt"))(images), expected(images))


def similar_network(*beside, flat=nn.Flatten, pool=nn.MaxPool2d, **convolution) -> nn.Sequential:
    """The course's layers; after those that `beside` gives by place, more layers without parameters."""
    convolution = {"padding": 2} | convolution
    layers = [
        nn.Conv2d(3, 32, 5, **convolution), pool(2), nn.Conv2d(32, 32, 5, **convolution), pool(2),
        nn.Conv2d(32, 64, 5, **convolution), pool(2), flat(), nn.Linear(1024, 64), nn.Linear(64, 10),
    ]  # fmt: skip
    more = {}
    for place, layer in beside:
        more.setdefault(place, []).append(layer)
    return nn.Sequential(*(one for place, layer in enumerate(layers) for one in (layer, *more.get(place, ()))))


DROPOUTS = [
    [(1, nn.Dropout2d(0.2)), (3, nn.Dropout2d(0.2)), (7, nn.Dropout(0.5))],
    [(6, nn.Dropout(0.5))],
    [(1, nn.Dropout(0.1)), (3, nn.Identity())],
]


@pytest.mark.parametrize("beside", [*DROPOUTS, [(7, nn.Dropout())], [(place, nn.Dropout()) for place in range(8)]])
def test_a_whole_network_with_dropout_gives_what_torch_gives(beside, tmp_path):
    network, images = similar_network(*beside).eval(), torch.randn(3, 3, 32, 32)
    torch.save(network, tmp_path / "whole.pth")
    weights = read_weights(tmp_path / "whole.pth")
    assert torch.equal(network_of(weights)(images), network(images))
    assert weights.note is None


@pytest.mark.parametrize("beside", DROPOUTS)
def test_a_state_dict_with_dropout_is_read_and_pointed_out(beside, tmp_path, tudui):
    network, images = similar_network(*beside).eval(), torch.randn(3, 3, 32, 32)
    torch.save(network.state_dict(), tmp_path / "state.pth")
    assert torch.equal(network_of(read_weights(tmp_path / "state.pth"))(images), network(images))
    photograph(0).save(tmp_path / "zero.png")
    for command in (("evaluate", "state.pth", "--data", "digits"), ("predict", "state.pth", "zero.png")):
        answer = tudui(*command)
        assert answer.code == 0
        assert "assumed to be Dropout" in answer.err


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid])
@pytest.mark.parametrize("dropout", [False, True], ids=["", "and dropout"])
@pytest.mark.parametrize("places", [(0, 2, 4, 7), (0, 2, 4), (1, 3, 5), (7,)])
def test_weights_of_a_network_with_activations_are_not_scored(places, dropout, activation, tmp_path, tudui):
    beside = [*((place, activation()) for place in places), *([(7, nn.Dropout())] if dropout else [])]
    network = similar_network(*beside)
    torch.save({f"model.{name}": tensor for name, tensor in network.state_dict().items()}, tmp_path / "state.pth")
    torch.save(network, tmp_path / "whole.pth")
    for file in ("state.pth", "whole.pth"):
        answer = tudui("evaluate", file, "--data", "digits", "--normalize", "none")
        assert answer.code == 5, file
        assert "another network" in answer.err
        assert "state_dict()" not in answer.err  # it would be scored, and the score would be wrong


@pytest.mark.parametrize(
    "network",
    [
        similar_network(pool=nn.AvgPool2d),
        similar_network(pool=nn.Identity, stride=2),
        similar_network(padding_mode="reflect"),
        similar_network(pool=lambda _: nn.MaxPool2d(3, 2, 1)),
        nn.Sequential(*(similar_network()[place] for place in (0, 2, 1, 3, 4, 5, 6, 7, 8))),
        nn.Sequential(nn.Dropout(), *similar_network()[:8], nn.BatchNorm1d(64), nn.Linear(64, 10)),
    ],
    ids=["average", "stride", "reflecting", "large pool", "other order", "normalised"],
)
def test_a_whole_network_with_other_layers_is_refused(network, tmp_path):
    torch.save(network, tmp_path / "whole.pth")
    with pytest.raises(WeightsError, match="another network"):
        read_weights(tmp_path / "whole.pth")


@pytest.mark.parametrize("first", [3, 0], ids=["a layer before", "no pool"])
def test_other_numbers_of_a_sequential_are_refused(first, tmp_path):
    numbers = [first + number for number in ((0, 2, 4, 7, 8) if first else (0, 1, 2, 5, 6))]
    values = iter(course_network().state_dict().values())
    state = {f"{number}.{kind}": next(values) for number in numbers for kind in ("weight", "bias")}
    torch.save(state, tmp_path / "state.pth")
    with pytest.raises(WeightsError, match="perhaps another network"):
        read_weights(tmp_path / "state.pth")


def test_a_run_and_its_checkpoints(trained):
    for path in (trained, trained / "checkpoints" / "last.pt"):
        weights = read_weights(path)
        assert weights.classes == tuple("0123456789")
        assert weights.preparation is not None
        assert weights.config["loss"]["name"] == "ce"
    assert "best.pt" in read_weights(trained, best=True).origin


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_code_is_refused_by_name_and_not_run(tmp_path, sentence):
    torch.save({"conv1.weight": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match=r"posix\.system") as error:
        read_weights(tmp_path / "evil.pt")
    sentence(error.value)
    torch.save(Malicious(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError) as error:
        read_weights(tmp_path / "old.pt")
    sentence(error.value)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(WeightsError):
        read_weights(tmp_path / "plain.pkl")
    assert not (tmp_path / "executed").exists()


def test_other_modules_are_refused_by_name(tmp_path):
    torch.save(nn.Sequential(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU()), tmp_path / "relu.pt")
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules\.activation\.ReLU"):
        read_weights(tmp_path / "relu.pt")


@pytest.mark.parametrize(
    "content",
    [
        {"a": torch.zeros(1)},
        {},
        [1, 2],
        nn.Sequential(nn.Linear(3, 4)),
        {**tudui_network(10).state_dict(), "extra.weight": torch.zeros(1)},
        {**tudui_network(10).state_dict(), "conv1.weight": torch.zeros(32, 1, 5, 5)},
        collections.OrderedDict(tudui_network(10).state_dict(), **{"linear2.bias": torch.zeros(9)}),
    ],
    ids=["one tensor", "nothing", "a list", "another module", "one more", "one channel", "nine classes"],
)
def test_weights_that_do_not_fit(content, tmp_path, sentence):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(WeightsError) as error:
        read_weights(tmp_path / "weights.pt")
    sentence(error.value)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02}q\x00.", b"PK\x03\x04 broken", bytes(range(256)) * 8])
def test_bytes_that_are_no_weights(content, tmp_path, tudui):
    (tmp_path / "weights.pt").write_bytes(content)
    answer = tudui("evaluate", tmp_path / "weights.pt", "--data", "digits")
    assert answer.code == 5
    assert answer.err.startswith(f"error: {tmp_path / 'weights.pt'}: ")


def test_missing_files(tmp_path, tudui):
    assert tudui("evaluate", tmp_path / "none.pt", "--data", "digits").code == 5
    assert "no checkpoint" in tudui("evaluate", tmp_path, "--data", "digits").err


def test_evaluate_reproduces_the_runs_own_numbers(trained, tudui):
    import json

    result = json.loads(Path(trained, "result.json").read_text())
    for arguments, split in ((("--split", "validation"), "validation"), ((), "test")):
        found = tudui("evaluate", trained, *arguments, "--json").json()
        for name in ("accuracy", "nll", "ece", "loss"):
            assert found[name] == result[split][name]
    assert found["losses"].keys() >= {"ce", "mse", "l1", "huber"}
    assert found["losses"]["ce"] == found["loss"]
    assert sum(map(sum, found["confusion"])) == 359


def test_a_folder_that_changed_since_the_training_is_pointed_out(class_folders, tudui):
    assert tudui("train", "-d", "folder:pictures", "-b", "8", "-e", "1", "-q", "-o", "run").code == 0
    assert "has changed" not in tudui("evaluate", "run").err
    next((class_folders / "odd").iterdir()).unlink()
    assert "has changed since the training" in tudui("evaluate", "run").err


def test_evaluate_shows_a_table(trained, tudui):
    answer = tudui("evaluate", trained, "--best")
    assert answer.code == 0
    for part in ("best.pt", "balanced accuracy", "NLL", "ECE", "huber", "\n9  "):
        assert part in answer.out


def test_course_weights_say_what_they_need(tmp_path, tudui, sentence):
    torch.save(course_network(), tmp_path / "tudui_9.pth")
    answer = tudui("evaluate", "tudui_9.pth")
    assert answer.code == 2
    sentence(answer.err)
    answer = tudui("evaluate", "tudui_9.pth", "--data", "digits", "--normalize", "none")
    assert answer.code == 0
    assert "whole saved module" in answer.out
    other = torch.nn.Sequential(*list(course_network())[:-1], nn.Linear(64, 7))
    torch.save(other.state_dict(), tmp_path / "seven.pth")
    answer = tudui("evaluate", "seven.pth", "--data", "digits")
    assert answer.code == 5
    sentence(answer.err)


def test_a_mistyped_data_set_and_an_unknown_preparation(trained, tmp_path, tudui, sentence):
    answer = tudui("evaluate", trained, "--data", "cifar-10")
    assert answer.code == 2
    sentence(answer.err)
    photograph(0).save(tmp_path / "zero.png")
    assert tudui("predict", trained, "zero.png", "--normalize", "standardize").code == 0
    torch.save(course_network().state_dict(), tmp_path / "plain.pth")
    answer = tudui("predict", "plain.pth", "zero.png", "--normalize", "standardize")
    assert answer.code == 2
    sentence(answer.err)


@pytest.mark.parametrize("damage", [lambda last: last.write_bytes(last.read_bytes()[:1000]), Path.unlink])
def test_weights_that_are_not_the_last_are_taken_by_name_only(damage, trained, tudui):
    shutil.copytree(trained, "run")
    damage(Path("run/checkpoints/last.pt"))
    answer = tudui("evaluate", "run")
    assert answer.code == 5
    assert "run/checkpoints/previous.pt" in answer.err
    assert tudui("evaluate", "run/checkpoints/previous.pt").code == 0


def test_best_is_of_a_run(trained, tudui, sentence):
    answer = tudui("evaluate", trained / "checkpoints" / "last.pt", "--best")
    assert answer.code == 2
    sentence(answer.err)


def test_best_weights_that_are_not_there_are_not_replaced_by_the_last(class_folders, tmp_path, tudui):
    """Only where the last ones are the best: without validation images, or if the last epoch was the best."""
    small = (
        f"data.name=folder:{class_folders}",
        "train.batch_size=8",
        "train.epochs=4",
        "optimizer.lr=1e-6",
    )  # all tie
    for name, settings in {"kept": [], "none": ["data.validation=0"], "off": ["checkpoint.best=false"]}.items():
        train(quick_config(*small, *settings), tmp_path / name)
    epoch = load_checkpoint(tmp_path / "kept" / "checkpoints" / "last.pt").state["progress"]["best_epoch"]
    assert epoch == 1
    (tmp_path / "kept" / "checkpoints" / "best.pt").unlink()
    answers = {name: tudui("evaluate", tmp_path / name, "--best") for name in ("kept", "none", "off")}
    assert {name: answer.code for name, answer in answers.items()} == {"kept": 5, "none": 0, "off": 5}
    assert f"best.pt: missing, with the weights of epoch {epoch}" in answers["kept"].err


def test_a_file_that_cannot_be_read(tudui):
    answer = tudui("evaluate", "/proc/self/mem", "--data", "digits")  # to read it fails whoever asks
    answer.refused(5, "error: /proc/self/mem: cannot be read: ")


def test_runs_whose_loss_has_no_name(trained, tudui):
    for name in ("a", "b"):
        shutil.copytree(trained, f"runs/{name}")
    config = Path("runs/b/config.yaml")
    config.write_text(config.read_text().replace("name: ce", 'name: ""'))
    assert tudui("runs", "--sort", "loss").code == 0


def test_a_comparison_is_no_run(compared, tudui):
    for command in (("evaluate", compared), ("train", "--resume", compared)):
        answer = tudui(*command)
        assert answer.code in (2, 5)
        assert "a comparison" in answer.err


START = (
    "-e",
    "1",
    "--lr",
    "1e-30",
    "--set",
    "optimizer.weight_decay=0",
    "--set",
    "device=cpu",
    "--set",
    "log.sinks=[]",
)


def test_init_from_loads_what_fits_and_lists_what_does_not(tudui, class_folders):
    """From 10 digits to other classes; then the same network with more layers, and networks without a common layer."""
    assert tudui("train", "--network", "mlp", "--data", "digits", *START, "-o", "ten").code == 0
    before = read_weights(Path("ten")).tensors
    few = ("--data", "folder:pictures", *START, "-b", "8", "--seed", "1")
    answer = tudui("train", "--network", "mlp", *few, "--init-from", "ten", "-o", "few")
    assert answer.code == 0, answer.err
    after = read_weights(Path("few")).tensors
    *body, weight, bias = before
    assert all(torch.equal(before[name], after[name]) for name in body)
    outputs = len(after[bias])
    assert outputs != 10
    (warned,) = [
        event["message"]
        for event in record(Path("few"))
        if event["event"] == "Warned" and "tensors fit" in event["message"]
    ]
    width = before[weight].shape[1]
    assert warned == (
        f"ten/checkpoints/last.pt: {len(body)} of {len(before)} tensors fit; not loaded: "
        f"{weight} ([10, {width}], not [{outputs}, {width}]), {bias} ([10], not [{outputs}])"
    ).replace("ten/", f"{Path('ten').absolute()}/")
    deeper = ("--network", "mlp", "--set", "network.hidden=[64, 32]")
    answer = tudui("train", *deeper, *few, "--init-from", "ten", "--dry-run")
    assert (answer.code, "not loaded: 3.weight ([64, 64], not [32, 64]), 3.bias" in answer.out + answer.err) == (
        0,
        True,
    ), answer
    for other in (
        ("--network", "resnet20"),
        ("--network", "mlp", "--set", "network.hidden=[7]"),
        ("--network", "linear"),
    ):
        answer = tudui("train", *other, *few, "--init-from", "ten", "-o", "other")
        assert (answer.code, answer.err.count("\n")) == (5, 1), answer.err
        assert "of the network mlp" in answer.err
    assert not Path("other/metrics.jsonl").exists()


def test_init_from_a_state_dict_of_torchvision(tudui):
    model = torchvision.models.squeezenet1_1(num_classes=1000)
    torch.save({f"module.{name}": tensor for name, tensor in model.state_dict().items()}, "pretrained.pth")
    network = ("--network", "torchvision:squeezenet1_1")
    answer = tudui("train", *network, "--data", "digits", *START, "--init-from", "pretrained.pth", "--dry-run")
    assert answer.code == 0, answer.err
    assert (
        "50 of 52 tensors fit; not loaded: classifier.1.weight ([1000, 512, 1, 1], not [10, 512, 1, 1])"
        in answer.out + answer.err
    )
    torch.save({"features.0.weight": torch.zeros(3), "x": 3}, "other.pth")
    refused = tudui("train", *network, "--data", "digits", *START, "--init-from", "other.pth", "--dry-run")
    assert (refused.code, refused.err.count("\n")) == (5, 1), refused.err
    broken = {**model.state_dict(), "features.0.weight": torch.full((64, 3, 3, 3), torch.nan)}
    torch.save(broken, "nan.pth")
    refused = tudui("train", *network, "--data", "digits", *START, "--init-from", "nan.pth", "--dry-run")
    assert (refused.code, "features.0.weight" in refused.err) == (5, True)
