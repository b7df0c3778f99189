"""The tutorial's training loop, as its readers write it: what Tudui's speed and accuracy are measured against."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from torchvision import transforms

from tudui.networks import NetworkParameters, Shape, build_network


class Pictures(Dataset):
    """Images as torchvision's data sets give them: a PIL image, changed by a transform."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: transforms.Compose) -> None:
        self.images = images.transpose(0, 2, 3, 1)  # uint8 [N, 32, 32, 3]
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class TutorialLoop:
    """SGD at 0.01 on batches of a DataLoader; `.item()` after every step."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        normalize: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
        writer: SummaryWriter | None = None,
    ) -> None:
        steps = [transforms.ToTensor()]
        if normalize:
            steps.append(transforms.Normalize(*normalize))
        pictures = Pictures(images, labels, transforms.Compose(steps))
        generator = torch.Generator().manual_seed(seed)
        self.loader = DataLoader(pictures, batch_size, shuffle=shuffle, drop_last=True, generator=generator)
        self.model = build_network(NetworkParameters(name="tudui"), Shape((3, 32, 32), 10), seed=seed)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.writer = writer
        self.steps = 0

    def epoch(self) -> Iterator[float]:
        """Train for an epoch; yield the loss of each step."""
        for inputs, targets in self.loader:
            outputs = self.model(inputs)
            loss = self.loss(outputs, targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.steps += 1
            if self.writer:
                self.writer.add_scalar("loss", loss.item(), self.steps)
                for name, parameter in self.model.named_parameters():
                    self.writer.add_scalar(f"gradient_norm/{name}", parameter.grad.norm().item(), self.steps)
                    self.writer.add_histogram(f"gradient/{name}", parameter.grad, self.steps)
            yield loss.item()
