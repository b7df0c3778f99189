"""Label noise: wrong labels drawn from (seed, split), nested over rates, and listed in a manifest."""

import csv
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.errors import DataError
from tudui.events import WrongLabels
from tudui.files import opened
from tudui.seeding import derive_seed, sub_seed
from tudui.text import in_a_line

FORMAT = 1
MOST_CLASSES = 100  # whose pairs are counted
MAX_BYTES = 24 * 2**20  # of a manifest or matrix; enough for about 800,000 wrong labels
# Pairs that people confuse, by class name: Patrini, Rozza, Menon, Nock, Qu 2017, section 5.
USUAL_PAIRS = (
    {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"},
    {"2": "7", "3": "8", "5": "6", "6": "5", "7": "1"},
)


def wrong_labels(
    targets: Mapping[str, Tensor], index: Mapping[str, Tensor], names: tuple[str, ...], config: DataConfig, seed: int
) -> dict[str, Tensor]:
    """Return labels of training and validation with the noise that the config asks for; {} without; DataError.

    Both mappings are by split; `index` contains the numbers of the images in their source.
    """
    pool = {name: targets[name] for name in ("train", "validation") if name in targets}
    if config.noise_manifest:
        flips = _read_manifest(Path(config.noise_manifest), names, pool, index)
        given = {name: torch.tensor([flips.get(number, -1) for number in index[name].tolist()]) for name in pool}
        return {name: given[name].where(given[name] >= 0, labels) for name, labels in pool.items()}
    if not config.label_noise:
        return {}
    shares, seed = _wrong_shares(config, names), sub_seed(config.noise_seed, seed)
    return {
        name: flipped(labels, shares, rate=config.label_noise, seed=derive_seed(seed, "noise", name))
        for name, labels in pool.items()
    }


def flipped(labels: Tensor, shares: Tensor, *, rate: float, seed: int) -> Tensor:
    """Return labels [N], some of them wrong.

    Of class c, `rate * shares[c].sum()` of the images get another class, in the proportions of `shares` [K, K], whose
    diagonal is 0. The number of wrong labels is the nearest possible to the sum of this over the images; they are
    shared among the classes by the method of Webster (Sainte-Lague), which only adds images if the rate grows. So a
    wrong label at one rate is the same at any higher rate.
    """
    generator = torch.Generator().manual_seed(seed)
    rank = torch.randperm(len(labels), generator=generator)
    draw = torch.rand(len(labels), generator=generator, dtype=torch.float64)
    wrong = torch.zeros_like(labels)  # what each label becomes at the highest rate
    turn = torch.full(labels.shape, math.inf, dtype=torch.float64)  # the lowest ones become wrong first
    expected = 0.0
    for label in labels.unique().tolist():
        positions = (labels == label).nonzero().flatten()
        positions = positions[rank[positions].argsort()]
        cumulative = shares[label].cumsum(0)
        if share := float(shares[label].sum()):
            wrong[positions] = torch.searchsorted(cumulative / cumulative[-1], draw[positions], right=True)
            turn[positions] = (torch.arange(len(positions)) + 0.5).double() / (share * len(positions))
            expected += rate * share * len(positions)
    by_rank = rank.argsort()
    chosen = by_rank[turn[by_rank].argsort(stable=True)][: round(expected)]
    return labels.scatter(0, chosen, wrong[chosen])


def counted(
    spoiled: Mapping[str, tuple[Tensor, Tensor, Tensor]], names: tuple[str, ...], config: DataConfig
) -> WrongLabels:
    """Return how many labels are wrong, by split and by class; `spoiled` as in `manifest`."""
    number, pairs = len(names), torch.cat([torch.stack([true, given]) for _, true, given in spoiled.values()], dim=1)
    cells, counts = (pairs[0] * number + pairs[1]).unique(return_counts=True)
    matrix: tuple[tuple[float, ...], ...] = ()
    sha256 = None
    if config.noise_matrix and number <= MOST_CLASSES:
        path = Path(config.noise_matrix)
        matrix = tuple(map(tuple, _rows(path, names)))
        sha256 = hashlib.sha256(text_of(path, str(path)).encode()).hexdigest()
    return WrongLabels(
        kind=config.noise_source,
        level=config.label_noise,
        images={name: len(index) for name, (index, _, _) in spoiled.items()},
        wrong={name: int((true != given).sum()) for name, (_, true, given) in spoiled.items()},
        cells=tuple(
            (cell // number, cell % number, count)
            for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)
            if number <= MOST_CLASSES
        ),
        matrix=matrix,
        sha256=sha256,
    )


def _wrong_shares(config: DataConfig, classes: tuple[str, ...]) -> Tensor:
    """Return [K, K]: the share of each class (row) that gets each wrong label (column) at rate 1."""
    number = len(classes)
    if config.noise_kind == "symmetric":
        return (torch.ones(number, number, dtype=torch.float64) - torch.eye(number)) / max(number - 1, 1)
    if config.noise_matrix:
        matrix = torch.tensor(_rows(Path(config.noise_matrix), classes), dtype=torch.float64)
        return matrix - matrix.diag().diag()
    shares = torch.zeros(number, number, dtype=torch.float64)
    for pairs in USUAL_PAIRS:
        if {*pairs, *pairs.values()} <= set(classes):
            for true, wrong in pairs.items():
                shares[classes.index(true), classes.index(wrong)] = 1
            return shares
    problem = f"no pairs are known for the classes {', '.join(classes[:12])}"
    raise DataError(f"data.noise_kind asymmetric: {problem}; set data.noise_matrix=FILE.csv to a confusion matrix")


def _rows(path: Path, classes: tuple[str, ...]) -> list[list[float]]:
    """Return the confusion matrix of a CSV file (row: true class, column: label given)."""
    number, where = len(classes), f"data.noise_matrix {path}"
    try:
        rows = [[float(cell) for cell in row] for row in csv.reader(text_of(path, where).splitlines()) if row]
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        problem = "must be numbers separated by commas, without names"
        raise DataError(f"{where}: {problem}: {in_a_line(error)}") from None
    if len(rows) != number or any(len(row) != number for row in rows):
        order, got = ", ".join(classes[:12]), f"{len(rows)} rows of {sorted({len(row) for row in rows})}"
        raise DataError(f"{where}: must be {number} rows of {number} numbers, in the order {order} (got {got})")
    for line, row in enumerate(rows, start=1):
        if not (all(0 <= cell <= 1 for cell in row) and abs(sum(row) - 1) < 1e-3):
            raise DataError(f"{where}: row {line} must be shares that sum to 1 (sum {sum(row):g})")
    return rows


def text_of(path: Path, where: str) -> str:
    """Return the text of a file; DataError if it is too long or cannot be read, ValueError if it is not UTF-8."""
    try:
        with opened(path, "r", encoding="utf-8") as file:
            text: str = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise DataError(f"{where}: longer than {MAX_BYTES:,} bytes; use a smaller file")
    return text


def manifest(
    spoiled: Mapping[str, tuple[Tensor, Tensor, Tensor]], names: tuple[str, ...], config: DataConfig, seed: int
) -> dict[str, Any]:
    """Return the wrong labels by the number of the image in the source, as plain values.

    `spoiled` contains for each split the index of its images, their true labels and the given ones, int64 [N].
    """
    rows = torch.cat([torch.stack(columns, dim=1) for columns in spoiled.values()])  # index, true, given
    flips = sorted(rows[rows[:, 1] != rows[:, 2]].tolist())
    values: dict[str, Any] = {
        "format": FORMAT,
        "data": config.name,
        "classes": list(names),
        "kind": config.noise_source,
        "rate": config.label_noise,
        "seed": sub_seed(config.noise_seed, seed),
        "images": {name: len(index) for name, (index, _, _) in spoiled.items()},
        "index": [index for index, _, _ in flips],
        "true": [true for _, true, _ in flips],
        "given": [given for _, _, given in flips],
    }
    return values | {"sha256": _digest(values)}


def _digest(values: Mapping[str, Any]) -> str:
    flips = {name: values[name] for name in ("classes", "index", "true", "given")}
    return hashlib.sha256(json.dumps(flips, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def _read_manifest(
    path: Path, classes: tuple[str, ...], pool: Mapping[str, Tensor], index: Mapping[str, Tensor]
) -> dict[int, int]:
    """Return the wrong label by image number; DataError if the file is damaged or belongs to other images."""
    where = f"data.noise_manifest {path}"
    try:
        values = json.loads(text_of(path, where))
    except (ValueError, RecursionError):
        raise DataError(f"{where}: not JSON; give the label_noise.json of a run folder") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(f"{where}: not a manifest of format {FORMAT}; give the label_noise.json of a run folder")
    columns: list[Any] = [values.get(name) for name in ("index", "true", "given")]
    whole = all(isinstance(column, list) and all(type(cell) is int for cell in column) for column in columns)
    if not whole or len({len(column) for column in columns}) != 1 or not isinstance(values.get("classes"), list):
        raise DataError(f"{where}: index, true and given must be lists of integers of the same length")
    if _digest(values) != values.get("sha256"):
        raise DataError(f"{where}: its sha256 does not match its content: it was changed or cut; use an unchanged copy")
    if values["classes"] != list(classes):
        known = in_a_line(", ".join(map(str, values["classes"][:12])))
        raise DataError(f"{where}: made for the classes {known}; use the manifest of this data set")
    label_of: dict[int, int] = {}
    for name, labels in pool.items():
        label_of |= zip(index[name].tolist(), labels.tolist(), strict=True)
    for number, true, given in zip(*columns, strict=True):
        if label_of.get(number) != true or not 0 <= given < len(classes):
            problem = f"sample {number} is not of class {true} in this training data"
            raise DataError(f"{where}: {problem}; use the manifest of this data set")
    return dict(zip(columns[0], columns[2], strict=True))
