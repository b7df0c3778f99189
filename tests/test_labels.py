"""`folder:DIR --labels FILE.csv`: images whose targets are in a CSV file."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import DIGITS, photograph
from tudui.config.schema import DataConfig
from tudui.data import read_source
from tudui.data.decoding import decode_image
from tudui.errors import DataError, UsageError

NUMBERS = range(40)


@pytest.fixture
def flat(tmp_path) -> Path:
    """40 pictures in one folder."""
    root = tmp_path / "flat"
    root.mkdir()
    for number in NUMBERS:
        photograph(number).save(root / f"{number:04}.png")
    return root


def label(number: int) -> str:
    return "even" if DIGITS.target[number] % 2 == 0 else "odd"


def write(rows, names=("file", "kind"), name="labels.csv") -> str:
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return name


def read(root, labels="labels.csv", **keys):
    return read_source(DataConfig(name=f"folder:{root}", labels=labels, **keys))


def check_images(source, target_of):
    """Each row has the picture of its file, and that file's target."""
    for row, path in enumerate(source.files):
        assert torch.equal(source.store[row], torch.tensor(decode_image(Path(path))))
        assert source.targets[row].tolist() == target_of(int(Path(path).stem))


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("file", "kind"), "{:04}.png"),
        (("id", "kind"), "{:04}"),  # without ending, in the first column
        (("kind", "file"), "flat/{:04}.png"),  # with the folder's own name
        (("image", "kind"), ".\\{:04}.png"),  # as Windows writes it
    ],
)
def test_texts_are_classes_and_files_are_found_by_their_names(flat, names, name):
    rows = [[name.format(number), label(number)] for number in reversed(NUMBERS)]
    write([row[::-1] if names[0] == "kind" else row for row in rows], names)
    source = read(flat)
    assert source.task.names == ("even", "odd")
    assert len(source.files) == 40
    check_images(source, lambda number: DIGITS.target[number] % 2)


def test_numbers_are_regression_and_a_column_of_parts_decides_them(flat):
    parts = ["train"] * 25 + ["val"] * 5 + ["test"] * 10
    rows = [[number, number * 1.5, 7 - number, parts[number]] for number in NUMBERS]
    write([[f"{number:04}", *row] for number, *row in rows], ("id", "angle", "other", "split"))
    source = read(flat, target=("angle", "other"))
    assert source.task.names == ("angle", "other")
    check_images(source, lambda number: [number * 1.5, 7 - number])
    stems = {part: {int(Path(source.files[row]).stem) for row in rows} for part, rows in source.parts.items()}
    assert stems == {"train": set(range(25)), "validation": set(range(25, 30)), "test": set(range(30, 40))}


def test_images_in_folders_are_found_by_their_path_or_by_a_name_that_is_unique(flat):
    for number in NUMBERS:
        folder = flat / ("a" if number < 20 else "b")
        folder.mkdir(exist_ok=True)
        (flat / f"{number:04}.png").rename(folder / f"{number:04}.png")
    write([[f"{number:04}", label(number)] for number in NUMBERS])
    assert len(read(flat).files) == 40
    shutil.copy(flat / "a" / "0003.png", flat / "b" / "0003.png")
    with pytest.raises(DataError, match=r"labels\.csv:5: 0003: several images in .* give the path"):
        read(flat)
    names = [f"{'a' if number < 20 else 'b'}/{number:04}" for number in NUMBERS]
    write([[name, label(number)] for name, number in [*zip(names, NUMBERS, strict=True), ("b/0003", 3)]])
    assert len(read(flat).files) == 41


def test_what_does_not_belong_together_is_refused_with_counts_or_left_out(flat):
    rows = [[f"{number:04}.png", label(number)] for number in NUMBERS]
    write([*rows[3:], ["gone.png", "odd"], ["../flat/0000.png", "odd"]])
    said = r"2 files are not in .*gone\.png.*3 images in .* have no row: 0000\.png"
    with pytest.raises(DataError, match=said) as error:
        read(flat)
    assert error.value.exit_code == 3
    source = read(flat, on_bad_image="skip")
    assert len(source.files) == 37
    assert sum("left out" in note for note in source.notes) == 2
    check_images(source, lambda number: DIGITS.target[number] % 2)


def test_a_row_that_is_there_twice_is_said_and_refused_if_the_targets_differ(flat):
    rows = [[f"{number:04}.png", label(number)] for number in NUMBERS]
    write([*rows, rows[5], rows[6]])
    source = read(flat)
    assert len(source.files) == 40
    assert any("2 rows are repeated" in note for note in source.notes)
    write([*rows, ["0005", "even" if label(5) == "odd" else "odd"]])
    with pytest.raises(DataError, match=r"labels\.csv:42: 0005 has another target on line 7"):
        read(flat)


