"""Outliers: wrong numbers among the training and validation targets, drawn from (seed, split), nested over shares."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.errors import DataError
from tudui.events import Outliers
from tudui.seeding import derive_seed, sub_seed
from tudui.tasks.scaling import scaling

FORMAT = 1


def with_outliers(targets: Mapping[str, Tensor], config: DataConfig, seed: int) -> dict[str, Tensor]:
    """Return targets [N, K] of training and validation, some of them wrong; {} without outliers; DataError.

    Rows are ranked once per seed and split, so the outliers of a lower share are also among those of a higher one.
    """
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
        kind=config.outlier_kind,
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
        "kind": config.outlier_kind,
        "share": config.outliers,
        "size": config.outlier_size,
        "seed": sub_seed(config.noise_seed, seed),
        "rows": {name: len(index) for name, (index, _, _) in spoiled.items()},
        "index": [index for index, _, _ in rows],
        "true": [true for _, true, _ in rows],
        "given": [given for _, _, given in rows],
    }
    content = {name: values[name] for name in ("targets", "index", "true", "given")}
    return values | {"sha256": hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()}
