"""Damaged files: refused by a clear error or read rightly, never a traceback or a hang; `fuzz/fuzz.py` at length."""

import json
import re
import shutil
import struct
import sys
import zipfile
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT, quick_config, tudui_network
from tudui.config import load_config, parse_set
from tudui.config.dump import to_yaml
from tudui.errors import ConfigError, DataError, WeightsError
from tudui.run import train
from tudui.training.checkpoint import load_checkpoint
from tudui.weights import read_weights

sys.path.insert(0, str(ROOT / "fuzz"))  # as Python does for a script that is run

from fuzz_case import passes
from fuzz_runs import comparison_of
from fuzz_targets import TARGETS


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Where the targets keep their real files."""
    return tmp_path_factory.mktemp("fuzz")


# `places` starts commands for many minutes: python fuzz/fuzz_places.py FOLDER 2000
@pytest.mark.parametrize("name", [name for name in TARGETS if name != "places"])
def test_damaged_files_are_refused_or_read_rightly(name, workshop):
    target = TARGETS[name](workshop)
    assert all(passes(target, content) for content in target.seeds)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**32))
    def damaged(seed):
        random = Random(seed)
        passes(target, target.damage(random.choice(target.seeds), random))

    damaged()


words = st.sampled_from(
    ["loss", "name", "ce", "huber", "delta", "train", "epochs", "optimizer", "lr", "auto", "data", "seed", "schedule"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5) | words, inside, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(words | st.text(max_size=6), values, max_size=5))
def test_any_mapping_is_a_config_or_a_config_error(tmp_path_factory, mapping):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(json.dumps(mapping))  # JSON is YAML, apart from NaN, which is then a string
    try:
        config = load_config(path).config
    except ConfigError as error:
        assert error.problems
    else:
        path.write_text(to_yaml(config))
        assert load_config(path).config == config


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="{}[]:-&*!#|>\n \t'\"ab0.,?%@~", max_size=80).map(str.encode))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    try:
        load_config(path)
    except ConfigError as error:
        assert error.problems


# what was found, a test for each kind


def flip(path, place, bit=0):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_a_flipped_bit_in_a_saved_tensor_is_noticed(trained, tmp_path, tudui):
    """torch.load alone does not compare the checksums in its files."""
    path = tmp_path / "last.pt"
    whole = (trained / "checkpoints" / "last.pt").read_bytes()
    with zipfile.ZipFile(trained / "checkpoints" / "last.pt") as archive:
        entries = [entry for entry in archive.infolist() if "/data/" in entry.filename]
    for entry in entries:
        place = entry.header_offset + 128 + entry.file_size // 2  # behind the entry's own header
        path.write_bytes(whole)
        flip(path, min(place, len(whole) - 1))
        with pytest.raises(WeightsError, match="does not fit its checksum"):
            read_weights(path)
        with pytest.raises(WeightsError, match="does not fit its checksum"):
            load_checkpoint(path)
    answer = tudui("evaluate", path)
    assert answer.code == 5
    assert "does not fit its checksum" in answer.err


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "plain.pt")
    bomb = zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pt") as old, bomb as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(WeightsError, match="is a compressed archive"):
        read_weights(tmp_path / "bomb.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_weights_that_are_not_finite_are_said(value, tmp_path, tudui, class_folders):
    state = tudui_network(10).double().state_dict()
    state["conv2.weight"][3, 1, 0, 0] = value
    torch.save(state, tmp_path / "weights.pt")
    picture = next((class_folders / "odd").iterdir())
    commands = (
        ("evaluate", "weights.pt", "--data", "digits"),
        ("predict", "weights.pt", picture),
        ("train", "--init-from", "weights.pt", "-e", 1, "-q", "-o", "run"),
    )
    for command in commands:
        answer = tudui(*command)
        assert answer.code == 5
        assert re.fullmatch(r"error: .*weights\.pt: values that are not finite .* in conv2\.weight; .*\n", answer.err)


@pytest.mark.parametrize(
    ("name", "tensor", "says"),
    [
        ("linear2.bias", torch.zeros(()), "its last layer has 0 classes"),
        ("linear2.weight", torch.zeros(1, 1).expand(10**12, 64), "tensors of 256,000,000,579,752 bytes in a file"),
        ("conv1.bias", torch.zeros(32, dtype=torch.complex64), "not a plain tensor of numbers"),
        ("conv1.bias", torch.zeros(32).to_sparse(), "not a plain tensor of numbers"),
        ("conv1.bias", torch.zeros(32, device="meta"), "not a plain tensor of numbers"),
    ],
)
def test_tensors_that_are_not_what_they_seem(name, tensor, says, tmp_path):
    torch.save(tudui_network(10).state_dict() | {name: tensor}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=says):
        read_weights(tmp_path / "weights.pt")


def test_a_last_layer_that_claims_a_billion_classes(tmp_path):
    claimed = {"linear2.weight": torch.zeros(1, 1).expand(10**9, 64), "linear2.bias": torch.zeros(1).expand(10**9)}
    torch.save(tudui_network(10).state_dict() | claimed, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="has 1,000,000,000 classes; 2 to 100,000 can be read"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda content: content["lengths"].clear(), 5, "lengths is missing or wrong"),
        (lambda content: content.update(lengths={"other": 1}), 6, "does not list metrics.jsonl"),
        (
            lambda content: content["preparation"].update(std=(0.0, 1.0, 1.0)),
            5,
            "preparation.std.0 is missing or wrong",
        ),
        (lambda content: content["state"].update(progress={"step": "x"}), 5, "state.progress.step is missing or wrong"),
        (lambda content: content["state"]["optimizer"].pop("momentum"), 5, "not a checkpoint of this run"),
        (lambda content: content["state"]["optimizer"]["momentum"].__setitem__(0, torch.zeros(())), 5, "of shape [],"),
        (lambda content: content["config"].update(train=3), 2, "train: must be a section"),
        (lambda content: content.update(format=torch.zeros(3)), 5, "not a checkpoint of Tudui"),
    ],
)
def test_a_checkpoint_that_holds_something_else_is_refused_and_nothing_is_cut(change, code, says, tmp_path, tudui):
    train(quick_config("train.epochs=1", "log.sinks=[]"), tmp_path / "run")
    path, record = tmp_path / "run" / "checkpoints" / "last.pt", (tmp_path / "run" / "metrics.jsonl").read_bytes()
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    path.with_name("previous.pt").unlink()
    (tmp_path / "run" / "result.json").unlink()
    answer = tudui("train", "--resume", "run", "-q")
    assert answer.code == code
    assert says in answer.err
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == record


def test_a_number_that_became_text_is_the_number_again(tmp_path):
    train(quick_config("train.epochs=1", "log.sinks=[]"), tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    content = torch.load(path, weights_only=True)
    step = content["state"]["progress"]["step"]
    content["state"]["progress"]["step"] = str(step)
    torch.save(content, path)
    assert load_checkpoint(path).state["progress"]["step"] == step > 0


def test_a_flipped_bit_in_the_cache_is_mended(class_folders, tmp_path):
    from tudui.config.schema import DataConfig
    from tudui.data import load_data

    config = DataConfig(name=f"folder:{class_folders}")
    before = load_data(config, 0)
    (stored,) = (tmp_path / "cache").rglob("images.npy")
    flip(stored, 5_000, bit=7)
    assert torch.equal(load_data(config, 0).train.images, before.train.images)
    again = stored.stat().st_mtime_ns
    assert torch.equal(load_data(config, 0).train.images, before.train.images)
    assert stored.stat().st_mtime_ns == again  # made anew once, then recalled


def test_a_damaged_type_in_a_pickle_does_not_crash_numpy(tmp_path):
    """numpy's own way back from this pickle ends the process."""
    from tudui.config.schema import DataConfig
    from tudui.data import read_source

    TARGETS["cifar"](tmp_path)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    whole = batch.read_bytes()
    assert len(read_source(DataConfig(name="cifar10", dir=str(tmp_path))).targets) == 18
    batch.write_bytes(whole.replace(b"|q\x11N", b"Nq\x11N"))
    assert batch.read_bytes() != whole
    assert len(read_source(DataConfig(name="cifar10", dir=str(tmp_path))).targets) == 18  # bytes have no order
    batch.write_bytes(whole.replace(b"}q\x00", b"}r\xff\xff\xff\x7f", 1))  # a memo of 2 billion places
    assert len(read_source(DataConfig(name="cifar10", dir=str(tmp_path))).targets) == 18
    batch.write_bytes(whole.replace(b"u1q", b"O1q"))
    with pytest.raises(DataError, match="contains numbers of type O1"):
        read_source(DataConfig(name="cifar10", dir=str(tmp_path)))


