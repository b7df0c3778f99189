"""CIFAR-10's images for measurements, from a JPEG copy (see ARCHIVE); random bytes if it is missing."""

import io
import pickle
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PACKED = ROOT / "gpu-pack" / "cifar10-jpeg.tar.gz"  # what scripts/gpu_pack.sh takes along
ARCHIVE = PACKED if PACKED.exists() else ROOT.parent / "shared" / "data" / PACKED.name

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def read_files(number: int, part: str = "train") -> Iterator[tuple[str, bytes]]:
    """Yield (class, bytes of a JPEG file) of up to so many images, as many of each of the ten classes."""
    if not ARCHIVE.exists():
        generator = np.random.default_rng(0)
        for index in range(number):
            file = io.BytesIO()
            Image.fromarray(generator.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(file, "JPEG")
            yield str(index % 10), file.getvalue()
        return
    taken = Counter()
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if not (member.isfile() and member.name.startswith(f"{part}/")):
                continue
            name = member.name.split("/")[1]
            if taken[name] < number / 10:
                taken[name] += 1
                yield name, archive.extractfile(member).read()


def write_folder(root: Path, number: int) -> None:
    """Write so many images as files, dealt out to ten classes whatever they show."""
    for index, (_, content) in enumerate(read_files(number)):
        folder = root / str(index % 10)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.jpg").write_bytes(content)


def read_images(number: int, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 [N, 3, 32, 32] and labels int64 [N], shuffled."""
    pictures, names = [], []
    for name, content in read_files(number, part):
        pictures.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1))
        names.append(name)
    order = np.random.default_rng(0).permutation(len(pictures))
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names], dtype=np.int64)
    return np.stack(pictures)[order], labels[order]


def write_batches(root: Path, train: int, test: int) -> None:
    """Write so many images as `tudui train --data cifar10 --data-dir ROOT` reads them, and for training as NumPy files.

    The layout is that of CIFAR-10's archive for Python (https://www.cs.toronto.edu/~kriz/cifar.html): five batches of
    training images, one of test images.
    """
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images, labels = read_images(train)
    np.save(root / "images.npy", images)
    np.save(root / "labels.npy", labels)
    parts = {f"data_batch_{number}": (images[number - 1 :: 5], labels[number - 1 :: 5]) for number in range(1, 6)}
    for name, (pixels, classes) in {**parts, "test_batch": read_images(test, "test")}.items():
        content = {"data": pixels.reshape(len(pixels), -1), "labels": classes.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}, protocol=2))
