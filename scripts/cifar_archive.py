"""CIFAR-10's images for measurements, from the JPEG copy in ../shared/data; random bytes where it is missing."""

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ARCHIVE = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "cifar10-jpeg.tar.gz"


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
