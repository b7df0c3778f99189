"""Independent random streams from one seed, each named by its purpose; none is stored."""

import hashlib
import random


def sub_seed(own: int | None, seed: int) -> int:
    """Return the seed of one purpose, which by default is that of the run."""
    return seed if own is None else own


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose, for example `derive_seed(0, "order", epoch)`."""
    name = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def seed_generators(seed: int) -> None:
    """Seed the generators that layers draw from: those of torch, NumPy and Python."""
    import numpy as np
    import torch

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
