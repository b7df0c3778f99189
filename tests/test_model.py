"""The network: that of the course, to the last parameter."""

import torch
from torch import nn

from tests.conftest import LAYERS, tudui_network


def course_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


def test_parameters_and_names():
    model = tudui_network(10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 145_578
    assert tuple(dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters())) == LAYERS
    assert tudui_network(37)(torch.zeros(2, 3, 32, 32)).shape == (2, 37)


def test_the_same_function_as_the_courses_network():
    course, ours = course_network(), tudui_network(10)
    ours.load_state_dict(dict(zip(ours.state_dict(), course.state_dict().values(), strict=True)))
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(ours(images), course(images))


def test_initial_weights_come_from_the_seed_alone():
    torch.manual_seed(5)
    first = tudui_network(10, seed=3)
    torch.manual_seed(6)
    state = torch.get_rng_state()
    second, other = tudui_network(10, seed=3), tudui_network(10, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