def test_bad_labels_are_refused(flat, tmp_path):
    rows = [[f"{number:04}.png", label(number), number] for number in NUMBERS]
    write(rows, ("file", "kind", "size"))
    with pytest.raises(UsageError, match=r"--target COLUMN \(columns: kind, size\)"):
        read(flat)
    with pytest.raises(DataError, match="did you mean 'kind'"):
        read(flat, target=("kinds",))
    with pytest.raises(DataError, match="no such folder"):
        read(tmp_path / "gone", target=("kind",))
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read(flat, "gone.csv")
    write([[f"other{number}", label(number)] for number in NUMBERS])
    with pytest.raises(DataError, match=r"none of its 40 files is in .* is it another folder"):
        read(flat)
    write([[f"{number:04}", label(number) if number != 4 else ""] for number in NUMBERS])
    with pytest.raises(DataError, match="kind 1"):
        read(flat)
    assert len(read(flat, on_missing="drop", on_bad_image="skip").files) == 39
    write([[f"{number:04}", label(number)] for number in range(15)])
    with pytest.raises(DataError, match="targets of only 15 images; at least 20"):
        read(flat, on_bad_image="skip")


def test_an_unreadable_image_keeps_the_others_with_their_targets(flat):
    (flat / "0007.png").write_text("no image")
    write([[f"{number:04}", number] for number in NUMBERS], ("file", "size"))
    with pytest.raises(DataError, match=r"1 of 40 images cannot be read: 0007\.png"):
        read(flat)
    for _ in range(2):  # decoded, and from the cache
        source = read(flat, on_bad_image="skip")
        assert len(source.files) == 39
        check_images(source, lambda number: [number])
    write([[f"{number:04}", 2 * number] for number in NUMBERS], ("file", "size"))  # the same images, other targets
    check_images(read(flat, on_bad_image="skip"), lambda number: [2 * number])


def test_train_evaluate_and_resume(tudui, flat, tmp_path):
    write([[f"{number:04}", label(number)] for number in NUMBERS])
    quick = ("--batch-size", "16", "--set", "schedule.name=constant", "--set", "device=cpu", "--lr", "0.01")
    flags = ("--data", f"folder:{flat}", "--labels", "labels.csv", *quick)
    answer = tudui("train", *flags, "-e", "1", "-o", "run", "--json")
    assert answer.code == 0, answer.err
    assert f"labels: {tmp_path}/labels.csv" in Path("run/config.yaml").read_text()  # from any working directory
    assert tudui("train", "--resume", "run", "-e", "2", "--json").code == 0
    answer = tudui("evaluate", "run", "--json")
    assert answer.code == 0, answer.err
    rows = json.loads(tudui("predict", "run", "--split", "test", "--json").out)["predictions"]
    assert {row["true"] for row in rows} == {"even", "odd"}
    moved = Path("labels.csv").rename("moved.csv")
    answer = tudui("evaluate", "run")
    assert (answer.code, "labels.csv: no such file" in answer.err) == (3, True)
    assert tudui("evaluate", "run", "--labels", moved).code == 0
    few = write([["0001", "odd"], ["0002", "even"]], name="few.csv")
    shutil.copytree(flat, "two", ignore=lambda _, names: [name for name in names if name[:4] not in ("0001", "0002")])
    answer = tudui("evaluate", "run", "--data", "folder:two", "--labels", few, "--split", "all", "--json")
    assert (answer.code, answer.json()["images"]) == (0, 2)
    write([["0001", "odd"], ["0002", "strange"]], name="few.csv")
    answer = tudui("evaluate", "run", "--data", "folder:two", "--labels", few, "--split", "all")
    assert (answer.code, "few.csv:3: kind: the network has no class strange" in answer.err) == (3, True)


def test_numbers_train_on_images_and_data_check_shows_them(tudui, flat):
    write([[f"{number:04}", f"{number * 1.5}".replace(".", ",")] for number in NUMBERS], ("file", "angle"))
    text = Path("labels.csv").read_text().replace(',"', ";").replace('"', "").replace("file,", "file;")
    Path("labels.csv").write_text(text)
    answer = tudui("data", "check", flat, "--labels", "labels.csv", "--json")
    assert answer.code == 0, answer.err
    assert "separated by semicolons, decimal commas" in " ".join(answer.json()["notes"])
    flags = ("--batch-size", "16", "-e", "1", "--lr", "0.01", "--set", "device=cpu", "-o", "run", "--json")
    answer = tudui("train", "--data", f"folder:{flat}", "--labels", "labels.csv", *flags)
    assert answer.code == 0, answer.err
    assert np.isfinite(json.loads(Path("run/result.json").read_text())["test"]["absolute_error"])
