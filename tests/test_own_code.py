"""Code of the user's own, FILE.py:NAME: it trains, resumes bit for bit, and runs only if the user names it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import QUICK_FLAGS, ROOT, TUDUI, record
from tudui.config import load_config, own_code, parse_set
from tudui.data import draw_epoch, load_data
from tudui.errors import Interrupted, UsageError
from tudui.events import StepEnd
from tudui.losses import build_loss
from tudui.run import Job, train, train_together
from tudui.seeding import derive_seed
from tudui.training.device import resolve_machine
from tudui.training.engine import fit
from tudui.training.state import new_state
from tudui.weights import read_weights

CODE = '''
import random
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import StochasticDepth

Path("imported").touch()


class Odd(nn.Module):
    """Running means, random zeros, a layer used twice under two names, one that is not used."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.first = nn.Linear(width * 16, width * 16)
        self.second = nn.Linear(width * 16, width * 16)
        self.second.weight = self.first.weight
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(width * 16, 10)
        self.unused = nn.Linear(3, 3)

    def forward(self, images):
        values = F.relu(self.norm(self.stem(images)))
        values = F.dropout(F.adaptive_avg_pool2d(values, 4).flatten(1), 0.2, self.training)
        return self.head(self.drop(self.second(self.first(values))))


class Deep(nn.Module):
    """Stochastic depth by torch and by Python, dropout from the fourth step on, layers that get their shapes late."""

    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.LazyConv2d(8, 3, stride=2, padding=1)
        self.norm = nn.LazyBatchNorm2d()
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.skip = StochasticDepth(0.3, "row")
        self.head = nn.LazyLinear(num_classes)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, images):
        self.calls += self.training
        values = F.relu(self.norm(self.stem(images)))
        if not self.training or random.random() < 0.7:
            values = values + self.skip(self.block(values))
        if self.calls > 3:
            values = F.dropout(values, 0.2, self.training)
        return self.head(F.adaptive_avg_pool2d(values, 2).flatten(1))


class Unused(Deep):
    def __init__(self):
        super().__init__(10)
        self.other = nn.LazyLinear(3)


class Later(Deep):
    """Something goes wrong in the third step, or in evaluation."""

    def __init__(self, what="raises"):
        super().__init__(10)
        self.what = what

    def forward(self, images):
        outputs = super().forward(images)
        if self.what == "in evaluation" and self.calls and not self.training:
            raise ValueError("late")
        if self.calls < 3 or self.what == "in evaluation":
            return outputs
        if self.what == "raises":
            raise ValueError("late")
        if self.what == "inside":
            self.skip(self.norm(images))
        return Backward.apply(outputs) if self.what == "backward" else outputs[:, :7]


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        raise ValueError("late")


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 10)
        self.norm = nn.BatchNorm1d(10)

    def forward(self, images):
        return self.norm(self.head(images.flatten(1)))


CALLS = []


def later(outputs, targets, what="raises"):
    CALLS.append(outputs)
    if len(CALLS) < 4:
        return F.cross_entropy(outputs, targets)
    if what == "raises":
        raise ValueError("late")
    return outputs if what == "shape" else F.cross_entropy(outputs, targets).detach()


def noisy(outputs, targets):
    losses = F.cross_entropy(outputs, targets, reduction="none")
    return losses * (1 + 0.1 * torch.rand(len(targets))) if outputs.requires_grad else losses


def smooth(outputs, targets, amount=0.1):
    return F.cross_entropy(outputs, targets, label_smoothing=amount, reduction="none")


def mean(outputs, targets):
    return F.cross_entropy(outputs, targets)


def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images[:320] / 16, found.target[:320]), (found.images[320:420] / 16, found.target[320:420])


pair = 3
built_in = dict
square = torch.square
made = Odd()
narrow = partial(Odd, width=2)


class Tuple(Odd):
    def forward(self, images):
        return super().forward(images), images


class Wide(Odd):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(128, 7)


class Raises(Odd):
    def forward(self, images):
        return super().forward(images[:, :1])


class Builds(Odd):
    def __init__(self):
        super().__init__()
        raise KeyError("no such layer")


class Needs(Odd):
    def __init__(self, depth, width):
        super().__init__()


class Hidden(Odd):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", self.norm.running_mean.clone(), persistent=False)

    def forward(self, images):
        self.calls += 1
        return super().forward(images)


class Late(Odd):
    def forward(self, images):
        self.register_buffer("calls", self.norm.running_mean.clone())
        return super().forward(images)


def Function(num_classes, width=4):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, num_classes))


def broken(outputs, targets):
    return outputs[targets, 1000]


def whole(outputs, targets):
    return outputs.softmax(1)


