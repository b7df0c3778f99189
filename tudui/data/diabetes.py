"""scikit-learn's diabetes data: 10 measurements of each of 442 people, and the state of the disease a year later."""

import numpy as np
import torch

from tudui.config.schema import DataConfig
from tudui.data.dataset import Source
from tudui.data.digits import file_of_sklearn
from tudui.tasks import Numbers

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def read_diabetes(config: DataConfig) -> Source:
    """Return the measurements as they were taken, float32 [442, 10], and the progression, from 25 to 346.

    Source: Efron, Hastie, Johnstone, Tibshirani 2004, Least Angle Regression; the files of
    `sklearn.datasets.load_diabetes`, with `scaled=False`.
    """
    values = np.loadtxt(file_of_sklearn("diabetes_data_raw.csv.gz"))
    targets = np.loadtxt(file_of_sklearn("diabetes_target.csv.gz"))
    store, target = (torch.from_numpy(array.astype(np.float32)) for array in (values, targets[:, None]))
    return Source(
        store, target, Numbers(names=("progression",)), {"train": torch.arange(len(store))}, features=FEATURES
    )
