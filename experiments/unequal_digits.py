"""Write the digits as images of unequal classes: 0 to 4 keep all their training images, 5 to 9 one in ten.

python experiments/unequal_digits.py FOLDER    # then: tudui compare-losses --data folder:FOLDER --losses ...

The test images are those of no class fewer, so accuracy on them is nearly balanced accuracy.
"""

import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

TEST, KEPT = 5, 10  # every fifth image of a class is a test image; of a small class, every tenth other one stays


def main(folder: Path) -> None:
    """Write FOLDER/train/DIGIT/*.png and FOLDER/test/DIGIT/*.png."""
    digits = load_digits()
    for digit in range(10):
        images = digits.images[digits.target == digit]
        rest = [number for number in range(len(images)) if number % TEST]
        parts = {"test": range(0, len(images), TEST), "train": rest if digit < 5 else rest[::KEPT]}
        for part, numbers in parts.items():
            place = folder / part / str(digit)
            place.mkdir(parents=True, exist_ok=True)
            for number in numbers:
                pixels = (images[number] * 255 / 16).astype("uint8")
                Image.fromarray(pixels).resize((32, 32)).save(place / f"{number}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
