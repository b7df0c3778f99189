"""Models handed on: each format loaded by its own library, as the docs show it, computes what the run computes."""

import contextlib
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.stats import norm

from tests.conftest import ROOT, photograph, quick_config, tudui_network
from tests.test_data import write_cifar
from tests.test_networks import course_network
from tudui.data import load_data
from tudui.errors import Interrupted, WeightsError
from tudui.exported import MAX_HEADER, Description, _sum
from tudui.inference.history import without_paths
from tudui.inference.loading import loading_code
from tudui.run import train
from tudui.weights import read_weights

FILES = {"safetensors": "model.safetensors", "onnx": "model.onnx", "torch": "model.pt"}
DOCS = (ROOT / "docs" / "handing-on.md").read_text()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The run in each format."""
    from typer.testing import CliRunner

    from tudui.cli import app

    folder = tmp_path_factory.mktemp("exported")
    for name in FILES.values():
        done = CliRunner().invoke(app, ["export", str(trained), "--out", str(folder / name)])
        assert done.exit_code == 0, done.stderr
    return folder


def test_the_loading_code_of_the_docs_runs_and_gives_what_predict_gives(exported, trained, tudui, monkeypatch):
    monkeypatch.chdir(exported)
    photograph(3).save("picture.png")
    (expected,) = tudui("predict", trained, "picture.png", "--json").json()["predictions"]
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS, flags=re.DOTALL | re.MULTILINE)
    weights = read_weights(trained)
    programs = {format: loading_code(format, name, weights) for format, name in FILES.items()}
    assert sorted(blocks) == sorted((programs["safetensors"], programs["onnx"]))
    for line in re.findall(r"^    (.* content.*|content.*)$", DOCS, flags=re.MULTILINE):
        assert line in programs["torch"].splitlines()
    for block in programs.values():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "docs/handing-on.md", "exec"), {})
        name, probability = printed.getvalue().split()
        assert name == expected["classes"][0]["name"] == "3"
        assert float(probability) == pytest.approx(expected["classes"][0]["probability"], abs=1e-5)


def test_onnx_takes_any_number_of_images_and_carries_its_classes(exported, trained):
    import onnx
    import onnxruntime

    onnx.checker.check_model(exported / "model.onnx", full_check=True)
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["tudui"])
    assert about["classes"] == list("0123456789")
    assert about["origin"] == "digits-ce-seed0/checkpoints/last.pt"
    weights, images = read_weights(trained), load_data(quick_config().data, 0).test.images
    with torch.inference_mode():
        expected = weights.model()(weights.preparation(images))
    for number in (1, 7, len(images)):
        logits, probabilities = session.run(None, {"images": images[:number].numpy()})
        assert np.abs(logits - expected[:number].numpy()).max() < 1e-4
        assert np.abs(probabilities - expected[:number].softmax(1).numpy()).max() < 1e-5


def test_evaluate_and_predict_read_exports_as_the_run(exported, trained, tudui):
    theirs = tudui("evaluate", trained, "--json").json()
    for name in ("model.safetensors", "model.pt"):
        ours = tudui("evaluate", exported / name, "-d", "digits", "--json").json()
        assert ours["origin"] == f"{exported / name} (exported from digits-ce-seed0/checkpoints/last.pt)"
        for score in ("accuracy", "nll", "ece"):
            assert ours[score] == pytest.approx(theirs[score], abs=1e-6)  # the run multiplies in another memory format
        assert list(ours["per_class_accuracy"]) == list("0123456789")
        weights = read_weights(exported / name)
        assert weights.preparation == read_weights(trained).preparation
        assert all(torch.equal(tensor, weights.tensors[key]) for key, tensor in read_weights(trained).tensors.items())
    answer = tudui("predict", exported / "model.onnx", exported / "picture.png")
    assert answer.code == 5
    assert "does not read ONNX files" in answer.err
    again = tudui("export", exported / "model.safetensors", "--json", "-o", "again.pt").json()
    assert again["check"]["difference"] == 0


@pytest.mark.parametrize("format", FILES)
def test_weights_of_a_script_are_exported_with_what_is_not_known(format, tmp_path, tudui):
    torch.manual_seed(7)
    network = course_network()
    torch.save(network, tmp_path / "tudui_9.pth")
    answer = tudui("export", "tudui_9.pth", "--format", format)
    assert answer.code == 0, answer.err
    assert "checked on images of random bytes, because a weights file does not say what it was trained on" in answer.err
    out = f"tudui_9{Path(FILES[format]).suffix}"
    assert f"wrote {out} " in answer.out
    card = Path(f"{out}.md").read_text()
    assert card.count("not known**") == 2
    assert card.count("**Not known**") == 3
    images = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    expected = network(images / 255).detach()
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
        assert np.allclose(session.run(["logits"], {"images": images.numpy()})[0], expected.numpy(), atol=1e-6)
    else:
        weights = read_weights(Path(out))
        assert torch.allclose(weights.model()(weights.preparation(images)), expected, atol=1e-6)
        assert weights.classes == tuple(f"class {index}" for index in range(10))


def test_what_it_says_of_itself(trained, tmp_path, tudui):
    answer = tudui("export", trained, "--json").json()
    assert answer["out"] == "digits-ce-seed0.safetensors"
    assert answer["card"] == "digits-ce-seed0.safetensors.md"
    assert answer["check"]["images"] == 256
    assert answer["check"]["of"] == "test images of the run's own data"
    assert answer["check"]["difference"] == 0 < answer["check"]["largest"]
    assert answer["bytes"] == Path(answer["out"]).stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == [answer["out"], answer["card"]]
    before = Path(answer["out"]).read_bytes()
    assert tudui("export", trained, "--overwrite").code == 0
    assert Path(answer["out"]).read_bytes() == before


def test_nothing_is_overwritten_unasked(trained, tmp_path, tudui):
    (tmp_path / "model.pt.md").write_text("mine")
    answer = tudui("export", trained, "-o", "model.pt")
    assert answer.code == 2
    assert answer.err == "error: model.pt.md: already exists; give another name, or add --overwrite\n"
    assert not Path("model.pt").exists()
    assert tudui("export", trained, "-o", "model.pt", "--overwrite").code == 0
    assert Path("model.pt.md").read_text() != "mine"
    assert tudui("export", trained, "-o", "model.pt").code == 2
    photograph(0).save(tmp_path / "zero.png")
    (tmp_path / "out.csv").write_text("mine")
    assert tudui("predict", trained, "zero.png", "-o", "out.csv").code == 2
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert tudui("predict", trained, "zero.png", "-o", "out.csv", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-o", "model.bin"], 2, "--out model.bin: must end with .safetensors, .onnx, .pt, .pth"),
        (["-o", "model.pt", "--format", "onnx"], 2, "the ending of format onnx is .onnx"),
        (["-o", "nowhere/model.pt"], 6, "nowhere/model.pt: cannot be written: No such file"),
        (["-o", "."], 2, "--out .: must end with"),
    ],
)
def test_places_that_do_not_fit(arguments, code, says, trained, tmp_path, tudui):
    tudui("export", trained, *arguments).refused(code, says)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_one_line_says_what_to_install(trained, tmp_path):
    script = "import sys; sys.modules['onnxruntime'] = None\nfrom tudui.cli import app; app(prog_name='tudui')"
    done = subprocess.run(
        [sys.executable, "-c", script, "export", trained, "--format", "onnx"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: --format onnx: onnxruntime is not installed; pip install onnx onnxruntime onnxscript\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_otherwise_is_not_left(trained, tmp_path, tudui, monkeypatch):
    """A fault of the writer: the weights of another network under the right names."""
    from tudui.inference import export

    def faulty(format, weights, description):
        torch.manual_seed(0)
        content = io.BytesIO()
        about = description.model_dump(mode="json")
        torch.save({"tudui": about, "state_dict": tudui_network(10).state_dict()}, content)
        return content.getvalue()

    monkeypatch.setattr(export, "_content", faulty)
    answer = tudui("export", trained, "--format", "torch")
    assert answer.code == 5
    assert re.search(r"not written: .* logits differ by up to \d+ \(allowed: 0\.0001 of the largest", answer.err)
    assert not list(tmp_path.iterdir())


def test_where_the_data_is_gone_random_bytes_are_computed(class_folders, tmp_path, tudui):
    train(quick_config(f"data.name=folder:{class_folders}", "train.epochs=1", "train.batch_size=8"), tmp_path / "run")
    shutil.rmtree(class_folders)
    answer = tudui("export", "run", "--format", "onnx")
    assert answer.code == 0, answer.err
    assert "note: checked on images of random bytes, because" in answer.err
    assert "pictures: no such folder" in answer.err
    card = Path("run.onnx.md").read_text()
    assert str(tmp_path) not in card
    assert "- data set: folder:pictures" in card
    assert "pictures has no test images, so a stratified fifth (8 images)" in card
    assert str(tmp_path).encode() not in Path("run.onnx").read_bytes()


# the card


def test_the_card_tells_what_the_run_measured(exported, trained):
    card = (exported / "model.safetensors.md").read_text()
    result = json.loads((trained / "result.json").read_text())
    hits = round(result["test"]["accuracy"] * 359)
    share, z = hits / 359, norm.ppf(0.975)
    middle = (share + z**2 / 718) / (1 + z**2 / 359)  # Wilson 1927, by its formula
    half = z / (1 + z**2 / 359) * (share * (1 - share) / 359 + z**2 / (4 * 359**2)) ** 0.5
    interval = f"{100 * (middle - half):.1f} to {100 * (middle + half):.1f} %"
    expected = f"{100 * share:.2f} % ({hits} of 359; 95 % interval {interval})"
    assert f"**Test accuracy {expected}**" in card
    content = torch.load(trained / "checkpoints" / "last.pt")
    for part in (
        hashlib.sha256((exported / "model.safetensors").read_bytes()).hexdigest(), content["data"],
        "1,295 train, 143 validation, 359 test", "| loss.name | ce |", "| optimizer.lr | 0.1 |", "| train.epochs | 4 |",
        "n = 1: one run with seed 0", "a stratified fifth of the digits", "the last epoch (4)",
        f"expected error {result['test']['ece']:.4f}", "Licence", "It knows its classes only",
    ):  # fmt: skip
        assert part in card, part
    assert card.count(" of 3") >= 10  # a row for each class, of 35 to 37 images


def test_the_card_of_the_best_weights_has_their_accuracy(class_folders, tmp_path, tudui):
    run = tmp_path / "run"
    settings = (
        "train.epochs=8",
        "optimizer.lr=0.01",
        "schedule=constant",
        "train.batch_size=8",
        "log.sinks=[]",
    )
    train(quick_config(f"data.name=folder:{class_folders}", *settings), run)
    result = json.loads((run / "result.json").read_text())
    best, last = result["best"], result["test"]
    assert best["epoch"] < 8
    assert best["test_accuracy"] != last["accuracy"]
    assert tudui("export", "run", "--best", "-o", "best.pt").code == 0
    card = Path("best.pt.md").read_text()
    assert f"those of the epoch with the best validation accuracy ({best['epoch']})" in card
    assert "chosen by it, so it is too high" in card
    assert f"**Test accuracy {100 * best['test_accuracy']:.2f} %" in card
    assert tudui("export", "run", "-o", "last.pt").code == 0
    card = Path("last.pt.md").read_text()
    assert "those of the last epoch (8)" in card
    assert f"**Test accuracy {100 * last['accuracy']:.2f} %" in card
    assert tudui("export", "run/checkpoints/last.pt", "-o", "alone.pt").code == 0
    assert "**Not known**: a file has no record of its run." in Path("alone.pt.md").read_text()
    record = run / "metrics.jsonl"
    record.write_text(record.read_text()[:-20])
    answer = tudui("export", "run", "-o", "damaged.pt")
    assert answer.code == 0
    assert "the card says nothing of accuracy, because run/metrics.jsonl" in answer.err
    assert "**Not known**: the record of the run is damaged." in Path("damaged.pt.md").read_text()


def test_the_card_of_weights_that_are_best_and_last(tmp_path, tudui):
    train(quick_config("train.epochs=1", "log.sinks=[]", "data.label_noise=0.2"), tmp_path / "run")
    for flags, words in (((), "those of the last epoch (1)"), (("--best",), "best validation accuracy (1)")):
        assert tudui("export", "run", *flags, "--overwrite").code == 0
        card = Path("run.safetensors.md").read_text()
        assert words in card
        assert ("chosen by it, so it is too high" in card) == bool(flags)
    manifest = f"data.noise_manifest={tmp_path / 'run' / 'label_noise.json'}"
    train(quick_config("train.epochs=1", "log.sinks=[]", manifest), tmp_path / "again")
    assert tudui("export", "again").code == 0
    assert "validation accuracy: " in Path("again.safetensors.md").read_text()
    assert "(its labels are partly wrong on purpose)" in Path("again.safetensors.md").read_text()


def test_the_card_of_a_run_that_was_cut_in_an_epoch_tells_no_epoch(tmp_path, tudui):
    def stop(event):
        if getattr(event, "step", 0) >= 25 and type(event).__name__ == "StepEnd":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train(quick_config("train.epochs=3", "log.every=5"), tmp_path / "run", sinks=[stop])
    assert read_weights(tmp_path / "run").epoch is None
    assert tudui("export", "run").code == 0
    card = Path("run.safetensors.md").read_text()
    assert "after epoch" not in card
    assert "validation accuracy" not in card


@pytest.mark.parametrize("place", ["images/", "/home/me/images/", "/home/me/images"])
def test_a_card_names_no_folder_and_keeps_its_words(place):
    config = quick_config(f"data.name=folder:{place}")
    said = f"{place.rstrip('/')}: skipped, {place.rstrip('/')}/cat/1.png"
    assert without_paths(said, config) == "images: skipped, images/cat/1.png"


def test_nothing_is_fetched_to_check_an_export(tmp_path, tudui):
    write_cifar(tmp_path / "copy" / "cifar-10-batches-py", count=60)
    data = ("data.name=cifar10", f"data.dir={tmp_path / 'copy'}", "train.batch_size=16", "train.epochs=1")
    train(quick_config(*data, "log.sinks=[]"), tmp_path / "run")
    shutil.rmtree(tmp_path / "copy" / "cifar-10-batches-py")
    answer = tudui("export", "run")
    assert answer.code == 0
    assert "checked on images of random bytes, because cifar10 is not on this machine" in answer.err
    assert not list((tmp_path / "copy").iterdir())


def test_names_are_text_in_the_card(class_folders, tmp_path, tudui):
    (class_folders / "odd").rename(class_folders / "<img src=x>|*b* [x](http:x)")
    config = quick_config(f"data.name=folder:{class_folders}", "train.epochs=1", "train.batch_size=8")
    train(config, tmp_path / "run")
    assert tudui("export", "run", "--format", "torch").code == 0
    card = Path("run.pt.md").read_text()
    assert r"\<img src=x\>\|\*b\* \[x\](http:x)" in card
    assert "<img" not in card.replace(r"\<img", "")
    assert read_weights(Path("run.pt")).classes[0] == "<img src=x>|*b* [x](http:x)"


# files from others


def test_a_checksum_without_what_it_is_of(tmp_path):
    tensors = tudui_network(10).state_dict()
    save_file(tensors, tmp_path / "odd.safetensors", {"tudui.sha256": _sum(tensors, "")})
    with pytest.raises(WeightsError, match="its description is damaged"):
        read_weights(tmp_path / "odd.safetensors")
    save_file(tensors, tmp_path / "of-others.safetensors", {"sha256": "their own"})
    assert read_weights(tmp_path / "of-others.safetensors").classes is None


def with_header(path, change):
    """Rewrite the JSON header of a safetensors file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    Path("changed.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return Path("changed.safetensors")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda header: header["__metadata__"].update(**{"tudui.sha256": "0" * 64}), "does not fit its checksum"),
        (lambda header: header["__metadata__"].pop("tudui.sha256"), "does not fit its checksum"),
        (lambda header: header["__metadata__"].pop("tudui"), "does not fit its checksum"),
        (
            lambda header: header["__metadata__"].update(tudui=header["__metadata__"]["tudui"].replace("0.3", "0.4")),
            "does not fit its checksum",
        ),
        (lambda header: header["conv1.bias"].update(shape=[10**12]), "cannot be read as safetensors"),
        (lambda header: header["conv1.bias"].update(dtype="I32"), "not a plain tensor of numbers"),
        (lambda header: header.update(__metadata__={"tudui": 3}), "cannot be read as safetensors"),
    ],
)
def test_safetensors_that_were_changed_are_refused(change, says, exported):
    if says.startswith("not a plain"):
        path = with_header(exported / "model.safetensors", lambda header: (change(header), header.pop("__metadata__")))
    else:
        path = with_header(exported / "model.safetensors", change)
    with pytest.raises(WeightsError, match=says):
        read_weights(path)