def test_a_cut_file_of_mnist_is_named_as_damaged(tmp_path, workshop):
    from tudui.config.schema import DataConfig
    from tudui.data import load_data

    TARGETS["mnist"](tmp_path)
    images = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(struct.pack(">IIII", 2051, 5, 28, 28)[:9])
    with pytest.raises(DataError, match="mnist"):
        load_data(DataConfig(name="mnist", dir=str(tmp_path)), 0)
    images.write_bytes(struct.pack(">IIII", 2051, 5, 2, 2) + bytes(20))
    with pytest.raises(DataError, match="images and labels of mnist do not match"):
        load_data(DataConfig(name="mnist", dir=str(tmp_path)), 0)


@pytest.fixture
def compared_here(workshop, tmp_path):
    shutil.copytree(comparison_of(workshop), tmp_path / "compared")
    return tmp_path / "compared"


def test_a_torn_line_is_passed_over_by_the_table_and_named_by_the_report(compared_here, tudui):
    run = compared_here / "runs" / "ce-seed0"
    record = run / "metrics.jsonl"
    whole = record.read_bytes()
    (run / "result.json").rename(run / "kept.json")
    record.write_bytes(whole[: whole.index(b'"event": "Evaluated"') + 60])  # as a kill leaves it
    (row,) = tudui("runs", run, "--json").json()["runs"]
    assert (row["status"], row["epochs"]) == ("not finished", 1)
    (run / "kept.json").rename(run / "result.json")
    answer = tudui("report", "compared")
    assert answer.code == 3
    assert re.search(r"error: compared/runs/ce-seed0/metrics\.jsonl:\d+: damaged: .*; restore the file, or", answer.err)


