"""Fuzzing of images, of the cache of decoded ones, of data sets and of label noise."""

import io
import json
import pickle
import struct
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import fuzz_damage as damage
import numpy as np
import torch
from fuzz_case import Target
from PIL import Image
from sklearn.datasets import load_digits

from tudui.config.data_sets import kind_of
from tudui.config.schema import DataConfig
from tudui.data import dataset_of, read_source
from tudui.data.cache import cache_folder
from tudui.data.decoding import decode_image
from tudui.data.folder import read_folder
from tudui.data.torchvision_sets import read_torchvision_set
from tudui.run.outcome import spoiled_in
from tudui.tasks.label_noise import manifest
from tudui.text import shown_as_it_is


@cache
def digits() -> Any:
    """Return the images that label noise is read for."""
    return read_source(DataConfig())


def photograph(number: int) -> Image.Image:
    """A real digit as a 40x32 picture."""
    digit = np.kron(load_digits().images[number] * 15, np.ones((4, 5))).astype(np.uint8)
    return Image.fromarray(digit).convert("RGB")


def image(folder: Path) -> Target:
    """Image files of every format, whatever they are called."""
    path = folder / "image"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of what it mends
            pixels = decode_image(path)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (3, 32, 32)

    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("png", "RGB", {}), ("png", "RGBA", {}), ("png", "P", {"transparency": 3}), ("png", "I;16", {}),
        ("gif", "P", {}),
        ("jpeg", "RGB", {"exif": exif}), ("jpeg", "L", {"progressive": True}), ("jpeg", "CMYK", {}),
        ("webp", "RGB", {}),
        ("webp", "RGBA", {"lossless": True}), ("bmp", "RGB", {}), ("ppm", "RGB", {}), ("tiff", "RGB", {}),
        ("tiff", "RGB", {"compression": "tiff_lzw"}), ("tiff", "L", {"compression": "tiff_adobe_deflate"}),
        ("tiff", "RGB", {"compression": "jpeg"}), ("tiff", "1", {"compression": "group4"}), ("tiff", "F", {}),
    ]  # fmt: skip
    seeds = []
    for kind, mode, settings in kinds:
        file = io.BytesIO()
        grey = photograph(3).convert("L")
        picture = photograph(3).convert(mode)
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(grey, np.uint16) * 257)
        elif mode == "F":
            picture = Image.fromarray(np.asarray(grey, np.float32) / 255)
        picture.save(file, kind, **settings)
        seeds.append(file.getvalue())
    return Target(seeds, damage.bytes_damage, read)


def folder_cache(folder: Path) -> Target:
    """The cache of a folder of images: what is damaged is made again."""
    root = folder / "pictures"
    for number in range(8):
        (root / str(number % 2)).mkdir(parents=True, exist_ok=True)
        photograph(number).save(root / str(number % 2) / f"{number}.png")
    (root / "0" / "bad.png").write_text("no image")
    config = DataConfig(name=f"folder:{root}", on_bad_image="skip")
    expected = read_folder(root, config)
    (entry,) = [path for path in (cache_folder() / "folders").iterdir() if "pictures" in _described(path)]
    images, description = (entry / "images.npy").read_bytes(), (entry / "description.json").read_bytes()

    def read(content: bytes) -> None:
        of_images = len(content) > 1_000
        entry.mkdir(exist_ok=True)
        (entry / "images.npy").write_bytes(content if of_images else images)
        (entry / "description.json").write_bytes(description if of_images else content)
        found = read_folder(root, config)
        assert torch.equal(found.store, expected.store)
        assert torch.equal(found.targets, expected.targets)

    return Target([images, description], damage.bytes_damage, read)


def _described(entry: Path) -> str:
    return (entry / "description.json").read_text()


def cifar(folder: Path) -> Target:
    """A batch of CIFAR-10, whose md5 tells that it is not the official one."""
    root = folder / "cifar-10-batches-py"
    root.mkdir(exist_ok=True)
    pictures = load_digits()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = np.repeat(np.kron(pictures.images[:3] * 15, np.ones((4, 4)))[:, None], 3, axis=1).reshape(3, -1)
        batch = {"data": pixels.astype(np.uint8), "labels": pictures.target[:3].tolist(), "filenames": []}
        (root / name).write_bytes(pickle.dumps(batch, protocol=2))
    (root / "batches.meta").write_bytes(
        pickle.dumps({"label_names": [f"n{number}" for number in range(10)]}, protocol=2)
    )
    whole = (root / "data_batch_1").read_bytes()

    def read(content: bytes) -> None:
        (root / "data_batch_1").write_bytes(content)
        source = read_torchvision_set(DataConfig(name="cifar10", dir=str(folder)))
        assert "data_batch_1" in source.notes[0]
        assert source.store.shape[1:] == (3, 32, 32)
        assert len(source.store) == len(source.targets)

    return Target([whole], damage.header_damage, read)


