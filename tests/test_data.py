"""Data: real images through every source, splits that are what they say, errors that name the file."""

import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional

from tests.conftest import SHARED, photograph, put_package, quick_config
from tudui.config.data_sets import data_sets
from tudui.config.schema import AugmentConfig, DataConfig
from tudui.data import Preparation, draw_epoch, load_data
from tudui.data.decoding import decode_image
from tudui.data.digits import read_digits
from tudui.data.split import stratified
from tudui.errors import DataError
from tudui.events import StepEnd
from tudui.run import train as train_run


def test_digits_are_scikit_learns():
    data = load_data(DataConfig(), seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (1295, 143, 359)
    digits = load_digits()
    row = int(data.train.rows[5])
    assert int(data.train.targets[5]) == digits.target[row]
    small = data.train.images[5].float().reshape(3, 8, 4, 8, 4).mean((2, 4)) * 16 / 255
    assert np.corrcoef(small[0].flatten(), digits.images[row].flatten())[0, 1] > 0.95
    assert torch.equal(data.train.images[5][0], data.train.images[5][2])


def test_every_digit_is_scikit_learns_bit_for_bit():
    digits, source = load_digits(), read_digits(DataConfig())
    assert source.targets.tolist() == digits.target.tolist()
    small = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)
    large = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    assert torch.equal(source.store, large.round().to(torch.uint8).repeat(1, 3, 1, 1))


def test_splits_are_disjoint_complete_and_stratified():
    data = load_data(DataConfig(validation=0.25), seed=1)
    rows = torch.cat([split.rows for split in data.splits().values()])
    assert sorted(rows.tolist()) == list(range(1797))
    shares = torch.bincount(data.validation.targets) / (
        torch.bincount(data.validation.targets) + torch.bincount(data.train.targets)
    )
    assert shares.numpy() == pytest.approx(0.25, abs=0.01)


def test_the_seed_moves_validation_but_never_test():
    first, second = load_data(DataConfig(), seed=1), load_data(DataConfig(), seed=2)
    assert torch.equal(first.test.rows, second.test.rows)
    assert not torch.equal(first.validation.rows, second.validation.rows)


def test_no_validation():
    data = load_data(DataConfig(validation=0.0), seed=0)
    assert data.validation is None
    assert len(data.train) == 1438


def test_small_classes_keep_and_give_one():
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    kept, held_out = stratified(labels, share=0.01, seed=0, purpose="validation")
    assert torch.bincount(labels[held_out], minlength=3).tolist() == [1, 1, 0]
    assert len(kept) == 4


def test_standardizing_is_numpys():
    data = load_data(DataConfig(), seed=0)
    pixels = data.train.images.numpy() / 255
    assert data.preparation.mean == pytest.approx(pixels.mean((0, 2, 3)), rel=1e-9)
    assert data.preparation.std == pytest.approx(pixels.std((0, 2, 3)), rel=1e-9)
    prepared = data.preparation(data.train.images)
    assert prepared.mean((0, 2, 3)).numpy() == pytest.approx(0, abs=1e-4)
    assert prepared.std((0, 2, 3)).numpy() == pytest.approx(1, abs=1e-4)
    raw = Preparation()(data.train.images[:4])
    assert torch.allclose(raw, data.train.images[:4] / 255)


def shift_by_hand(image: np.ndarray, down: int, right: int) -> np.ndarray:
    framed = np.pad(image, ((0, 0), (3, 3), (3, 3)))
    return framed[:, down : down + 32, right : right + 32]


def test_augmentation_is_per_image_and_drawn_anew_each_epoch():
    config = DataConfig(augment=AugmentConfig(flip=True, shift=3))
    split = load_data(config, seed=0).train
    draw = draw_epoch(len(split), seed=0, epoch=0, data=config)
    images, labels = draw.batch(split, 64, 128)
    for position in range(64):
        chosen = draw.order[64 + position]
        down, right = draw.shifts[64 + position].tolist()
        expected = shift_by_hand(split.images[chosen].numpy(), down, right)
        if draw.flips[64 + position]:
            expected = expected[:, :, ::-1]
        assert np.array_equal(images[position].numpy(), expected)
        assert labels[position] == split.targets[chosen]
    assert 0.4 < draw.flips.float().mean() < 0.6
    assert set(draw.shifts.flatten().tolist()) == set(range(7))
    again, other = (draw_epoch(len(split), seed=0, epoch=epoch, data=config) for epoch in (0, 1))
    assert torch.equal(draw.order, again.order)
    assert torch.equal(draw.flips, again.flips)
    assert not torch.equal(draw.order, other.order)
    assert not torch.equal(draw.flips, other.flips)