def test_a_damaged_result_is_shown_and_its_run_ended_again(compared_here, tudui):
    run = compared_here / "runs" / "ce-seed0"
    before = json.loads((run / "result.json").read_text())
    for content in ("", "[]", '{"status": "finished"}', json.dumps(before | {"test": None}), "{" * 9999):
        (run / "result.json").write_text(content)
        (row,) = tudui("runs", run, "--json").json()["runs"]
        assert (row["status"], row["epochs"], row["test"]) == ("damaged", 1, None)
        assert "1 of 4 runs are not done (for example ce-seed0)" in tudui("report", "compared").err
        answer = tudui("train", "--resume", run)
        assert answer.code == 3
        assert "result.json: damaged: " in answer.err
        assert f"train --resume {run}" in answer.err
    (run / "result.json").unlink()
    assert tudui("train", "--resume", run, "-q").code == 0
    assert json.loads((run / "result.json").read_text())["test"] == before["test"]


def test_damaged_predictions_are_named(compared_here, tudui):
    path = compared_here / "runs" / "mse-seed1" / "predictions.npz"
    flip(path, path.stat().st_size // 2)
    answer = tudui("report", "compared")
    assert answer.code == 3
    assert re.search(r"mse-seed1/predictions\.npz: cannot be read \(Bad CRC-32", answer.err)


def test_half_a_character_is_no_setting(tmp_path, tudui):
    (tmp_path / "half.yaml").write_text('data:\n  dir: "\\ud800"\n')
    answer = tudui("config", "show", "-c", "half.yaml")
    assert answer.code == 2
    assert "half.yaml:2:8: data.dir: contains half a character" in answer.err


def test_a_problem_is_one_line_whatever_the_key_holds():
    with pytest.raises(ConfigError) as caught:
        load_config(None, [parse_set("a\n\u2028b=1")])
    assert len(str(caught.value).splitlines()) == 1