def mnist(folder: Path) -> Target:
    """Images and labels of MNIST."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    pictures = load_digits()
    images = np.pad(np.kron(pictures.images[:5] * 15, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, *images.shape)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = pictures.target[:5].astype(np.uint8).tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 5) + labels)
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    kept = [(raw / name).read_bytes() for name in names]

    def read(content: bytes) -> None:
        of_images = len(content) > 500
        (raw / names[0]).write_bytes(content if of_images else kept[0])
        (raw / names[1]).write_bytes(kept[1] if of_images else content)
        source = read_torchvision_set(DataConfig(name="mnist", dir=str(folder)))
        assert source.store.shape == (len(source.targets), 3, 32, 32)
        assert 0 <= int(source.targets.min()) <= int(source.targets.max()) <= 9

    return Target(kept, damage.header_damage, read)


def noise_matrix(folder: Path) -> Target:
    """A confusion matrix for label noise."""
    path = folder / "matrix.csv"
    config = DataConfig(label_noise=0.5, noise_kind="asymmetric", noise_matrix=str(path))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        labels = dataset_of(digits(), config, 0).train.targets
        assert 0 <= int(labels.min()) <= int(labels.max()) <= 9

    rows = "\n".join(",".join("0.91" if row == column else "0.01" for column in range(10)) for row in range(10))
    return Target([rows.encode()], damage.text_damage, read)


def noise_manifest(folder: Path) -> Target:
    """A manifest of wrong labels: refused, or the very same labels."""
    path = folder / "label_noise.json"
    config = DataConfig(label_noise=0.05)
    data = dataset_of(digits(), config, 0)
    listed = manifest(spoiled_in(data), data.task.names, config, 0)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        again = dataset_of(digits(), DataConfig(noise_manifest=str(path)), 0)
        assert torch.equal(again.train.targets, data.train.targets), "other wrong labels than the file was made with"

    return Target([json.dumps(listed).encode()], damage.json_damage, read)


def csv_damage(content: bytes, random: Random) -> bytes:
    """Damage cells as text, or what a CSV file is made of: separators, quotes, line ends, other encodings."""
    if random.random() < 0.5:
        return damage.text_damage(content, random)
    marks = (
        b",",
        b";",
        b"\t",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00",
        b"=1+1,",
        b"\x1b[31m",
    )
    for _ in range(random.choice((1, 1, 2, 8))):
        place, mark = random.randrange(len(content) + 1), random.choice(marks)
        end = place + random.choice((0, 0, 1, 5, 200))
        content = content[:place] + mark * random.choice((1, 1, 1, 40)) + content[end:]
    if random.random() < 0.1:
        text = content.decode(errors="replace")
        content = text.encode(random.choice(("utf-16", "utf-16-le", "gbk", "cp1252")), errors="replace")
    return content


def _rows(*columns: list[Any], head: str, separator: str = ",") -> bytes:
    lines = [separator.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([head, *lines, ""]).encode()


def table(folder: Path) -> Target:
    """A CSV file as a data set: with numbers or texts as targets, and each way to treat missing values."""
    path = folder / "table.csv"
    random = Random(0)
    numbers = [round(random.gauss(5, 2), 2) for _ in range(60)]
    commas = [str(number).replace(".", ",") for number in numbers]
    cities = [random.choice(("Rome", "Köln", '"Paris, F"')) for _ in range(60)]
    dates = [f"2024-01-{day % 28 + 1:02}" for day in range(60)]
    seeds = [
        _rows(numbers, cities, numbers[::-1], head="size,city,target"),
        _rows(commas, list(range(60)), dates, commas[::-1], head="size;id;day;target", separator=";"),
        _rows(numbers, [*numbers[:30], *[""] * 30], cities, head="size,age,target"),
    ]
    # so that it is read with the median
    seeds[2] += b"\n" * next(count for count in range(3) if (sum(seeds[2]) + count * ord("\n")) % 3 == 2)
    about = {"name": f"table:{path}", "target": ("target",)}
    keys = [DataConfig(**about, on_missing=how) for how in ("refuse", "drop", "median")]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        _check_read(keys[sum(content) % 3])

    return Target(seeds, csv_damage, read)


def labels(folder: Path) -> Target:
    """A CSV file with the targets of images."""
    root, path = folder / "flat", folder / "labels.csv"
    root.mkdir(exist_ok=True)
    names = [f"{number:03}.png" for number in range(24)]
    for number, name in enumerate(names):
        Image.fromarray(load_digits().images[number].astype(np.uint8) * 15).save(root / name)
    kinds = ["odd" if number % 2 else "even" for number in range(24)]
    angles = [number * 1.5 for number in range(24)]
    seeds = [
        _rows(names, kinds, head="file,target"),
        _rows([name[:3] for name in names], angles, ["train"] * 20 + ["test"] * 4, head="id,target,split"),
    ]
    about = {"name": f"folder:{root}", "labels": str(path), "target": ("target",), "cache": False, "size": 8}
    keys = [DataConfig(**about, on_bad_image=how) for how in ("refuse", "skip")]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        _check_read(keys[len(content) % 2])

    return Target(seeds, csv_damage, read)


def _check_read(config: DataConfig) -> None:
    """Read a data set of a CSV file, which must then be whole."""
    source = read_source(config)
    assert kind_of(dict(config)).task == source.task.kind
    data = dataset_of(source, config, seed=0)
    assert sum(map(len, data.splits().values())) == len(source.store) == len(source.targets)
    assert torch.isfinite(data.preparation(data.train.images)).all()
    assert all(map(shown_as_it_is, (*source.features, *source.task.names)))