def test_alternate_flips_show_each_image_both_ways_in_two_epochs():
    config = DataConfig(augment=AugmentConfig(flip="alternate"))
    flips = torch.zeros(3, 1000, dtype=torch.bool)
    for epoch in range(3):
        draw = draw_epoch(1000, seed=0, epoch=epoch, data=config)
        flips[epoch, draw.order] = draw.flips
    assert torch.equal(flips[0], ~flips[1])
    assert torch.equal(flips[0], flips[2])
    assert 0.4 < flips[0].float().mean() < 0.6
    assert not torch.equal(draw.flips, draw_epoch(1000, seed=1, epoch=2, data=config).flips)


def test_augmentation_does_not_change_the_order():
    plain = draw_epoch(100, seed=0, epoch=3, data=DataConfig())
    augmented = draw_epoch(100, seed=0, epoch=3, data=DataConfig(augment=AugmentConfig(flip=True, shift=2)))
    assert torch.equal(plain.order, augmented.order)
    assert torch.equal(draw_epoch(9, seed=0, epoch=3, data=DataConfig(shuffle=False)).order, torch.arange(9))


def test_class_folders(class_folders):
    data = load_data(DataConfig(name=f"folder:{class_folders}"), seed=0)
    assert data.task.names == ("even", "odd")
    assert sum(len(split) for split in data.splits().values()) == 40
    assert any("has no test images" in note for note in data.notes)
    # without shuffling, a folder must not come one class after another
    assert 0 < data.train.targets[: len(data.train) // 2].float().mean() < 1


def test_train_validation_and_test_folders(class_folders, tmp_path):
    root = tmp_path / "parts"
    for part in ("train", "val", "test"):
        shutil.copytree(class_folders, root / part)
    (root / "test" / "odd" / "01.png").unlink()
    data = load_data(DataConfig(name=f"folder:{root}"), seed=0)
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 40, "validation": 40, "test": 39}


def test_any_picture_becomes_32x32_rgb(tmp_path):
    rgb = photograph(3)
    rgb.save(tmp_path / "rgb.png")
    expected = decode_image(tmp_path / "rgb.png")
    assert expected.shape == (3, 32, 32)
    assert expected.dtype == np.uint8
    grey = rgb.convert("L")
    grey.save(tmp_path / "grey.png")
    palette = rgb.quantize(256)
    palette.save(tmp_path / "palette.gif")
    rgb.convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "palette.gif", "rgba.png", "deep.png"):
        assert np.abs(decode_image(tmp_path / name).astype(int) - expected).max() <= 4, name
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    rgb.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode_image(tmp_path / "turned.png"), expected)


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("16.png", np.uint16, {65535: 255, 257: 1, 200: 1, 25700: 100}),
        ("16.tif", np.uint16, {65535: 255, 200: 1}),
        ("16.pgm", np.uint16, {51400: 200, 200: 1}),
        ("32.tif", np.int32, {65535: 255, 25700: 100, 200: 1}),
        ("float.tif", np.float32, {1: 255, 0.5: 128, 0.004: 1}),
        ("float.pfm", np.float32, {1: 255, 0.5: 128}),
        ("8.tif", np.uint8, {255: 255, 3: 3}),
    ],
)
def test_the_type_of_a_file_gives_its_scale_and_never_its_values(name, kind, values, tmp_path):
    for value, expected in values.items():
        Image.fromarray(np.full((40, 40), value, kind)).save(tmp_path / name)
        assert (decode_image(tmp_path / name) == expected).all(), value


@pytest.mark.parametrize(
    ("kind", "value"),
    [(np.float32, 254.0), (np.float32, -0.1), (np.float32, np.nan), (np.int32, 70000), (np.int32, -1)],
)
def test_values_beyond_the_scale_are_refused(kind, value, tmp_path):
    Image.fromarray(np.full((40, 40), value, kind)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match=r"scale them to 0 \(black\) to"):
        decode_image(tmp_path / "deep.tif")