def test_plain_safetensors_of_another_script_are_weights(tmp_path):
    network = course_network()
    save_file(network.state_dict(), tmp_path / "plain.safetensors")
    images = torch.randn(2, 3, 32, 32)
    weights = read_weights(tmp_path / "plain.safetensors")
    assert torch.equal(weights.model()(images), network(images))
    assert weights.preparation is None
    state = network.state_dict()
    state["0.bias"][3] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match="not finite"):
        read_weights(tmp_path / "nan.safetensors")
    (tmp_path / "long.safetensors").write_bytes((MAX_HEADER + 1).to_bytes(8, "little") + b"{" + bytes(100))
    with pytest.raises(WeightsError, match="a header of 4,194,305 bytes is too long"):
        read_weights(tmp_path / "long.safetensors")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"format": 2}, "exported in format 2; this Tudui reads 1"),
        ({"format": torch.zeros(3)}, "exported in format"),
        ({"classes": ["a"] * 9}, r"linear2\.weight is \[10, 64\], expected \[9, 64\] for 9 classes"),
        ({"classes": ["\x1b[2J"] * 10}, r"its description is damaged \(classes\)"),
        ({"classes": ["x" * 256] * 10}, r"its description is damaged \(classes.0\)"),
        ({"std": [0.0, 1.0, 1.0]}, r"its description is damaged \(std.0\)"),
        ({"mean": [float("nan"), 1.0, 1.0]}, r"its description is damaged \(mean.0\)"),
        ({"network": {"name": "resnet99"}}, "unknown network 'resnet99'"),
        ({"network": {}}, "its description of the network is damaged"),
        ({"network": {"name": "tudui", "width": 3}}, "its description of the network is damaged"),
        ({"image": [3, 64, 64]}, "tudui takes images of 3 x 32 x 32"),
        ({"image": [3, 10**9, 32]}, r"its description is damaged \(image\.1\)"),
        ({"origin": "a\nb"}, r"its description is damaged \(origin\)"),
    ],
)
def test_descriptions_that_are_wrong_are_refused(values, says, exported, tmp_path, tudui):
    content = torch.load(exported / "model.pt", weights_only=True)
    content["tudui"] |= values
    torch.save(content, tmp_path / "changed.pt")
    answer = tudui("evaluate", "changed.pt", "-d", "digits")
    answer.refused(5)
    assert re.search(says, answer.err)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*Description.model_fields, "x"]), json_values) | json_values)
def test_any_description_is_read_or_refused_in_a_line(values):
    good = {"format": 1, "origin": "x", "classes": ["a", "b"], "mean": [0, 0, 0], "std": [1, 1, 1]}
    whole = good | values if isinstance(values, dict) else values
    for given_values in (whole, json.dumps(whole)):
        try:
            found = Description.read(given_values, Path("file"))
        except WeightsError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert np.isfinite([*found.mean, *found.std]).all()
            assert min(found.std) > 0
            assert Description.read(found.text(), Path("file")) == found
