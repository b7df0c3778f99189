"""How files get damaged, by accident or on purpose: of any bytes, of text, and of values that are then saved whole."""

import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

Damage = Callable[[bytes, Random], bytes]

TOKENS = (
    "", "0.5", "2", " ", "null", "true", "-1", "0", "1e999", "-1e999", "NaN", ".nan", "1e-400",
    "9" * 30, "9" * 5000, "0x10", "1_0", "٣",
    '""', '"x"', "[]", "{}", "[[[[]]]]", "{a: {b: {c: 1}}}", "x", "é", '"\\ud800"', '"\\u0000"', "\x00", "\ufeff", "\r",
    "[" * 500, "{a: " * 500, "&a [*a, *a]", "!!python/name:os.system", "<<: *a", "---", "...", "? ", "- ",
    ": ", ",", "#",
    "loss", "name", "huber", "delta", "auto", "folder:", "comparison", "variants", "train", "epochs", "../..",
    "/dev/zero",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**64, 10**400, float("nan"), float("inf"), -1e308, 0.5, "", "x", "\ud800",
    "a" * 10_000, [], [[]], {}, {"x": 1}, [None], {"accuracy": 2.0}, b"x", (), {1: 2},
)  # fmt: skip


def bytes_damage(content: bytes, random: Random) -> bytes:
    """Cut, flip, overwrite, leave out, repeat or add bytes."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        place, length = random.randrange(len(damaged) + 1), random.choice((1, 2, 4, 8, 64, 1024))
        kind = random.randrange(7)
        if kind == 0:
            del damaged[place:]
        elif kind == 1:
            del damaged[place : place + length]
        elif kind == 2:
            damaged[place:place] = random.randbytes(length)
        elif kind == 3:
            damaged[place:place] = damaged[place : place + length]
        elif kind == 4:
            damaged[place : place + length] = bytes([random.choice((0, 255, 127, 128))]) * length
        elif damaged:  # as a disk does: the likeliest, and the hardest to see
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def header_damage(content: bytes, random: Random) -> bytes:
    """Damage the first kilobyte, where shapes and types stand, or cut the file."""
    if random.random() < 0.2:
        return content[: random.randrange(len(content) + 1)]
    return bytes_damage(content[:1024], random) + content[1024:]


def front_damage(content: bytes, random: Random) -> bytes:
    """Damage any bytes, or half of the time those of the header of a safetensors file."""
    if random.random() < 0.5:
        return bytes_damage(content, random)
    length = 8 + int.from_bytes(content[:8], "little")
    return bytes_damage(content[:length], random) + content[length:]


def text_damage(content: bytes, random: Random) -> bytes:
    """Replace, add or leave out words and lines; sometimes damage the bytes below them."""
    if random.random() < 0.3:
        return bytes_damage(content, random)
    text = content.decode(errors="replace")
    for _ in range(random.choice((1, 1, 2, 5))):
        start = random.randrange(len(text) + 1)
        end = start
        if random.random() < 0.8:  # a word or number as it stands
            while start > 0 and text[start - 1].isalnum():
                start -= 1
            while end < len(text) and (text[end].isalnum() or text[end] in ".-+"):
                end += 1
        if random.random() < 0.15:
            end = text.find("\n", start) + 1 or len(text)
        text = text[:start] + random.choice(TOKENS) + text[end:]
    return text.encode(errors="replace")


def _other(value: Any, random: Random) -> Any:
    """Return another value in the place of this one, near to it or not."""
    if isinstance(value, Tensor) and random.random() < 0.8:
        return _other_tensor(value, random)
    if isinstance(value, dict) and value and random.random() < 0.8:
        return values_damage(value, random)
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        kept = [*value[:place], *value[place + 1 :]]
        return kept if random.random() < 0.4 else [*value[:place], _other(value[place], random), *value[place + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.4:
        return random.choice(
            (-value, value + 1, value * 1000, value / 2 if abs(value) < 1e300 else 0.5, repr(value)[:99])
        )
    return random.choice(VALUES)


def _other_tensor(tensor: Tensor, random: Random) -> Any:
    kind = random.randrange(8)
    if kind == 0:
        return torch.zeros([random.choice((0, 1, 3, 64, size)) for size in tensor.shape])
    if kind == 1:
        changed = tensor.clone().float()
        changed.view(-1)[random.randrange(max(changed.numel(), 1))] = random.choice(
            (float("nan"), float("inf"), -float("inf"), 1e38)
        )
        return changed
    if kind == 2:
        return tensor.to(random.choice((torch.int64, torch.bool, torch.complex64, torch.float64, torch.float16)))
    if kind == 3:
        return torch.zeros(1).expand(random.choice((10**12, *tensor.shape)), *tensor.shape[1:])  # claims what it lacks
    if kind == 4:
        return tensor.to("meta") if random.random() < 0.5 else tensor.to_sparse()
    if kind == 5:
        return tensor.t() if tensor.dim() == 2 else tensor.flatten()
    if kind == 6:
        return torch.nn.Parameter(tensor.float())
    return torch.zeros(())


def values_damage(values: dict[str, Any], random: Random) -> dict[str, Any]:
    """Change, leave out, rename or add one value, at any depth."""
    damaged = dict(values)
    name = random.choice(list(damaged)) if damaged else "x"
    kind = random.randrange(6)
    if kind == 0:
        damaged.pop(name, None)
    elif kind == 1:
        damaged[random.choice(("x", f"a.{name}", "format", "state", "model", ""))] = damaged.pop(name, None)
    else:
        damaged[name] = _other(damaged.get(name), random)
    return damaged


def json_damage(content: bytes, random: Random) -> bytes:
    """Change values of a line of JSON, or the text."""
    if random.random() < 0.5:
        return text_damage(content, random)
    lines = content.decode(errors="replace").splitlines()
    if len(lines) < 2 or content.startswith(b"{\n"):
        lines = [content.decode(errors="replace")]
    place = random.randrange(len(lines))
    try:
        value = values_damage(json.loads(lines[place]), random)
        lines[place] = json.dumps(value, default=str)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text_damage(content, random)
    if len(lines) > 1 and random.random() < 0.2:
        lines.insert(place, lines[random.randrange(len(lines))])
    return "\n".join(lines).encode(errors="replace") + b"\n"


def saved_values_damage(content: bytes, random: Random) -> bytes:
    """Change values in a file of torch.save, with checksums that fit; sometimes only its pickle."""
    if random.random() < 0.3:
        return _pickle_in_zip_damage(content, random)
    try:
        values = torch.load(io.BytesIO(content), weights_only=True)
        for _ in range(random.choice((1, 1, 2))):
            values = values_damage(values, random)
        file = io.BytesIO()
        torch.save(values, file)
    except Exception:  # damaged before
        return bytes_damage(content, random)
    return file.getvalue()


def _pickle_in_zip_damage(content: bytes, random: Random) -> bytes:
    file = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
            for entry in old.infolist():
                inside = old.read(entry)
                new.writestr(entry.filename, bytes_damage(inside, random) if entry.filename.endswith("pkl") else inside)
    except Exception:  # damaged before
        return bytes_damage(content, random)
    return file.getvalue()


def arrays_damage(content: bytes, random: Random) -> bytes:
    """Change an array of an .npz file, or its bytes."""
    if random.random() < 0.4:
        return bytes_damage(content, random)
    try:
        with np.load(io.BytesIO(content)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        name = random.choice(list(arrays))
        array = arrays.pop(name)
        others = (
            array[: random.randrange(len(array) + 1)], array.astype(float), array.astype(str), array[None], -array,
            array + 1000, np.full_like(array, -1), array.astype(complex), np.zeros(()), np.array([]),
        )  # fmt: skip
        if (chosen := random.randrange(len(others) + 1)) < len(others):
            arrays[name] = others[chosen]
        file = io.BytesIO()
        random.choice((np.savez, np.savez_compressed))(file, **arrays)
    except Exception:  # damaged before
        return bytes_damage(content, random)
    return file.getvalue()