def test_images_of_more_than_8_bits_are_counted_with_their_white(class_folders):
    for number in range(3):
        Image.fromarray(np.full((40, 40), 200, np.uint16)).save(class_folders / "odd" / f"deep{number}.png")
    config = DataConfig(name=f"folder:{class_folders}")
    for _ in range(2):  # the second time from the cache
        assert any("3 images of 16 bits with 65535 as white" in note for note in load_data(config, seed=0).notes)


def test_the_centre_is_kept_and_scaled_without_aliasing(tmp_path):
    stripes = np.zeros((256, 512, 3), dtype=np.uint8)
    stripes[:, 128:384:2] = 255  # one-pixel stripes in the middle, which must average to grey
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    assert decode_image(tmp_path / "wide.png")[:, :, 2:-2] == pytest.approx(127.5, abs=6)


def test_transparency_lies_over_white(tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (decode_image(tmp_path / "clear.png") == 255).all()


def test_unreadable_images_are_named_and_refused_or_skipped(class_folders, tudui, sentence):
    (class_folders / "odd" / "torn.png").write_bytes((class_folders / "odd" / "01.png").read_bytes()[:80])
    (class_folders / "even" / "text.jpg").write_text("no image")
    (class_folders / "even" / "notes.txt").write_text("left out")
    answer = tudui("data", "check", class_folders)
    assert answer.code == 3
    sentence(answer.err)
    data = load_data(DataConfig(name=f"folder:{class_folders}", on_bad_image="skip"), seed=0)
    assert sum(len(split) for split in data.splits().values()) == 40
    assert any("2 of 42 images cannot be read" in note for note in data.notes)
    assert any("1 other file ignored" in note for note in data.notes)
    # from the cache: the same images and the same words
    again = load_data(DataConfig(name=f"folder:{class_folders}", on_bad_image="skip"), seed=0)
    assert again.notes == data.notes
    assert torch.equal(again.train.images, data.train.images)
    with pytest.raises(DataError) as error:
        load_data(DataConfig(name=f"folder:{class_folders}"), seed=0)
    sentence(error.value)


def test_the_cache_notices_a_changed_file(class_folders, tmp_path):
    config = DataConfig(name=f"folder:{class_folders}")
    first = load_data(config, seed=0)
    assert len(list((tmp_path / "cache" / "folders").iterdir())) == 1
    Image.new("RGB", (50, 50), "red").save(class_folders / "odd" / "01.png")
    second = load_data(config, seed=0)
    assert not torch.equal(first.train.store, second.train.store)
    shutil.rmtree(tmp_path / "cache")
    load_data(config.model_copy(update={"cache": False}), seed=0)
    assert not (tmp_path / "cache").exists()


def test_the_cache_notices_a_file_of_the_same_size_and_time(class_folders):
    config = DataConfig(name=f"folder:{class_folders}")
    paths = [class_folders / "odd" / f"{name}.bmp" for name in ("a", "b")]
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        Image.new("RGB", (50, 50), colour).save(path)
        os.utime(path, (1, 1))
    first = load_data(config, seed=0)
    for there, here in zip(paths, ("c", paths[0]), strict=True):
        there.rename(here)
    shutil.copy2("c", paths[1])
    assert not torch.equal(first.train.store, load_data(config, seed=0).train.store)


def test_a_cache_that_is_cut_ends_the_run_in_one_line(class_folders, tmp_path):
    """By one byte: to read a page that is gone would kill this process."""
    config = quick_config(f"data.name=folder:{class_folders}", "train.batch_size=4")
    train_run(config, tmp_path / "first")
    (stored,) = (tmp_path / "cache").rglob("images.npy")
    whole = stored.stat().st_size

    def cut(event: object) -> None:
        if isinstance(event, StepEnd):
            os.truncate(stored, whole - 1)

    with pytest.raises(DataError, match="was cut while its images were in use"):
        train_run(config, tmp_path / "run", sinks=[cut])
    assert train_run(config, tmp_path / "run", resume=True).status == "finished"
    with stored.open("ab") as file:
        file.write(b"more")
    assert train_run(config, tmp_path / "again").status == "finished"
    assert stored.stat().st_size == whole


def test_unequal_classes_are_pointed_out(class_folders):
    for number in range(20):
        (class_folders / "odd" / f"{number:02}.png").unlink(missing_ok=True)
    for number in range(200):
        photograph(number).save(class_folders / "even" / f"more{number}.png")
    data = load_data(DataConfig(name=f"folder:{class_folders}"), seed=0)
    assert any("very unequal" in note and "balanced accuracy" in note for note in data.notes)


@pytest.mark.parametrize(
    "make",
    [
        lambda root: None,
        lambda root: root.mkdir(),
        lambda root: [(root / "a").mkdir(parents=True), photograph(1).save(root / "a" / "1.png")],
    ],
    ids=["no folder", "no images", "one class"],
)
def test_folders_that_are_no_data_set(make, tmp_path, tudui, sentence):
    make(tmp_path / "empty")
    answer = tudui("train", "--data", f"folder:{tmp_path / 'empty'}")
    assert answer.code == 3
    sentence(answer.err)
    assert not list((tmp_path / "runs").iterdir())  # no folder of a run that never began


def write_cifar(folder: Path, count: int = 30) -> None:
    """Files in CIFAR-10's layout, of real digits."""
    folder.mkdir(parents=True)
    digits = load_digits()
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        chosen = slice(number * count, (number + 1) * count)
        pixels = np.kron(digits.images[chosen] * 15, np.ones((4, 4))).astype(np.uint8)
        rows = np.repeat(pixels[:, None], 3, axis=1).reshape(count, -1)
        batch = {"data": rows, "labels": digits.target[chosen].tolist(), "filenames": []}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"n{n}" for n in range(10)]}, protocol=2))


