"""Outliers: wrong numbers among the training and validation targets, drawn from (seed, split), nested over shares."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.errors import DataError
from tudui.events import Outliers
from tudui.seeding import derive_seed, sub_seed
from tudui.tasks.label_noise import text_of
from tudui.tasks.scaling import scaling

FORMAT = 1


def with_outliers(
    targets: Mapping[str, Tensor], index: Mapping[str, Tensor], names: tuple[str, ...], config: DataConfig, seed: int
) -> dict[str, Tensor]:
    """Return targets [N, K] of training and validation, some of them wrong; {} without outliers; DataError.

    Both mappings are by split; `index` contains the numbers of the rows in their source. Rows are ranked once per seed
    and split, so the outliers of a lower share are also among those of a higher one.
    """
    if config.outlier_manifest:
        pool = {name: targets[name] for name in ("train", "validation") if name in targets}
        return _of_manifest(Path(config.outlier_manifest), names, pool, index)
    if not config.outliers:
        return {}
    location, scale = (torch.tensor(values) for values in scaling(targets["train"], "robust"))
    size, seed = config.outlier_size, sub_seed(config.noise_seed, seed)
    spoiled = {}
    for name in ("train", "validation"):
        if name not in targets:
            continue
        true = targets[name]
        generator = torch.Generator().manual_seed(derive_seed(seed, "outliers", name))
        chosen = torch.randperm(len(true), generator=generator)[: round(config.outliers * len(true))]
        others = torch.randint(max(len(true) - 1, 1), (len(true),), generator=generator)  # places after one's own
        if name == "train" and len(chosen) == len(true):
            raise DataError(
                f"data.outliers {config.outliers:g}: every training target is an outlier; set a lower share"
            )
        given = true.clone()
        if config.outlier_kind == "swap":
            given[chosen] = true[(chosen + 1 + others[chosen]) % len(true)]
        elif config.outlier_kind == "scale":
            given[chosen] = location + size * (true[chosen] - location)
        else:
            given[chosen] = true[chosen] + size * scale
        spoiled[name] = given
    return spoiled


def counted(spoiled: Mapping[str, tuple[Tensor, Tensor, Tensor]], config: DataConfig) -> Outliers:
    """Return how many targets are outliers, by split; `spoiled` as in `manifest`."""
    return Outliers(
        kind=_source(config),
        level=config.outliers,
        size=config.outlier_size,
        rows={name: len(index) for name, (index, _, _) in spoiled.items()},
        spoiled={name: int((true != given).any(1).sum()) for name, (_, true, given) in spoiled.items()},
    )


def manifest(
    spoiled: Mapping[str, tuple[Tensor, Tensor, Tensor]], names: tuple[str, ...], config: DataConfig, seed: int
) -> dict[str, Any]:
    """Return the outliers by the number of the row in the source, as plain values.

    `spoiled` contains for each split the index int64 [N] of its rows, their true targets and the given ones [N, K].
    """
    rows = sorted(
        (int(index[row]), true[row].tolist(), given[row].tolist())
        for index, true, given in spoiled.values()
        for row in (true != given).any(1).nonzero()[:, 0].tolist()
    )
    values: dict[str, Any] = {
        "format": FORMAT,
        "data": config.name,
        "targets": list(names),
        "kind": _source(config),
        "share": config.outliers,
        "size": config.outlier_size,
        "seed": sub_seed(config.noise_seed, seed),
        "rows": {name: len(index) for name, (index, _, _) in spoiled.items()},
        "index": [index for index, _, _ in rows],
        "true": [true for _, true, _ in rows],
        "given": [given for _, _, given in rows],
    }
    return values | {"sha256": _digest(values)}


def _source(config: DataConfig) -> Literal["shift", "scale", "swap", "manifest"]:
    return "manifest" if config.outlier_manifest else config.outlier_kind


def _digest(values: Mapping[str, Any]) -> str:
    content = {name: values[name] for name in ("targets", "index", "true", "given")}
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _of_manifest(
    path: Path, names: tuple[str, ...], pool: Mapping[str, Tensor], index: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the targets with the outliers of a file; DataError if it is damaged or belongs to other rows."""
    where, another = f"data.outlier_manifest {path}", "give the outliers.json of a run folder on these rows"
    try:
        values = json.loads(text_of(path, where))
        rows = zip(values["index"], values["true"], values["given"], strict=True)
        listed = {int(number): (torch.tensor(true), torch.tensor(given)) for number, true, given in rows}
        whole = values["format"] == FORMAT and values["targets"] == list(names) and _digest(values) == values["sha256"]
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, RecursionError):
        whole = False
    if not whole:
        raise DataError(f"{where}: not a whole manifest of {', '.join(names)}; {another}")
    spoiled = {name: true.clone() for name, true in pool.items()}
    for name, given in spoiled.items():
        for row, number in enumerate(index[name].tolist()):
            if number in listed:
                true, wrong = listed.pop(number)
                if true.shape != wrong.shape or not torch.equal(true, given[row]) or not wrong.isfinite().all():
                    raise DataError(f"{where}: row {number} has another target; {another}")
                given[row] = wrong
    if listed:
        raise DataError(f"{where}: row {next(iter(listed))} is not a training or validation row; {another}")
    return spoiled