def hard(outputs, targets):
    return (outputs.argmax(1) != targets).float()
'''
NETWORK, LOSS, DATA = ("--network", "net.py:Odd"), ("--loss", "net.py:smooth"), ("--data", "net.py:digits")
OWN = (*NETWORK, *LOSS, *DATA)
QUICK = (*QUICK_FLAGS, "--set", "train.threads=1", "--lr", "0.05")


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The user's file, in a process that has not run it."""
    monkeypatch.setattr(own_code, "_files", {})
    monkeypatch.setattr(own_code, "_modules", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "net.py"
    path.write_text(CODE)
    return path


def forget() -> None:
    """Be as a process in which the user has named no file."""
    own_code._files.clear()
    own_code._modules.clear()
    Path("imported").unlink(missing_ok=True)


def test_a_run_of_own_network_loss_and_data(tudui, file):
    assert tudui("train", *OWN, *QUICK, "--run-dir", "run").code == 0
    forget()
    listed = tudui("runs", ".", "--json").json()["runs"]
    assert [(row["loss"], row["data"], row["status"]) for row in listed] == [
        ("net.py:smooth", "net.py:digits", "finished")
    ]
    assert tudui("config", "validate", "run/config.yaml").code == 0
    for words in (("evaluate", "run"), ("predict", "run", "--split", "test"), ("export", "run"),
                  ("train", "--config", "run/config.yaml", "--run-dir", "other")):  # fmt: skip
        refused = tudui(*words)
        assert refused.code == 2 or "last.pt" in refused.err
        assert refused.code != 0
        assert re.search(r"add (--(network|data|loss) PATH/TO/net\.py:\w+ ?)+\n$", refused.err)
    assert not Path("imported").exists()
    scored = tudui("evaluate", "run", *OWN, "--json").json()
    assert scored["accuracy"] == json.loads(Path("run/result.json").read_text())["test"]["accuracy"]
    assert tudui("predict", "run", "--split", "test", *NETWORK, *DATA, "--out", "p.csv").code == 0
    assert len(Path("p.csv").read_text().splitlines()) == 101
    assert tudui("export", "run", *NETWORK, *DATA, "--out", "odd.safetensors").code == 0
    again = tudui("evaluate", "odd.safetensors", *NETWORK, *DATA, "--json").json()
    assert again["accuracy"] == scored["accuracy"]
    forget()
    other = tudui("evaluate", "run", "--network", "net.py:Wide", *LOSS, *DATA)
    assert (other.code, "add --network PATH/TO/net.py:Odd" in other.err) == (5, True)
    wrong = tudui("evaluate", "run", "--network", "resnet20")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def settings(*more: str, name: str = "Odd"):
    own = (
        f"network={Path('net.py').absolute()}:{name}",
        *(["network.width=4"] if name == "Odd" else []),
        "loss=net.py:smooth",
        "data.name=net.py:digits",
    )
    others = ("optimizer.lr=0.05", "train.epochs=2", "log.every=2", "train.threads=1", "device=cpu", *more)
    chosen = {text.partition("=")[0]: text for text in (*own, *others)}
    return load_config(None, [parse_set(text) for text in chosen.values()]).config


KINDS = {
    "shared, unused, frozen, dropout, sgd": ("Odd", "optimizer=sgd", "train.freeze=[stem]"),
    "shared, unused, frozen, dropout, adamw": ("Odd", "optimizer=adamw", "train.freeze=[stem, norm]"),
    "stochastic depth, lazy, dropout later": ("Deep",),
    "random loss": ("Flat", "loss=net.py:noisy"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_at_every_yield_it_is_the_uncut_run(kind, tudui, tmp_path):
    name, *others = KINDS[kind]
    config = settings(*others, name=name)
    yields: list[int] = []
    train(
        config,
        tmp_path / "whole" / "run",
        sinks=[lambda event: isinstance(event, StepEnd) and yields.append(event.step)],
    )
    whole = read_weights(tmp_path / "whole" / "run")
    assert len(yields) >= 4
    for stop in yields[:-1]:
        folder = tmp_path / f"cut{stop}" / "run"

        def interrupt(event, stop=stop):
            if isinstance(event, StepEnd) and event.step == stop:
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(Interrupted):
            train(config, folder, sinks=[interrupt])
        own = (f"--network=net.py:{name}", f"--loss={config.loss.name}", *DATA)
        resumed = tudui("train", "--resume", folder, *own)
        assert resumed.code == 0, resumed.err
        cut = read_weights(folder).tensors
        assert [name for name, tensor in whole.tensors.items() if not torch.equal(tensor, cut[name])] == []
        assert record(folder) == record(tmp_path / "whole" / "run")


@pytest.mark.parametrize(
    ("name", "kind", "settings_of", "frozen"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, "[]"),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, "[stem]"),
        # the bias before BatchNorm has a gradient of rounding errors, which Adam makes as large as any other
        ("adamw", torch.optim.AdamW, {}, "[stem]"),
    ],
)
def test_a_run_is_a_plain_loop_with_torchs_optimizer(name, kind, settings_of, frozen):
    """With shared weights, an unused layer, running means, dropout, and a strong weight decay."""
    section = f"optimizer={{name: {name}, weight_decay: 0.3}}"
    plain = (
        section,
        "optimizer.lr=0.01",
        f"train.freeze={frozen}",
        "schedule=constant",
        "train.clip=null",
        "precision=fp32",
    )
    config, _ = resolve_machine(settings(*plain))
    data = load_data(config.data, config.seed)
    ours, theirs = (new_state(config, data) for _ in range(2))
    for _ in fit(ours, data, build_loss(config.loss, data.task), config):
        pass
    model, size = theirs.network.model, config.train.batch_size
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = kind(trained, 0.01, weight_decay=0.3, **settings_of)
    for step in range(ours.progress.step):
        epoch, number = divmod(step, ours.steps_per_epoch)
        draw = draw_epoch(len(data.train), seed=config.seed, epoch=epoch, data=config.data)
        images, labels = draw.batch(data.train, number * size, (number + 1) * size)
        theirs.network.train()
        torch.manual_seed(derive_seed(config.seed, "layers", step, 0))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs.network(images), labels, label_smoothing=0.1).backward()
        optimizer.step()
    assert ours.progress.step >= 8
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(ours.network.model.state_dict()[key], tensor, rtol=1e-4, atol=1e-5)


def test_in_lockstep_runs_with_random_layers_are_what_they_are_alone(tmp_path):
    random = ("loss=net.py:noisy", "seed=1"), ("seed=2", "optimizer.lr=0.01"), ("loss=ce",)
    configs = {f"run{number}": settings(*own, name="Deep") for number, own in enumerate(random)}
    train_together([Job(config=config, run_dir=tmp_path / "together" / name) for name, config in configs.items()])
    for name, config in configs.items():
        train(config, tmp_path / "alone" / name)
        assert record(tmp_path / "together" / name) == record(tmp_path / "alone" / name)
        together, alone = (read_weights(tmp_path / place / name).tensors for place in ("together", "alone"))
        assert all(torch.equal(tensor, alone[key]) for key, tensor in together.items())


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--network", "net.py:Later"), r"network net\.py:Later: \S+net\.py:LINE, forward: late$"),
        (
            ("--network", "net.py:Later", "--set", "network.what=inside"),
            r"network net\.py:Later: \S+net\.py:\d+, layer norm: .*elements",
        ),
        (
            ("--network", "net.py:Later", "--set", "network.what=in evaluation"),
            r"network net\.py:Later: \S+net\.py:\d+, forward: late$",
        ),
        (
            ("--network", "net.py:Later", "--set", "network.what=narrow"),
            r"network net\.py:Later: returns \[B, 7\], expected \[B, 10\]",
        ),
        (
            ("--network", "net.py:Later", "--set", "network.what=backward"),
            r"network net\.py:Later: \S+net\.py:\d+, forward: late$",
        ),
        ((*NETWORK, "--loss", "net.py:later"), r"\S+net\.py:\d+: ValueError: late$"),
        ((*NETWORK, "--loss", "net.py:later:what=shape"), r"net\.py:later: returns \[B, 10\], expected one number"),
        ((*NETWORK, "--loss", "net.py:later:what=detached"), r"net\.py:later: returns values without a gradient"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_fails_in_a_later_step_is_one_line(flags, says, tudui, file):
    line = CODE.split('if self.what == "raises":')[0].count("\n") + 2
    answer = tudui("train", *flags, *DATA, *QUICK, "-e", "2", "--run-dir", "run")
    errors = [text for text in answer.err.splitlines() if text.startswith("error:")]
    assert (answer.code, len(errors)) == (2, 1), answer.err
    assert re.search(says.replace("LINE", str(line)), errors[0])
    assert "Traceback" not in answer.err
    assert Path("run/checkpoints/last.pt").exists()


def test_a_loss_that_is_not_finite_names_the_layer_before_it_also_after_a_resume(tudui, tmp_path):
    config = settings("optimizer.lr=1e30", "log.every=1", "train.clip=null", "train.freeze=[stem]")
    assert train(config, tmp_path / "whole" / "run").status == "diverged"
    diverged = json.loads(Path("whole/run/result.json").read_text())["diverged"]
    assert diverged["step"] == 2
    assert diverged["layer"] in {"first.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"}

    def stop(event):
        if isinstance(event, StepEnd):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut" / "run", sinks=[stop])
    tudui("train", "--resume", "cut/run", *OWN)
    assert record(Path("cut/run")) == record(Path("whole/run"))


def test_what_gets_no_gradient_is_not_changed_and_shared_weights_stay_equal(tmp_path):
    frozen = "train.freeze=[stem, norm]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        train(settings("optimizer.weight_decay=0.5", frozen), tmp_path / "run")
        trained = read_weights(tmp_path / "run").tensors
        train(settings("train.epochs=1", "optimizer.lr=1e-30", "optimizer.weight_decay=0", frozen), tmp_path / "first")
        first = read_weights(tmp_path / "first").tensors
    same = {name for name in trained if torch.equal(trained[name], first[name])}
    assert same == {name for name in trained if name.startswith(("stem", "norm", "unused"))}
    assert not trained["norm.running_mean"].any()
    assert torch.equal(trained["first.weight"], trained["second.weight"])


def test_a_run_resumes_with_the_same_file_only(tudui, file, tmp_path):
    def stop(event):
        if isinstance(event, StepEnd):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train(settings(), tmp_path / "run", sinks=[stop])
    forget()
    refused = tudui("train", "--resume", "run")
    assert (refused.code, "PATH/TO/net.py" in refused.err) == (2, True)
    assert not Path("imported").exists()
    file.write_text(CODE + "\n# changed\n")
    changed = tudui("train", "--resume", "run", *OWN)
    assert (changed.code, "has changed since it was recorded" in changed.err) == (2, True)
    assert not Path("imported").exists()
    file.write_text(CODE)
    assert tudui("train", "--resume", "run", *OWN).code == 0


def commands_in(message: str) -> list[list[str]]:
    """Return the commands that a message names, as words."""
    return [shlex.split(text) for text in re.findall(r"tudui ((?:train|compare-losses) .*?)(?:; or|$)", message)]


def test_the_commands_in_messages_name_the_own_code_again(tudui, tmp_path):
    """With its parameters; each is typed as it is, and does what its message says."""
    own = (*OWN, "--set", "network.width=4", "--set", "loss.amount=0.3", "--sink", "net.py:board")
    (tmp_path / "net.py").write_text(CODE + "\n\ndef board(run):\n    return lambda event: None\n")

    def stop(event):
        if isinstance(event, StepEnd):
            signal.raise_signal(signal.SIGINT)

    config = settings("loss.amount=0.3", "log.sinks=[net.py:board]")
    with pytest.raises(Interrupted) as stopped:
        train(config, Path("run"), sinks=[stop])
    (resume,) = commands_in(str(stopped.value))
    (again,) = commands_in(tudui("train", *own, *QUICK, "--run-dir", "run").err)
    flags = ["--network", "net.py:Odd", "--loss", "net.py:smooth", "--data", "net.py:digits", "--sink", "net.py:board"]
    assert resume == again == ["train", "--resume", "run", *flags]
    forget()
    refused = tudui("train", "--resume", "run")
    assert [word for word in refused.err.split() if word.startswith("PATH/TO/")] == [
        f"PATH/TO/{one}" for one in flags[1::2]
    ]
    assert tudui(*resume).code == 0
    (repeat,) = commands_in(tudui(*resume).err)
    assert repeat == ["train", "--config", "run/config.yaml", *flags, "--epochs", "4"]
    forget()
    done = tudui(*repeat, "--run-dir", "longer")
    assert (done.code, "replaces" in done.err) == (0, False)
    before, after = (load_config(Path(folder) / "config.yaml").config for folder in ("run", "longer"))
    assert (before.network, before.loss) == (after.network, after.loss)
    Path("run/result.json").write_text("{}")
    assert commands_in(tudui("train", *resume[1:]).err) == [resume]


@pytest.mark.slow
def test_the_workers_of_a_comparison_get_the_file(file, tmp_path):
    command = [
        *TUDUI,
        "compare-losses",
        *NETWORK,
        *DATA,
        "--losses",
        "ce,net.py:smooth:amount=0.3",
        "--seeds",
        "2",
        "--jobs",
        "2",
    ]
    command += ["--lr", "same", "--set", "optimizer.lr=0.05", *QUICK_FLAGS, "--out", "compared"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.parent for path in Path("compared").rglob("result.json"))
    assert len(runs) == 4
    Path("imported").unlink()
    file.rename("elsewhere.py")
    for words in (["report", "compared"], ["runs", "compared"]):
        done = subprocess.run([*TUDUI, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    again = subprocess.run(
        [*TUDUI, "compare-losses", "--config", "compared/plan.yaml", "--out", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert not Path("imported").exists()
    runs[0].joinpath("result.json").unlink()
    unfinished = subprocess.run([*TUDUI, "report", "compared"], capture_output=True, text=True, check=False)
    (words,) = commands_in(unfinished.stderr)
    assert f"    tudui {shlex.join(words)}\n" in Path("compared/report.md").read_text()
    Path("elsewhere.py").rename(file)
    assert subprocess.run([*TUDUI, *words], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_module_beside_the_file_is_imported_by_workers_too(tmp_path):
    """From another working directory; a worker imports it from the file's folder."""
    folder, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "layers.py").write_text("from torch import nn\n\n\nclass Last(nn.Linear):\n    pass\n")
    (folder / "beside.py").write_text(
        "import os\nfrom pathlib import Path\n\nfrom torch import nn\n\nfrom layers import Last\n\n"
        "(Path(__file__).parent / f'process-{os.getpid()}').touch()\n\n\n"
        "def net():\n    return nn.Sequential(nn.Flatten(), Last(3072, 10))\n"
    )
    command = [*TUDUI, "compare-losses", "--network", "../mine/beside.py:net", "--losses", "ce,mse", "--seeds", "2"]
    command += ["--jobs", "2", "--lr", "same", "--set", "optimizer.lr=0.05", *QUICK_FLAGS, "--out", "compared"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(elsewhere.rglob("result.json"))) == 4
    assert len(list(folder.glob("process-*"))) == 3  # this command and its two workers


def test_a_machine_without_the_folder_of_the_file_names_what_is_missing(tmp_path):
    """As a node of a Ray cluster, which gets the content of the file only."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "beside.py"
    path.write_text("import layers_of_mine\n\n\nclass Net:\n    pass\n")
    name, sha256 = own_code.allow(f"{path}:Net")
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(UsageError) as refused:
        own_code.own_object(name, sha256, "--network")
    assert "No module named 'layers_of_mine'; only the file itself is sent to other machines" in str(refused.value)
    assert f"or copy {path.parent} to this machine" in str(refused.value)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--network", "missing.py:Odd"), r"missing\.py cannot be read"),
        (("--network", "net.py:Od"), r"net\.py: contains no Od; did you mean 'Odd'\?"),
        (("--network", "syntax.py:Odd"), r"syntax\.py:2: "),
        (("--network", "imports.py:Odd"), r"imports\.py:2: ModuleNotFoundError: No module named 'not_there'"),
        (("--network", "leaves.py:Odd"), r"leaves\.py:2: SystemExit"),
        (("--network", "binary.py:Odd"), r"binary\.py: not a Python file"),
        (("--network", "net.py:pair"), r"must be a class or a function .got int"),
        (("--network", "net.py:digits"), r"must return an nn\.Module"),
        (("--network", "net.py:built_in"), r"must return an nn\.Module .got dict"),
        (("--network", "net.py:made"), r"net\.py:made: is one network; name its class"),
        (("--network", "net.py:Tuple"), r"returns a tuple of 2, expected one tensor \[B, 10\]"),
        (("--network", "net.py:Wide"), r"returns \[B, 7\], expected \[B, 10\]"),
        (("--network", "net.py:Raises"), r"net\.py:\d+, layer stem: "),
        (("--network", "net.py:Builds"), r"net\.py:\d+: KeyError: 'no such layer'"),
        (("--network", "net.py:Needs"), r"Needs needs depth, width"),
        (("--network", "net.py:Odd", "--set", "network.widht=3"), r"no parameter 'widht'; did you mean 'width'\?"),
        (("--network", "net.py:Hidden"), r"changes calls, which no checkpoint contains"),
        (("--network", "net.py:Unused"), r"other\.weight has no shape, because no forward pass uses it"),
        (
            ("--network", "net.py:Flat", *DATA, "-b", "11", "-s", "train.drop_last=false", "-s", "data.validation=0"),
            r"net\.py:\d+, layer norm: Expected more than 1 value .*set train\.drop_last=true",
        ),
        (("--network", "net.py:Late"), r"creates calls in its forward pass"),
        (("--network", "torchvision:resnet81"), r"no such classification model; did you mean 'resnet18'\?"),
        (("--network", "torchvision"), r"must be torchvision:NAME"),
        (("--network", "resnet20:x"), r"network 'resnet20:x'"),
        pytest.param(
            ("--network", "timm:resnet18"),
            r"needs timm; install it with",
            marks=pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed"),
        ),
        (("--loss", "net.py:broken"), r"net\.py:\d+: IndexError"),
        (("--loss", "net.py:whole"), r"returns \[B, 10\], expected one number"),
        (("--loss", "net.py:hard"), r"returns values without a gradient"),
        (("--loss", "net.py:square"), r"net\.py: TypeError: square"),
        (("--data", "net.py:built_in"), r"error: net\.py:built_in: a mapping must have the key train"),
        (("--data", "net.py:smooth"), r"net\.py: smooth needs outputs, targets; give a default$"),
        (("--data", "net.py:pair"), r"must be a class or a function"),
        (("--data", "net.py:Odd"), r"must return train, or .train, test."),
        (("--set", "train.freeze=[stam]", "--network", "net.py:Odd"), r"no parameters below 'stam'; it has stem"),
        (("--size", "7"), r"data\.size: "),
        (("--size", "64"), r"takes images of 3 x 32 x 32"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line(flags, says, tudui):
    Path("syntax.py").write_text("x = 1\ndef f(:\n")
    Path("imports.py").write_text("x = 1\nimport not_there\n")
    Path("leaves.py").write_text("import sys\nsys.exit(3)\n")
    Path("binary.py").write_bytes(b"\xff\xfe\x00")
    answer = tudui("train", *flags, *QUICK, "--run-dir", "run")
    lines = [line for line in answer.err.splitlines() if not line.startswith(("note:", "warning:"))]
    assert answer.code in (2, 3), answer.err
    assert len(lines) == 1, answer.err
    assert re.search(says, lines[0])
    assert not Path("run/config.yaml").exists()


@pytest.mark.parametrize("key", ["network", "loss", "data"])
@pytest.mark.parametrize("place", ["net.py", "./net.py", "../here/net.py", "{absolute}/net.py", "link.py"])
@pytest.mark.parametrize("code", [None, "0" * 64])
def test_a_yaml_file_never_imports(key, place, code, tudui, tmp_path):
    Path("link.py").symlink_to("net.py")
    name = f"{place.format(absolute=tmp_path)}:{'digits' if key == 'data' else 'Odd'}"
    lines = [f"{key}:", f"  name: {name}", *([f"  code: '{code}'"] if code else [])]
    Path("x.yaml").write_text("\n".join([*lines, "optimizer:", "  lr: 0.05", ""]))
    for words in (("train", "--config", "x.yaml"), ("train", "--config", "x.yaml", "--dry-run")):
        answer = tudui(*words)
        assert answer.code == 2
        assert f"--{key}" in answer.err
    tudui("config", "validate", "x.yaml")
    tudui("config", "show", "--config", "x.yaml")
    assert not Path("imported").exists()


@pytest.mark.slow
def test_a_received_run_checkpoint_export_and_comparison_import_nothing(tmp_path):
    """Each command in a process of its own, with a file of the recorded name and content in the working directory."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "received")])}

    def tudui_in(folder: Path, *words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-P", "-m", "tudui", *map(str, words)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert tudui_in(tmp_path, "train", *OWN, *QUICK, "--run-dir", "run").returncode == 0
    assert tudui_in(tmp_path, "export", "run", *NETWORK, *DATA, "--out", "odd.safetensors").returncode == 0
    here = tmp_path / "received"
    here.mkdir()
    for name in ("run", "odd.safetensors", "net.py"):
        (tmp_path / name).rename(here / name)
    commands = {
        ("runs", "."): 0,
        ("config", "validate", "run/config.yaml"): 0,
        ("evaluate", "run"): 1,
        ("evaluate", "run/checkpoints/last.pt"): 1,
        ("evaluate", "odd.safetensors", "--data", "digits"): 1,
        ("predict", "run", "--split", "test"): 1,
        ("export", "run", "--overwrite"): 1,
        ("train", "--config", "run/config.yaml", "--run-dir", "new"): 1,
        ("train", "--init-from", "run", "--data", "digits", "--run-dir", "new"): 1,
        ("train", "--resume", "run", "--restart"): 1,
    }
    for words, fails in commands.items():
        done = tudui_in(here, *words)
        assert bool(done.returncode) == bool(fails), (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert not fails or len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1
        assert not (here / "imported").exists(), words


def test_workers_get_the_content_and_not_the_path(tudui, file):
    """A file that changes after it was named is the one that was named."""
    from tudui.config.own_code import allow, allow_again, allowed, own_object

    name, sha256 = allow(f"{file}:smooth")
    sent = allowed()
    forget()
    file.unlink()
    allow_again([replace(one) for one in sent])
    assert own_object(name, sha256, "--loss").__name__ == "smooth"
    with pytest.raises(UsageError, match="has changed"):
        own_object(name, "0" * 64, "--loss")


def test_two_files_of_one_name_and_an_edited_one(file, tmp_path):
    other = tmp_path / "sub" / "net.py"
    other.parent.mkdir()
    other.write_text("x = 1\n")
    own_code.allow(f"{file}:Odd")
    with pytest.raises(UsageError, match="rename one of them"):
        own_code.allow(f"{other}:x")
    file.write_text("y = 2\n")
    name, sha256 = own_code.allow(f"{file}:y")
    assert own_code.own_object(name, sha256, "--loss") == 2


@pytest.mark.parametrize("loss", ["net.py:mean", "net.py:smooth:amount=0.3"])
def test_a_loss_of_one_number_and_one_with_a_parameter(loss, tudui):
    assert tudui("train", "--loss", loss, *QUICK, "--run-dir", "run").code == 0
    assert loss.endswith("mean") or "amount: 0.3" in Path("run/config.yaml").read_text()


def test_a_network_may_be_any_callable(tudui):
    shown = tudui("network", "show", "net.py:narrow", "--data", "digits", "--size", "16", "--json").json()
    assert [layer["outputs"] for layer in shown["layers"]][:2] == [[2, 8, 8]] * 2
    assert shown["shape"] == {"input": [3, 16, 16], "outputs": 10}
    assert shown["seconds_per_epoch"] > 0
    assert tudui("network", "show", "net.py:narrow", "--classes", "10", "--json").json()["seconds_per_epoch"] is None


PAGE = (ROOT / "docs" / "own-code.md").read_text()
PAGE_COMMANDS = [
    line for block in re.findall(r"^```console\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]  # fmt: skip
PAGE_FILES = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
OF_DATASET = [line for line in PAGE_COMMANDS if "read_data.py" in line]


@pytest.mark.slow
def test_the_pages_commands_run_as_they_stand(tudui, file):
    file.write_text(PAGE_FILES[0])
    assert len(PAGE_COMMANDS) == 17
    for line in [line for line in PAGE_COMMANDS if line not in OF_DATASET]:
        words = shlex.split(line)[1:]
        short = ["-e", "1"] if words[0] == "train" else ["-e", "1", "--seeds", "2"] if "compare" in words[0] else []
        if "RUN" in words:
            words[words.index("RUN")] = "runs/net"  # it has finished, which is said after its code is allowed
            assert "this run has finished" in tudui(*words).err
            continue
        answer = tudui(*words, *short)
        assert answer.code == 0, f"{line}\n{answer.err}"


@pytest.fixture
def ants_and_bees(cifar_folder):
    """Two classes of real images under the names of the tutorial, some in other sizes and modes."""
    for part, ours in (("train", "train"), ("test", "val")):
        for name, label in (("cat", "ants"), ("dog", "bees")):
            target = Path("dataset") / ours / label
            target.mkdir(parents=True)
            for number, path in enumerate(sorted((cifar_folder / part / name).iterdir())):
                with Image.open(path) as image:
                    side = 32 + number % 3 * 20
                    mode = ("RGB", "RGB", "L", "CMYK")[number % 4]
                    image.convert(mode).resize((side, side + number % 2)).save(target / f"{number}.jpg")


@pytest.mark.slow
@pytest.mark.usefixtures("ants_and_bees")
def test_the_tutorials_dataset_of_ants_and_bees_is_trained_as_it_is(tudui):
    Path("read_data.py").write_text(PAGE_FILES[1])
    for line in OF_DATASET:
        answer = tudui(*shlex.split(line)[1:], "-e", "2", "-b", "32")
        assert answer.code == 0, f"{line}\n{answer.err}"
    shown = tudui("data", "check", "read_data.py:both", "--size", "48", "--json").json()
    assert list(shown["images"]["train"]) == ["ants", "bees"]
    answers = [json.loads(Path(f"runs/{name}/result.json").read_text()) for name in ("ants", "bees")]
    assert [sum(answer["images"].values()) for answer in answers] == [400, 500]
    assert answers[1]["images"]["test"] == 100


ITEMS = """
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset


class Items(Dataset):
    classes = ["left", "right"]

    def __init__(self, image, label):
        self.image, self.label = image, label

    def __getitem__(self, index):
        return self.image(index), self.label(index)

    def __len__(self):
        return 60


def pixels(index, kind=np.uint8):
    return (np.random.default_rng(index).random((40, 30 + index % 3, 3)) * 255).astype(kind)


def pillow(index):
    return Image.fromarray(pixels(index))


def grey(index):
    return Image.fromarray(pixels(index)[:, :, 0]).convert("P" if index % 2 else "L")


def tensor(index):
    return torch.tensor(pixels(index)).permute(2, 0, 1) / 255


def half(index):
    return index % 2


good = {
    "names": Items(pillow, lambda index: ["left", "right"][index % 2]),
    "modes": Items(grey, half),
    "arrays": Items(pixels, lambda index: np.int64(half(index))),
    "tensors": Items(tensor, lambda index: torch.tensor(half(index))),
    "arrays of one": Items(tensor, lambda index: np.array([half(index)])),
    "truth": Items(tensor, lambda index: bool(half(index))),
}
bad = {
    "one-hot": Items(pillow, lambda index: torch.eye(2)[half(index)]),
    "both": Items(pillow, lambda index: half(index) if index < 30 else "right"),
    "path": Items(lambda index: "image.jpg", half),
    "normalised": Items(lambda index: tensor(index) * 2 - 1, half),
    "numbers": Items(lambda index: pixels(index, np.int64), half),
    "six": Items(lambda index: torch.zeros(6, 8, 8), half),
    "no file": Items(lambda index: Image.open("nothing.jpg"), half),
}
globals().update({name.replace(" ", "_").replace("-", "_"): items for name, items in (good | bad).items()})
"""


@pytest.mark.parametrize("name", ["names", "modes", "arrays", "tensors", "arrays_of_one", "truth"])
def test_items_of_any_common_kind(name, tudui):
    Path("items.py").write_text(ITEMS)
    found = tudui("data", "check", "items.py:" + name, "--size", "16", "--json").json()
    assert list(found["images"]["train"]) == ["left", "right"]
    assert sum(sum(part.values()) for part in found["images"].values()) == 60


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("one_hot", r"a label must be one number or name \(got Tensor \[2\]\); return its argmax\(\)"),
        ("both", r"labels must be all names, all whole numbers from 0, or all numbers \(got 'right'\)"),
        ("path", r"an image must be a Pillow image, an array or a tensor \(got str of 9\)"),
        ("normalised", r"floats must be from 0 to 1 .*leave Normalize out"),
        ("numbers", r"images must be bytes, or floats from 0 to 1 \(got int64\)"),
        ("six", r"an image must be \[H, W\], \[H, W, 3\] or \[3, H, W\] \(got \[6, 8, 8\]\)"),
        ("no_file", r"items\.py:\d+: FileNotFoundError: .*nothing\.jpg"),
        ("Items", r"Items needs image, label; give a default"),
        ("half", r"half needs index; give a default"),
        ("good", r"must be a class or a function \(got dict\)"),
    ],
)
def test_items_that_cannot_be_used_are_one_line(name, says, tudui):
    Path("items.py").write_text(ITEMS)
    answer = tudui("train", "--data", "items.py:" + name, "--size", "16", "--network", "linear", "--lr", "0.1")
    assert answer.code in (2, 3)
    lines = [line for line in answer.err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, answer.err
    assert re.search(says, lines[0]), lines


@pytest.mark.parametrize(
    ("row", "flag"),
    [
        ("your own network", "--network"),
        ("images larger than 32 × 32", "--size"),
        ("pretrained weights", "--init-from"),
    ],
)
def test_each_bold_row_of_the_comparison_with_others_links_to_commands_above(row, flag):
    page = (ROOT / "docs" / "comparison-with-others.md").read_text()
    (ours,) = re.findall(rf"^\| \*\*{row}\*\* \| ([^|]+) \|", page, flags=re.MULTILINE)
    assert re.match(rf"yes: .*\[`{flag}[^]]*\]\(own-code\.md", ours)
    assert any(f" {flag} " in line for line in PAGE_COMMANDS)


def test_a_checkpoint_of_more_than_64_mib_is_read_again(tudui, file):
    file.write_text("from torch import nn\n\ndef big():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 3000),"
                    " nn.Linear(3000, 10))\n")  # fmt: skip
    done = tudui("train", "--network", "net.py:big", *QUICK, "-b", "512", "--run-dir", "run")
    assert done.code == 0, done.err
    assert Path("run/checkpoints/last.pt").stat().st_size > 64 * 2**20
    assert tudui("evaluate", "run", "--network", "net.py:big").code == 0


def test_tensors_that_claim_more_than_a_file_holds_are_refused(tudui, tmp_path):
    assert tudui("train", "--network", "mlp", *QUICK, "--run-dir", "run").code == 0
    content = torch.load("run/checkpoints/last.pt")
    content["config"]["network"]["hidden"] = [16384, 16384]
    one = torch.zeros(1)
    shapes = {"1": (16384, 3072), "3": (16384, 16384), "5": (10, 16384)}
    content["state"]["model"] = {
        f"{layer}.{kind}": one.expand(shape if kind == "weight" else shape[:1])
        for layer, shape in shapes.items()
        for kind in ("weight", "bias")
    }
    torch.save(content, "bomb.pt")
    refused = tudui("evaluate", "bomb.pt")
    assert (refused.code, "in a file of fewer" in refused.err) == (5, True)