def test_a_copy_of_cifar_is_read_and_its_md5_pointed_out(tmp_path):
    write_cifar(tmp_path / "copy" / "cifar-10-batches-py")
    for root in (tmp_path / "copy", tmp_path / "copy" / "cifar-10-batches-py"):
        data = load_data(DataConfig(name="cifar10", dir=str(root)), seed=0)
        assert len(data.test) == 30
        assert data.test.targets.tolist() == load_digits().target[150:180].tolist()
        assert data.task.names[3] == "n3"
        assert any("not the official cifar10" in note for note in data.notes)


def test_a_pickle_that_runs_code_is_refused(tmp_path, tudui):
    folder = tmp_path / "copy" / "cifar-10-batches-py"
    write_cifar(folder)

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    (folder / "data_batch_2").write_bytes(pickle.dumps({"data": Evil(), "labels": []}))
    answer = tudui("data", "check", "cifar10", "--data-dir", tmp_path / "copy")
    assert answer.code == 3
    assert "data_batch_2" in answer.err
    assert not (tmp_path / "executed").exists()


def unreachable(*_: object, **__: object) -> None:
    raise OSError("unreachable")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist", "svhn"])
def test_without_a_host_the_ways_on_are_named(name, tmp_path, tudui, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)  # where there is a network, too
    answer = tudui("train", "--data", name, "--data-dir", tmp_path / "none")
    assert answer.code == 3
    assert "none: no such folder" in answer.err
    assert not (tmp_path / "none").exists()
    (tmp_path / "none").mkdir()
    answer = tudui("train", "--data", name, "--data-dir", tmp_path / "none")
    assert answer.code == 3
    for way in ("--data-dir DIR", "--data folder:PATH", "--data digits"):
        assert way in answer.err


def test_mnist_files(tmp_path):
    digits = load_digits()
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, chosen in (("train", slice(0, 200)), ("t10k", slice(200, 260))):
        images = np.pad(np.kron(digits.images[chosen] * 15, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
        labels = digits.target[chosen].astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, *images.shape) + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(labels)) + labels.tobytes())
    data = load_data(DataConfig(name="mnist", dir=str(tmp_path), validation=0.0), seed=0)
    assert len(data.train) == 200
    assert data.train.targets.tolist() == digits.target[:200].tolist()
    assert data.train.images[0, :, :2].sum() == 0
    centre = data.train.images[7, 0, 4:28, 4:28].reshape(8, 3, 8, 3)[:, 0, :, 0]
    assert np.array_equal(centre, (digits.images[7] * 15).astype(np.uint8))


