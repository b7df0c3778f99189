"""Where a run finds itself: no home, no cache, data that moved, images that are none, sinks that raise."""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image

from tests.conftest import QUICK_FLAGS, TUDUI, photograph, quick_config
from tudui.config.schema import DataConfig
from tudui.data import load_data
from tudui.data.decoding import original_size
from tudui.errors import DiskError, Interrupted
from tudui.files import write_text
from tudui.run import train
from tudui.training.checkpoint import load_checkpoint

SMALL = ("-b", "8", *QUICK_FLAGS, "-q")


def notes_of(folder: Path) -> list[str]:
    return [note for note in load_data(DataConfig(name=f"folder:{folder}"), 0).notes if "decoded again" in note]


# 8. convenient places


@pytest.mark.parametrize("kind", ["a file", "below a file", "dangling link", "of the kernel", "too long"])
def test_without_a_cache_images_are_decoded_and_it_is_said_once(kind, class_folders, tmp_path, monkeypatch, tudui):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere/at/all")
    place = {
        "a file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "dangling link": tmp_path / "link",
        "of the kernel": Path("/proc/x"), "too long": tmp_path / ("x" * 300),
    }[kind]  # fmt: skip
    monkeypatch.setenv("TUDUI_CACHE", str(place))
    for _ in range(2):
        (note,) = notes_of(class_folders)
        assert "set TUDUI_CACHE to another folder" in note
    answer = tudui("data", "check", class_folders)
    assert answer.code == 0
    assert answer.err.count("TUDUI_CACHE") == 1
    assert tudui("train", "--data", f"folder:{class_folders}", *SMALL, "-o", "run").code == 0


