"""Pictures for TensorBoard: images with their classes, and the confusion matrix."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RIGHT, WRONG, INK, FAINT = "#1a6e3c", "#c0392b", "#222222", "#8a8a8a"
SIDE, CAPTION, COLUMNS = 96, 34, 8


def prediction_grid(
    images: np.ndarray, labels: Sequence[int], predicted: Sequence[int], classes: Sequence[str]
) -> np.ndarray:
    """Return uint8 [H, W, 3]: images [N, 3, 32, 32] with the true class below and, if wrong, the predicted one."""
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    cell = (SIDE + 8, SIDE + CAPTION + 8)
    canvas = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for index, (image, label, guess) in enumerate(zip(images, labels, predicted, strict=True)):
        x, y = (index % columns) * cell[0] + 4, (index // columns) * cell[1] + 4
        tile = Image.fromarray(image.transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        canvas.paste(tile, (x, y))
        draw.text((x, y + SIDE + 2), _fit(draw, classes[label], font, SIDE), INK, font)
        if guess == label:
            draw.text((x, y + SIDE + 17), "right", RIGHT, font)
        else:
            draw.text((x, y + SIDE + 17), _fit(draw, f"seen as {classes[guess]}", font, SIDE), WRONG, font)
    return np.asarray(canvas)


def confusion_picture(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> np.ndarray:
    """Return uint8 [H, W, 3]: rows are true classes, columns predicted ones, each cell a share of its row."""
    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    number = len(classes)
    side = max(6, min(56, 900 // number))
    font = ImageFont.load_default(13 if side >= 40 else max(side - 3, 6))
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    margin = round(max(probe.textlength(name, font) for name in classes)) + 16 if side >= 10 else 24
    margin = min(margin, 160)
    size = margin + number * side + 8
    note = "rows: true class; columns: predicted; percent of the row"
    width = max(size, margin + round(probe.textlength(note, font)) + 8)
    canvas = Image.new("RGB", (width, size + 24), "white")
    draw = ImageDraw.Draw(canvas)
    for row in range(number):
        for column in range(number):
            share = shares[row, column]
            x, y = margin + column * side, margin + row * side
            draw.rectangle((x, y, x + side - 2, y + side - 2), fill=_shade(share))
            if side >= 30 and counts[row, column]:
                text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                draw.text((x + side / 2 - 1, y + side / 2 - 1), text, "white" if share > 0.5 else INK, font, "mm")
        if side >= 10:
            name = _fit(draw, classes[row], font, margin - 12)
            draw.text((margin - 8, margin + row * side + side / 2), name, INK, font, "rm")
            _vertical(canvas, name, font, margin + row * side + side // 2, margin - 6)
    draw.text((margin, size + 4), note, FAINT, font)
    return np.asarray(canvas)


def _shade(share: float) -> tuple[int, int, int]:
    """Return a blue that gets darker evenly, also in grey print."""
    stops = ((247, 250, 255), (158, 202, 225), (49, 130, 189), (8, 48, 107))
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low, high = list(pairwise(stops))[min(int(place), len(stops) - 2)]
    part = place - min(int(place), len(stops) - 2)
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _vertical(
    canvas: Image.Image, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, x: int, y: int
) -> None:
    """Write text upwards, ending at the point."""
    width = round(ImageDraw.Draw(canvas).textlength(text, font)) + 2
    label = Image.new("RGB", (width, 18), "white")
    ImageDraw.Draw(label).text((0, 9), text, INK, font, "lm")
    turned = label.rotate(90, expand=True)
    canvas.paste(turned, (x - 9, y - width))


def _fit(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Shorten text to a width in pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text}…"