def test_svhn_files(tmp_path, monkeypatch):
    import hashlib

    from torchvision.datasets import SVHN

    digits = load_digits()
    sums = {}
    for split, chosen in (("train", slice(0, 100)), ("test", slice(100, 130))):
        pixels = np.kron(digits.images[chosen] * 15, np.ones((4, 4))).astype(np.uint8)
        labels = np.where(digits.target[chosen] == 0, 10, digits.target[chosen])[:, None]  # SVHN calls zero 10
        path = tmp_path / f"{split}_32x32.mat"
        scipy.io.savemat(path, {"X": np.repeat(pixels[..., None], 3, 3).transpose(1, 2, 3, 0), "y": labels})
        sums[split] = [SVHN.split_list[split][0], path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", sums)
    data = load_data(DataConfig(name="svhn", dir=str(tmp_path), validation=0.0), seed=0)
    assert data.test.targets.tolist() == digits.target[100:130].tolist()
    assert data.test.images[3, 1, ::4, ::4].tolist() == (digits.images[103] * 15).astype(np.uint8).tolist()


def test_cifar10_images_from_a_folder(cifar_folder):
    data = load_data(DataConfig(name=f"folder:{cifar_folder}"), seed=0)
    assert data.task.names[0] == "airplane"
    assert {name: len(split) for name, split in data.splits().items()} == {
        "train": 1800, "validation": 200, "test": 500
    }  # fmt: skip
    assert data.preparation.mean == pytest.approx((0.49, 0.48, 0.45), abs=0.02)


@pytest.mark.slow
def test_torchvision_reads_the_same_cifar10(tmp_path, monkeypatch):
    """The batch layout of the shared copy: torchvision's own reader and ours agree on every byte."""
    if not (SHARED / "tools").is_dir():
        pytest.skip("CIFAR-10 is not here: ../shared is missing")
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("the tool that unpacks CIFAR-10 needs a Python whose tarfile has filters (3.11.4)")
    import json
    import subprocess
    import sys

    from torchvision.datasets import CIFAR10

    subprocess.run([sys.executable, SHARED / "tools" / "unpack_cifar10.py", tmp_path, "--batches"], check=True)
    sums = json.loads((tmp_path / "md5.json").read_text())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in sums if name.startswith("data_batch")])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    data = load_data(DataConfig(name="cifar10", dir=str(tmp_path), validation=0.0), seed=0)
    for split, train in ((data.train, True), (data.test, False)):
        theirs = CIFAR10(tmp_path, train=train)
        assert split.targets.tolist() == theirs.targets
        assert np.array_equal(split.images.numpy(), theirs.data.transpose(0, 3, 1, 2))
    assert data.task.names == tuple(theirs.classes)


def test_validation_shares_the_store_of_training():
    data = load_data(DataConfig(), seed=0)
    assert data.train.store.data_ptr() == data.validation.store.data_ptr()
    digits = load_digits()
    assert digits.target[data.validation.index].tolist() == data.validation.targets.tolist()


def test_too_few_images_to_split(class_folders, sentence):
    for folder in ("even", "odd"):
        for path in sorted((class_folders / folder).iterdir())[2:]:
            path.unlink()
    data = load_data(DataConfig(name=f"folder:{class_folders}"), seed=0)
    assert data.validation is None
    assert any("too few images for a validation split" in note for note in data.notes)
    for folder in ("even", "odd"):
        next((class_folders / folder).iterdir()).unlink()
    with pytest.raises(DataError) as error:
        load_data(DataConfig(name=f"folder:{class_folders}"), seed=0)
    sentence(error.value)


def test_the_fingerprint_knows_another_image():
    data = load_data(DataConfig(), seed=0)
    before = data.fingerprint()
    assert load_data(DataConfig(), seed=0).fingerprint() == before
    data.train.store[data.train.rows[0]] += 1
    assert replace(data).fingerprint() != before


def test_a_broken_image_whose_name_is_no_text(class_folders, tudui):
    Path(os.fsdecode(os.fsencode(class_folders) + b"/odd/\xff\n.png")).write_bytes(b"no image")
    answer = tudui(
        "train", "--data", f"folder:{class_folders}", "-b", 8, "-e", 1, "-q", "--set", "data.on_bad_image=skip"
    )
    assert answer.code == 0, answer.err


GOOD = """
import torch
from tudui.data import Source
from tudui.tasks import Classes

def read(config):
    images = torch.zeros(40, 3, 32, 32, dtype=torch.uint8)
    labels = torch.arange(40) % 2
    rows = torch.arange(40)
    return Source(images, labels, Classes(names=("a", "b")), {"train": rows[:30], "test": rows[30:]})
"""


