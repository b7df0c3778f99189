"""Pictures for TensorBoard: images with their classes, and the confusion matrix."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from tudui.style import FAINT, INK, RIGHT, WRONG, pillow_font

SIDE, FRAME, GAP, COLUMNS = 128, 4, 4, 3  # TensorBoard shrinks a picture to about 350 pixels
LINE = 21  # height of a text line, in pixels
NOTES = ("rows: true class, in percent", "columns: predicted class")


def prediction_grid(
    images: np.ndarray,
    labels: Sequence[int],
    predicted: Sequence[int],
    classes: Sequence[str],
    *,
    columns: int = COLUMNS,
) -> np.ndarray:
    """Return uint8 [H, W, 3]: images [N, 3, H, W] in green frames or, if wrong, in red ones with the prediction."""
    verdicts = [
        "right" if guess == label else f"saw {classes[guess]}" for label, guess in zip(labels, predicted, strict=True)
    ]
    names, right = [classes[label] for label in labels], [verdict == "right" for verdict in verdicts]
    return image_grid(images, names, verdicts, right, pillow_font("".join(classes), 16), columns=columns)


def image_grid(
    images: np.ndarray,
    above: Sequence[str],
    below: Sequence[str],
    right: Sequence[bool],
    font: FreeTypeFont,
    *,
    columns: int,
) -> np.ndarray:
    """Return uint8 [H, W, 3]: images [N, 3, H, W] in green frames if right, else red, each with two lines of text."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    framed = SIDE + 2 * FRAME
    width, height = framed + 2 * GAP, framed + 2 * GAP + 2 * LINE
    canvas = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(canvas)
    for index, (image, first, second, good) in enumerate(zip(images, above, below, right, strict=True)):
        x, y = (index % columns) * width + GAP, (index // columns) * height + GAP
        colour = RIGHT if good else WRONG
        draw.rectangle((x, y, x + framed - 1, y + framed - 1), fill=colour)
        canvas.paste(_tile(image), (x + FRAME, y + FRAME))
        draw.text((x, y + framed), fit(draw, first, font, width - GAP), INK, font)
        draw.text((x, y + framed + LINE), fit(draw, second, font, width - GAP), colour, font)
    return np.asarray(canvas)


def _tile(image: np.ndarray) -> Image.Image:
    """Return an image [3, H, W] at the size of a tile; a small one by whole pixels, as the network sees it."""
    whole = Image.fromarray(image.transpose(1, 2, 0))
    factor = -(-SIDE // min(whole.size))
    enlarged = whole.resize((factor * whole.width, factor * whole.height), Image.Resampling.NEAREST)
    return enlarged.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def confusion_picture(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], notes: Sequence[str] = NOTES
) -> np.ndarray:
    """Return uint8 [H, W, 3]: cells are shares of their row; `notes`, below, say what rows and columns are."""
    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    number = len(classes)
    side = max(6, min(56, 900 // number))
    font = pillow_font("".join(classes), max(6, min(22, side - 4)))  # large, because TensorBoard halves the picture
    small = pillow_font("".join(notes), 20)
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    longest = round(max(probe.textlength(name, font) for name in classes)) + 16 if side >= 10 else 0
    margin = min(max(longest, 40), 240)
    size = margin + number * side + 8
    width = max(size, 16 + round(max(probe.textlength(note, small) for note in notes)))
    canvas = Image.new("RGB", (width, size + 26 * len(notes) + 8), "white")
    draw = ImageDraw.Draw(canvas)
    for (row, column), share in np.ndenumerate(shares):
        x, y = margin + column * side, margin + row * side
        draw.rectangle((x, y, x + side - 2, y + side - 2), fill=shade(share))
        if side >= 30 and share:
            text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
            draw.text((x + side / 2 - 1, y + side / 2 - 1), text, "white" if share > 0.5 else INK, font, "mm")
    upright = longest - 16 <= side - 4
    for row, name in enumerate(classes if side >= 10 else ()):
        shown, middle = fit(draw, name, font, margin - 12), margin + row * side + side / 2
        draw.text((margin - 8, middle), shown, INK, font, "rm")
        if upright:
            draw.text((middle, margin - 8), shown, INK, font, "ms")
        else:
            vertical(canvas, shown, font, INK, x=int(middle), y=margin - 6)
    for line, note in enumerate(notes):
        draw.text((min(margin, width - 8 - draw.textlength(note, small)), size + 4 + 26 * line), note, FAINT, small)
    return np.asarray(canvas)


def shade(share: float) -> tuple[int, int, int]:
    """Return a blue whose lightness falls evenly from share 0 to 1."""
    channels = (247, 158, 49, 8), (250, 202, 130, 48), (255, 225, 189, 107)
    red, green, blue = (round(float(np.interp(share, np.linspace(0, 1, 4), stops))) for stops in channels)
    return red, green, blue


def vertical(canvas: Image.Image, text: str, font: FreeTypeFont, colour: str, *, x: int, y: int) -> None:
    """Write a text upwards, its middle at x and its beginning at y."""
    width, height = round(ImageDraw.Draw(canvas).textlength(text, font)) + 2, 28
    label = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(label).text((0, height / 2), text, colour, font, "lm")
    canvas.paste(label.rotate(90, expand=True), (x - height // 2, y - width))


def fit(draw: ImageDraw.ImageDraw, text: str, font: FreeTypeFont, width: float) -> str:
    """Return a text without its middle if it is too wide: the end of a name often tells classes apart."""
    shorter, kept = text, len(text)
    while kept and draw.textlength(shorter, font) > width:
        kept -= 1
        shorter = f"{text[: kept - kept // 3]}…{text[len(text) - kept // 3 :]}"
    return shorter