def test_a_user_without_a_home_has_no_cache(class_folders, monkeypatch, tudui):
    for name in ("TUDUI_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345)  # a number without a name, as in a container
    assert "no home folder" in notes_of(class_folders)[0]
    answer = tudui("data", "check", "cifar10")
    assert answer.code == DiskError.exit_code
    assert answer.err.count("\n") == 1
    assert "no home folder" in tudui("doctor").out


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/dev/null", "/proc", "unset"])
def test_the_whole_command_without_a_home(home, class_folders):
    places = ("TUDUI_CACHE", "MPLCONFIGDIR", "HOME")
    environment = {name: text for name, text in os.environ.items() if name not in places}
    if home != "unset":
        environment["HOME"] = home
    for command in (["data", "check", "pictures"], ["loss", "plot", "ce", "--out", f"plot{len(home)}.png"]):
        done = subprocess.run([*TUDUI, *command], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if "cache" in line.lower()]
        assert len(lines) == (home != "unset")  # root has a home without $HOME
        assert all(line.startswith("note: ") for line in lines)


def test_a_working_directory_that_is_gone(tmp_path):
    script = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); os.execv(sys.argv[1], sys.argv[1:])"
    )
    for command in (["train"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *TUDUI, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "working directory" in done.stderr


@pytest.mark.parametrize("columns", ["0", "", "x", "-1", "1"])
def test_all_is_shown_whatever_the_columns_are(columns, monkeypatch, tudui):
    monkeypatch.setenv("COLUMNS", columns)
    assert "pydantic" in tudui("doctor").out
    assert "nowhere" in "".join(tudui("evaluate", "nowhere").err.split())


@pytest.mark.parametrize(
    ("kind", "value", "size"), [(2, b"six\0", (20, 40)), (3, b"\x63\0\0\0", (20, 40)), (3, b"\6\0\0\0", (40, 20))]
)
def test_an_orientation_may_be_anything(kind, value, size, class_folders, tudui):
    """A text, a number without meaning, and one that means a turn, as written in the file's EXIF."""
    exif = b"Exif\0\0II*\0" + struct.pack(
        "<IHHHI4sI", 8, 1, ExifTags.Base.Orientation, kind, 1 + 3 * (kind == 2), value, 0
    )
    path = class_folders / "odd" / "turned.jpg"
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    answer = tudui("data", "check", class_folders)
    assert answer.code == 0, answer.err
    assert original_size(path) == size


# 10. what is no image file


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def through_a_file(path: Path) -> None:
    path.symlink_to(f"{path.name}.txt/x")
    path.with_name(f"{path.name}.txt").write_text("")


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


ODD = [dangling, to_itself, through_a_file, to_a_device, listening, os.mkfifo, Path.mkdir]


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_what_has_an_images_name_and_is_none_is_one_unreadable_image(make, class_folders, tudui):
    make(class_folders / "even" / "zz.png")
    for name, command in (
        ("check", ("data", "check", class_folders)),
        ("refused", ("train", "--data", f"folder:{class_folders}", *SMALL, "-o", "refused")),
    ):
        answer = tudui(*command)
        assert answer.code == 3, name
        assert "1 of 41 images cannot be read: even/zz.png (" in answer.err
    skip = ("--data", f"folder:{class_folders}", "--on-bad-image", "skip")
    assert tudui("train", *skip, *SMALL, "-o", "run").code == 0
    assert tudui("evaluate", "run").code == 0  # as it was trained
    assert tudui("evaluate", "run", *skip).code == 0
    assert tudui("evaluate", "run", "--on-bad-image", "refuse").code == 3
    found = tudui("predict", "run", class_folders, "--csv", "--on-bad-image", "skip")
    assert found.code == 0
    assert len(found.out.splitlines()) == 1 + 40
    assert tudui("predict", "run", class_folders).code == 3


def test_an_image_that_vanishes_after_the_folder_was_listed(class_folders, monkeypatch, tudui):
    from tudui.data import folder

    listed = folder.find_classes

    def and_lost(*arguments):
        found = listed(*arguments)
        (class_folders / "even" / "00.png").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(folder, "find_classes", and_lost)
    answer = tudui("data", "check", class_folders)
    assert answer.code == 3
    assert "1 of 40 images cannot be read: even/00.png (no such file)" in answer.err


# 11. data that moved

MOVING = ("data.name=folder:pictures", "train.batch_size=8", "train.epochs=4", "log.every=1", "data.label_noise=0.2")


@pytest.fixture
def cut(class_folders, monkeypatch):
    """A run on `folder:pictures`, with wrong labels, that was stopped in its second epoch."""

    def stop(event):
        if getattr(event, "step", 0) > 6:
            signal.raise_signal(signal.SIGINT)

    settings = (
        "data.name=folder:pictures",
        "train.batch_size=8",
        "train.epochs=4",
        "log.every=1",
        "data.label_noise=0.2",
    )
    with pytest.raises(Interrupted):
        train(quick_config(*settings), Path("run"), sinks=[stop])
    return class_folders.parent


def test_a_run_finds_its_data_from_another_working_directory(cut, monkeypatch, tudui):
    (cut / "elsewhere").mkdir()
    monkeypatch.chdir(cut / "elsewhere")
    assert tudui("evaluate", "../run").code == 0
    assert tudui("train", "--resume", "../run", "-q").code == 0


def test_data_that_moved_is_named_on_resume(cut, tudui):
    shutil.copytree(cut / "pictures", cut / "others")
    photograph(50).save(cut / "others" / "odd" / "01.png")
    whole = train(quick_config(*MOVING), Path("whole"))
    (cut / "pictures").rename(cut / "moved")
    for command in (("train", "--resume", "run"), ("evaluate", "run")):
        answer = tudui(*command)
        assert answer.code == 3
        assert "--data folder:PATH" in answer.err
    answer = tudui("train", "--resume", "run", "--data", "folder:others")
    assert answer.code == 3
    assert "has changed since the run began" in answer.err
    assert tudui("evaluate", "run", "--data", "folder:moved", "--split", "train").code == 0
    assert tudui("train", "--resume", "run", "--data", "folder:moved", "-q").code == 0
    assert json.loads(Path("run/result.json").read_text())["test"] == whole.values["test"]
    assert tudui("evaluate", "run").code == 0  # the new place is kept
    assert load_checkpoint(Path("run/checkpoints/last.pt")).config["data"]["name"] == f"folder:{cut / 'moved'}"


def test_other_data_is_another_run_if_nothing_was_saved(cut, tudui):
    shutil.copytree(cut / "pictures", cut / "others")
    answer = tudui("train", "--resume", "run", "--restart", "--data", "folder:others")
    assert answer.code == 2
    assert "data.name" in answer.err


# 13. sinks


@pytest.mark.parametrize("place", ["RunStarted", "StepEnd", "Evaluated", "RunEnded"])
def test_a_sink_that_raises_is_dropped_and_named(place, tmp_path):
    heard: list[str] = []

    def raises(event):
        if type(event).__name__ == place:
            raise ValueError(f"no {place}")

    plain = train(quick_config("train.epochs=1"), tmp_path / "plain")
    result = train(
        quick_config("train.epochs=1"),
        tmp_path / "run",
        sinks=[raises, lambda event: heard.append(type(event).__name__)],
    )
    assert result.status == "finished"
    assert result.values["test"] == plain.values["test"]
    (dropped,) = result.values["dropped_sinks"]
    assert f"ValueError: no {place}" in dropped
    assert json.loads((tmp_path / "run" / "result.json").read_text())["dropped_sinks"] == [dropped]
    assert [dropped in event["message"] for event in result.metrics("Warned")].count(True) == 1
    assert result.metrics()[-1]["result"]["dropped_sinks"] == [dropped]
    assert "RunEnded" in heard
    assert "dropped_sinks" not in plain.values


def test_an_error_of_the_record_still_ends_the_run(tmp_path):
    def remove(event):
        if type(event).__name__ == "StepEnd":
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(DiskError):
        train(quick_config(), tmp_path / "run", sinks=[remove])


# 14. who is blamed


@pytest.mark.parametrize(
    ("file", "typed", "blamed"),
    [
        ("", "data.noise_matrix=m.csv", 0),
        ("  noise_kind: symmetric\n", "data.noise_matrix=m.csv", 0),
        ("  noise_manifest: m.json\n", "data.label_noise=0.2", 0),
        ("  label_noise: 0.2\n", "data.noise_manifest=m.json", 0),
        ("loss: {name: mse, form: plain}\n", "loss.scale=2", 0),
        ("loss: {name: mse, scale: 2}\n", "loss.form=plain", 0),
        ("  noise_matrix: m.csv\n", "seed=3", 3),
    ],
)
def test_a_conflict_is_blamed_on_what_was_typed(file, typed, blamed, tudui):
    write_text(Path("mine.yaml"), f"data:\n  name: digits\n{file}")
    answer = tudui("train", "-c", "mine.yaml", "--set", typed, "--dry-run")
    assert answer.code == 2
    start = f"mine.yaml:{blamed}:" if blamed else f"--set {typed}: "
    assert answer.err.startswith(f"error: {start}")


# 15. Pillow's warnings


def test_warnings_of_the_decoder_are_one_note(class_folders, tmp_path, capfd, recwarn, tudui):
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "a description that is longer than four bytes"
    for number in (1, 3):
        photograph(number).save(class_folders / "odd" / f"{number:02}.jpg", exif=exif)
        path = class_folders / "odd" / f"{number:02}.jpg"
        content = path.read_bytes()
        start = content.index(b"Exif\0\0") + 6
        cut = content[: start + 14] + b"\xff\xff\xff\x7f" + content[start + 18 :]  # its length is beyond the file
        path.write_bytes(cut)
        (class_folders / "odd" / f"{number:02}.png").unlink()
    for _ in range(2):  # decoded, and from the cache
        answer = tudui("data", "check", class_folders)
        assert answer.code == 0
        (line,) = [line for line in answer.err.splitlines() if "warnings of the decoder" in line]
        assert "2 images were read" in line
        assert "odd/01.jpg" in line
    assert "site-packages" not in answer.err + capfd.readouterr().err
    assert not recwarn.list
    data = load_data(DataConfig(name=f"folder:{class_folders}"), 0)
    assert sum(map(len, data.splits().values())) == 40
    assert torch.equal(data.train.images, load_data(DataConfig(name=f"folder:{class_folders}"), 0).train.images)