@pytest.mark.parametrize(
    "change",
    [
        ("return Source", "return 3 or Source"),
        ("uint8)", "float32)"),
        ("arange(40) % 2", "zeros(40)"),
        ("% 2", "% 3"),
        ('{"train": rows[:30], "test": rows[30:]}', "{}"),
        ("rows[:30]", "rows[:31]"),
        ("arange(40)\n    return", "arange(41)\n    return"),
        ('("a", "b")', '("a", "a")'),
        ("import torch", "import nothing_of_this_name"),
        None,
    ],
    ids=["no Source", "floats", "labels of floats", "three labels", "no parts", "a row in two parts", "a row too many",
         "one name twice", "no import", "nothing"],
)  # fmt: skip
def test_a_data_set_of_another_package_is_checked(change, request, tmp_path, monkeypatch, tudui, sentence):
    module = re.sub(r"\W", "_", f"set_{request.node.callspec.id}")  # Python keeps the modules of the cases before
    (tmp_path / f"{module}.py").write_text(GOOD.replace(*change) if change else GOOD)
    put_package(tmp_path, f"[tudui.data_sets]\nodd = {module}:read\n")
    monkeypatch.syspath_prepend(tmp_path)
    data_sets.cache_clear()
    try:
        answer = tudui("data", "check", "odd")
    finally:
        data_sets.cache_clear()
    assert answer.code == (3 if change else 0)
    assert len(answer.err.splitlines()) == (1 if change else 0)
    sentence(answer.err)


def test_images_without_folders_of_classes(class_folders, tudui, sentence):
    answer = tudui("data", "check", class_folders / "odd")
    assert answer.code == 3
    sentence(answer.err)
    answer = tudui("train", "--data", "pictures")
    assert answer.code == 2
    sentence(answer.err)


def test_a_folder_that_is_closed_is_refused(class_folders):
    """Root may read everything: this reader gives that up once everything is imported."""
    closed = class_folders / "odd" / "closed"
    closed.mkdir()
    photograph(0).save(closed / "0.png")
    closed.chmod(0)
    class_folders.chmod(0o755)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom tudui.data.layout import images_below\n"
        "from tudui.errors import DataError\n"
        "os.chdir(sys.argv[1])\nos.getuid() or os.setuid(65534)\n"
        "try:\n    print(images_below(Path()))\nexcept DataError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, class_folders], capture_output=True, text=True, check=True)
    assert done.stdout == "./odd/closed: cannot be read: Permission denied\n"


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "archive.zip"])
def test_an_archive_is_to_be_unpacked_first(name, tmp_path, tudui, monkeypatch):
    """The command that is shown does it, for the archive and for the folder that holds it."""
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    place = tmp_path / "down loads"
    write_cifar(tmp_path / "cifar-10-batches-py", count=60)
    if name.endswith("zip"):
        place.mkdir()
        with zipfile.ZipFile(place / name, "w") as archive:
            for file in (tmp_path / "cifar-10-batches-py").iterdir():
                archive.write(file, file.relative_to(tmp_path))
    else:
        place.mkdir()
        with tarfile.open(place / name, "w:gz") as archive:
            archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    answer = tudui("train", "--data", "cifar10", "--data-dir", place / name, "--dry-run")
    assert answer.code == 3
    command = answer.err.split("first: ")[1].split(", and name")[0].replace("python ", f"{sys.executable} ")
    inside = tudui("train", "--data", "cifar10", "--data-dir", place, "--dry-run")
    assert inside.code == 3
    assert answer.err.split("first: ")[1] == inside.err.split("first: ")[1]
    subprocess.run(command, shell=True, check=True)
    assert tudui("train", "--data", "cifar10", "--data-dir", place, "-b", "8", "--dry-run").code == 0


def test_an_archive_of_a_folder_of_images_is_to_be_unpacked_first(class_folders, tmp_path, tudui):
    """The command that is shown does it, for the archive and for the folder that holds it."""
    place = tmp_path / "down loads"
    place.mkdir()
    archive = shutil.make_archive(str(place / "images"), "zip", class_folders)
    answers = [tudui("train", "--data", f"folder:{path}", "-b", "8", "--dry-run") for path in (archive, place)]
    assert [answer.code for answer in answers] == [3, 3]
    (command,) = {answer.err.split("first: ")[1].split(", and name")[0] for answer in answers}
    subprocess.run(command.replace("python ", f"{sys.executable} "), shell=True, check=True)
    assert tudui("train", "--data", f"folder:{place}", "-b", "8", "--dry-run").code == 0
