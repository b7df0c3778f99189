"""Layouts of image folders as on the web: recognised, or refused with the way on; nothing is lost unnoticed."""

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import photograph

CLASSES = ("cat", "dog")


def fill(folder: Path, *, classes=CLASSES, count: int = 6, ending: str = ".png") -> None:
    """Write images of each class; different in each folder."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for image in range(count):
            photograph(number * count + image).save(folder / name / f"{image}{ending}")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "valid", "test"), ("Train", "Val", "Test"), ("TRAIN", "VALID", "TEST"),
        ("training", "validation", "testing"), ("Training", "dev", "evaluation"), ("train2017", "val2017", "test1"),
        ("training_set", "validation_set", "test_set"), ("trainset", "valset", "testset"),
        ("train_data", "val-data", "Test Data"), ("TrainImages", "ValImages", "TestImages"),
        ("seg_train", "seg_val", "seg_test"), ("pets-train", "pets-valid", "pets-test"), ("训练集", "验证集", "测试集"),
    ],
)  # fmt: skip
def test_usual_names_of_parts(train, validation, test, tudui, tmp_path):
    for name, count in ((train, 6), (validation, 5), (test, 4)):
        fill(tmp_path / "set" / name, count=count)
    counts = tudui("data", "check", "set", "--json").json()["images"]
    assert counts == {"train": {"cat": 6, "dog": 6}, "validation": {"cat": 5, "dog": 5}, "test": {"cat": 4, "dog": 4}}


@pytest.mark.parametrize("above", ["archive", "archive/data", "a/b/c"])
@pytest.mark.parametrize("parts", [("",), ("train", "test"), ("train",)])
def test_a_level_too_high(above, parts, tudui, tmp_path):
    for part in parts:
        fill(tmp_path / "set" / above / part)
    (tmp_path / "set" / "__MACOSX" / "archive").mkdir(parents=True)
    (tmp_path / "set" / "README.txt").write_text("")
    answer = tudui("data", "check", "set")
    assert answer.code == 0
    assert answer.out.splitlines()[2].split()[0] == "cat"
    assert above in answer.err


def test_parts_in_a_folder_of_their_own_name(tudui, tmp_path):
    """As Kaggle packs them, with unlabelled images beside them."""
    fill(tmp_path / "set" / "seg_train" / "seg_train", count=6)
    fill(tmp_path / "set" / "seg_test" / "seg_test", count=4)
    fill(tmp_path / "set" / "seg_pred", classes=("seg_pred",))
    answer = tudui("data", "check", "set")
    assert ["all", "10", "2", "8"] in [line.split() for line in answer.out.splitlines()]
    assert "seg_pred" in answer.err


@pytest.mark.parametrize("parts", [("valid", "test"), ("test",), ("Validation",)])
def test_parts_without_train_are_refused(parts, tudui, tmp_path):
    for part in parts:
        fill(tmp_path / "set" / part)
    tudui("train", "--data", "folder:set", "-q").refused(3, f"{parts[0]}", "set/train/CLASS")


def test_a_part_beside_the_classes_is_refused(tudui, tmp_path):
    fill(tmp_path / "set")
    fill(tmp_path / "set" / "test")
    answer = tudui("data", "check", "set")
    assert answer.code == 3
    assert "set/train/CLASS" in answer.err


@pytest.mark.parametrize("names", [("val", "valid"), ("test", "test_images"), ("Train", "training")])
def test_two_folders_of_one_part_are_refused(names, tudui, tmp_path):
    for name in {"train", *names} - ({"train"} if "Train" in names else set()):
        fill(tmp_path / "set" / name)
    answer = tudui("data", "check", "set")
    assert answer.code == 3
    for name in names:
        assert name in answer.err


def test_images_in_no_class_are_counted(tudui, tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / "flat" / part, classes=("",), count=7)
    answer = tudui("data", "check", "flat")
    assert answer.code == 3
    assert "flat/train: 7 images in no class folder" in answer.err
    assert "flat/train/CLASS/*.jpg" in answer.err
    fill(tmp_path / "part" / "train")
    fill(tmp_path / "part" / "test1", classes=("",), count=5)
    answer = tudui("data", "check", "part")
    assert answer.code == 3
    assert "part/test1: 5 images in no class folder" in answer.err
    fill(tmp_path / "some")
    photograph(0).save(tmp_path / "some" / "loose.png")
    answer = tudui("data", "check", "some")
    assert answer.code == 0
    assert "some: 1 image in no class folder ignored" in answer.err


def test_a_train_is_also_a_vehicle(tudui, tmp_path):
    fill(tmp_path / "set", classes=("bus", "car", "train"))
    answer = tudui("data", "check", "set", "--json")
    assert answer.json()["images"]["train"].keys() == {"bus", "car", "train"}


@pytest.mark.parametrize(
    ("classes", "inside", "hint"),
    [
        (("site1", "site2"), CLASSES, "set/site1"),
        (CLASSES, ("train", "test"), "set/test/cat"),
        (CLASSES, ("Train",), "set/Train/cat"),
        (("fold1", "fold2", "fold3"), ("a", "b", "c"), "set/fold1"),
    ],
)
def test_folders_with_the_same_folders_are_no_classes(classes, inside, hint, tudui, tmp_path):
    for name in classes:
        fill(tmp_path / "set" / name, classes=inside)
    tudui("train", "--data", "folder:set", "-q").refused(3, hint)


def test_a_class_may_have_folders(tudui, tmp_path):
    for name in CLASSES:
        fill(tmp_path / "one" / name, classes=("images",))  # as Tiny ImageNet has it
    fill(tmp_path / "two" / "cat", classes=("2023", "2024"))
    fill(tmp_path / "two" / "dog", classes=("2024", "indoors"))
    for folder, total in (("one", 12), ("two", 24)):
        images = tudui("data", "check", folder, "--json").json()["images"]
        assert sum(sum(part.values()) for part in images.values()) == total
        assert set(images["train"]) == set(CLASSES)


@pytest.mark.parametrize(
    "hidden", [".ipynb_checkpoints", "@eaDir", "__MACOSX", ".git", "$RECYCLE.BIN", "__pycache__", "#recycle", ".Trash"]
)
@pytest.mark.parametrize("where", ["", "cat"])
def test_hidden_and_system_folders_are_neither_classes_nor_counted(hidden, where, tudui, tmp_path):
    fill(tmp_path / "set")
    fill(tmp_path / "set" / where / hidden, classes=("", "cat/photo.jpg"))
    (tmp_path / "set" / "cat" / "Thumbs.db").write_bytes(b"system")
    (tmp_path / "set" / "cat" / "._0.png").write_bytes(b"system")
    answer = tudui("data", "check", "set", "--json")
    assert answer.code == 0, answer.err
    images = answer.json()["images"]
    assert {name: sum(part[name] for part in images.values()) for name in images["train"]} == {"cat": 6, "dog": 6}
    assert not any("other file" in note for note in answer.json()["notes"])
    assert "cat" in tudui("data", "check", "set").out


@pytest.mark.parametrize(
    ("ending", "form"),
    [(".jfif", "JPEG"), (".JPE", "JPEG"), (".dib", "BMP"), (".apng", "PNG"), (".pgm", "PPM"), (".PNM", "PPM")],
)
def test_other_endings_of_known_formats(ending, form, tudui, tmp_path):
    fill(tmp_path / "set")
    for number in range(6):
        (tmp_path / "set" / "frog").mkdir(exist_ok=True)
        photograph(number).save(tmp_path / "set" / "frog" / f"{number}{ending}", form)
    images = tudui("data", "check", "set", "--json").json()["images"]
    assert sum(part["frog"] for part in images.values()) == 6


@pytest.mark.parametrize("files", [[], ["1.heic", "2.heic", "3.HEIC"], ["notes.txt"]])
@pytest.mark.parametrize("part", ["", "train"])
def test_a_class_without_usable_image_is_named(files, part, tudui, tmp_path):
    fill(tmp_path / "set" / part)
    (tmp_path / "set" / part / "ship").mkdir()
    for file in files:
        (tmp_path / "set" / part / "ship" / file).write_bytes(b"")
    answer = tudui("data", "check", "set")
    assert answer.code == 0
    (line,) = [line for line in answer.err.splitlines() if "not a class" in line]
    assert str(Path("set", part, "ship")) in line
    if files:
        assert f"{len(files)} {Path(files[0]).suffix.lower()}" in line


def test_some_images_of_an_unknown_ending_are_counted_by_ending(tudui, tmp_path):
    fill(tmp_path / "set")
    for name in ("1.heic", "2.HEIC", "labels.csv"):
        (tmp_path / "set" / "cat" / name).write_bytes(b"")
    assert "3 other files ignored: 2 .heic, 1 .csv" in tudui("data", "check", "set").err


def test_two_forms_of_one_name_are_one_class(tudui, tmp_path):
    names = ("café", "thé")
    composed, decomposed = ([unicodedata.normalize(form, name) for name in names] for form in ("NFC", "NFD"))
    fill(tmp_path / "set" / "train", classes=composed)
    fill(tmp_path / "set" / "test", classes=decomposed)
    images = tudui("data", "check", "set", "--json").json()["images"]
    assert images["test"] == dict.fromkeys(composed, 6)
    fill(tmp_path / "both", classes=(composed[0], decomposed[0], "thé"))
    images = tudui("data", "check", "both", "--json").json()["images"]
    assert sum(part["café"] for part in images.values()) == 12
    assert tudui("train", "--data", "folder:set", "-q", "-b", 4, "-e", 1, "-o", "run").code == 0
    assert "8 images" not in (said := tudui("predict", "run", "set/test").err)
    assert "of 12 images in folders named after a class" in said


def test_a_link_to_a_class_is_followed_and_a_circle_of_links_ends(tudui, tmp_path):
    fill(tmp_path / "elsewhere")
    for part in ("train", "test"):
        (tmp_path / "set" / part).mkdir(parents=True)
        for name in CLASSES:
            (tmp_path / "set" / part / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "cat" / "again").symlink_to(tmp_path / "elsewhere")
    images = tudui("data", "check", "set", "--json").json()["images"]
    assert images["test"] == {"cat": 6, "dog": 6}


def test_no_training_image_that_can_be_read(tudui, tmp_path):
    fill(tmp_path / "set" / "test")
    for name in CLASSES:
        (tmp_path / "set" / "train" / name).mkdir(parents=True)
        (tmp_path / "set" / "train" / name / "1.png").write_bytes(b"torn")
    tudui("train", "--data", "folder:set", "--set", "data.on_bad_image=skip", "-q").refused(3)
    Image.new("RGB", (9, 9)).save(tmp_path / "set" / "train" / "cat" / "2.png")
    answer = tudui("train", "--data", "folder:set", "--set", "data.on_bad_image=skip", "-q")
    assert "no training sample of class dog" in answer.err
