"""Losses: against torch, scikit-learn, closed forms and finite differences; and what they refuse."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from torch import nn

from tudui import losses
from tudui.config import load_config, parse_set
from tudui.errors import ConfigError, UsageError
from tudui.losses import build_loss, loss_specs
from tudui.tasks import Classes, Numbers

CLASSES = Classes(names=tuple("abcdef"), counts=(10, 20, 30, 40, 50, 60))
K = CLASSES.outputs
RESIDUAL = ("huber", "l1", "mse", "smooth_l1")
OF_NUMBERS = ("cauchy", *RESIDUAL, "log_cosh", "quantile")
OWN = ("ce", "focal", "gce", *RESIDUAL, "nce+mae", "phuber_ce", "sce", "squentropy")


def loss_of(name: str, **parameters):
    return build_loss(loss_specs()[name].parameters(name=name, **parameters), CLASSES)


def loss_of_numbers(name: str, columns: int = 1, **parameters):
    names = tuple(f"column {column}" for column in range(columns))
    return build_loss(loss_specs()[name].parameters(name=name, **parameters), Numbers(names=names))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(32, K, generator=generator, dtype=torch.float64)
    return logits, torch.randint(K, (32,), generator=generator)


def onehot(labels):
    return np.eye(K)[labels.numpy()]


def test_all_losses_are_found():
    assert set(OWN) <= set(loss_specs())
    for name, spec in loss_specs().items():
        assert spec.name == name
        assert spec.formula
        assert spec.source
        assert spec.robust_to


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("form", ["recipe", "plain"])
def test_gradients_against_finite_differences(name, form, batch):
    logits, labels = batch
    # l1 has a kink where a residual is 0; these logits keep clear of it
    assert torch.autograd.gradcheck(lambda x: loss_of(name, form=form)(x, labels), logits.clone().requires_grad_())


@pytest.mark.parametrize("name", RESIDUAL)
def test_gradients_on_probabilities(name, batch):
    logits, labels = batch
    loss = loss_of(name, input="probabilities", true_class_weight=2.0, target_scale=1.5, scale=0.7)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits.clone().requires_grad_())


def test_cross_entropy_is_scikit_learns(batch):
    logits, labels = batch
    expected = log_loss(labels, logits.softmax(1), labels=range(K))
    assert float(loss_of("ce")(logits, labels).mean()) == pytest.approx(expected, rel=1e-12)


def test_label_smoothing_is_a_mixed_target(batch):
    logits, labels = batch
    target = 0.9 * onehot(labels) + 0.1 / K
    expected = -(target * logits.log_softmax(1).numpy()).sum(1)
    assert loss_of("ce", label_smoothing=0.1)(logits, labels).numpy() == pytest.approx(expected, rel=1e-12)


def test_class_weights_multiply(batch):
    logits, labels = batch
    weights = np.array([1.0, 2, 3, 4, 5, 6])
    plain = loss_of("ce")(logits, labels).numpy()
    weighted = loss_of("ce", class_weights=tuple(weights))(logits, labels).numpy()
    assert weighted == pytest.approx(plain * weights[labels.numpy()], rel=1e-12)
    balanced = loss_of("ce", class_weights="balanced")(logits, labels).numpy()
    counts = np.array(CLASSES.counts)
    assert balanced == pytest.approx(plain * (counts.sum() / (K * counts))[labels.numpy()], rel=1e-12)


def test_class_weights_are_exact_in_every_precision_whatever_was_computed_before(batch):
    logits, labels = batch
    weights = (0.1, 0.2, 0.3, 0.7, 1.1, 1.3)
    of_one = loss_of("ce", class_weights=weights)
    of_one(logits.bfloat16(), labels)
    with torch.inference_mode():
        of_one(logits, labels)
    of_one(logits.clone().requires_grad_(), labels).sum().backward()
    for precision in (torch.float32, torch.float64):
        expected = torch.tensor(weights, dtype=precision)[labels] * loss_of("ce")(logits.to(precision), labels)
        assert torch.equal(of_one(logits.to(precision), labels), expected)


def test_class_weights_with_label_smoothing_multiply_the_term_of_each_class():
    logits, weights = torch.tensor([[1.0, 2, 3]], dtype=torch.float64), np.array([0.1, 0.2, 0.3])
    loss = losses.get("ce", class_weights=tuple(weights), label_smoothing=0.1)
    terms = -log_softmax(logits[0].numpy()) * weights
    for label in range(3):
        expected = 0.9 * terms[label] + 0.1 / 3 * terms.sum()
        assert loss(logits, torch.tensor([label])).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "module"),
    [("l1", nn.L1Loss()), ("mse", nn.MSELoss()), ("huber", nn.HuberLoss()), ("smooth_l1", nn.SmoothL1Loss())],
)
def test_the_plain_form_is_torchs_module(name, module, batch):
    logits, labels = batch
    expected = module(logits, torch.from_numpy(onehot(labels)))
    assert float(loss_of(name, form="plain")(logits, labels).mean()) == pytest.approx(float(expected), rel=1e-12)


def test_sums_over_classes_are_scikit_learns_times_k(batch):
    logits, labels = batch
    for name, metric in (("mse", mean_squared_error), ("l1", mean_absolute_error)):
        value = float(loss_of(name, classes="sum", true_class_weight=1.0)(logits, labels).mean())
        assert value == pytest.approx(K * metric(onehot(labels), logits.numpy()), rel=1e-12)


def test_parameters_of_residual_losses(batch):
    logits, labels = batch
    residual = logits.numpy() - 3 * onehot(labels)
    weight = np.where(onehot(labels) == 1, 5.0, 1.0)
    expected = 0.5 * (weight * residual**2).sum(1)
    value = loss_of("mse", target_scale=3.0, true_class_weight=5.0, scale=0.5)(logits, labels)
    assert value.numpy() == pytest.approx(expected, rel=1e-12)
    balanced = loss_of("l1", true_class_weight="balanced")(logits, labels)
    weight = np.where(onehot(labels) == 1, K - 1.0, 1.0)
    assert balanced.numpy() == pytest.approx((weight * np.abs(logits.numpy() - onehot(labels))).sum(1), rel=1e-12)


def test_l1_on_probabilities_is_twice_one_minus_p(batch):
    logits, labels = batch
    p_y = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    value = loss_of("l1", input="probabilities", true_class_weight=1.0)(logits, labels)
    assert value.numpy() == pytest.approx((2 * (1 - p_y)).numpy(), rel=1e-9)


def test_huber_with_a_huge_delta_and_scale_2_is_mse(batch):
    logits, labels = batch
    huge = loss_of("huber", delta=1e6, scale=2.0)(logits, labels)
    assert huge.numpy() == pytest.approx(loss_of("mse")(logits, labels).numpy(), rel=1e-12)


def p_y_of(logits, labels):
    """The true class's probability, by SciPy."""
    return softmax(logits.numpy(), axis=1)[np.arange(len(labels)), labels.numpy()]


def test_generalised_cross_entropy_lies_between_its_limits(batch):
    logits, labels = batch
    p = p_y_of(logits, labels)
    assert loss_of("gce")(logits, labels).numpy() == pytest.approx((1 - p**0.7) / 0.7, rel=1e-12)
    assert loss_of("gce", q=1.0)(logits, labels).numpy() == pytest.approx(1 - p, rel=1e-12)
    assert loss_of("gce", q=1e-9)(logits, labels).numpy() == pytest.approx(-np.log(p), rel=1e-7)


def test_symmetric_cross_entropy_by_its_definition(batch):
    """Reverse cross entropy with clamped one-hot targets, as public code has it: log 0 is log(1e-4)."""
    logits, labels = batch
    probabilities = softmax(logits.numpy(), axis=1)
    reverse = -(probabilities * np.log(np.clip(onehot(labels), 1e-4, 1))).sum(1)
    expected = 0.1 * -np.log(p_y_of(logits, labels)) + reverse
    value = loss_of("sce", log_zero=float(np.log(1e-4)))(logits, labels)
    assert value.numpy() == pytest.approx(expected, rel=1e-12)
    paper = 0.1 * -np.log(p_y_of(logits, labels)) + 4 * (1 - p_y_of(logits, labels))
    assert loss_of("sce")(logits, labels).numpy() == pytest.approx(paper, rel=1e-12)


def test_normalised_cross_entropy_sums_to_one_over_the_labels(batch):
    """What makes it robust: summed over every label that might be given, nothing is left of the output."""
    logits, labels = batch

    def summed(**factors):
        every = (torch.full_like(labels, label) for label in range(K))
        return sum(loss_of("nce+mae", **factors)(logits, label) for label in every).numpy()

    assert summed(alpha=1.0, beta=0.0) == pytest.approx(np.ones(len(labels)), rel=1e-12)
    assert summed(alpha=0.0, beta=1.0) == pytest.approx(np.full(len(labels), K - 1), rel=1e-12)
    log_p = log_softmax(logits.numpy(), axis=1)
    nce = log_p[np.arange(len(labels)), labels.numpy()] / log_p.sum(1)
    value = loss_of("nce+mae")(logits, labels).numpy()
    assert value == pytest.approx(nce + 1 - p_y_of(logits, labels), rel=1e-12)


def test_partially_huberised_cross_entropy_is_continued_by_its_tangent(batch):
    logits, labels = batch
    p = p_y_of(logits, labels)
    value = loss_of("phuber_ce", tau=2.0)(logits, labels).numpy()
    assert (p < 0.5).any()
    assert (p > 0.5).any()
    assert value[p > 0.5] == pytest.approx(-np.log(p[p > 0.5]), rel=1e-12)
    assert value[p < 0.5] == pytest.approx(np.log(2) + 1 - 2 * p[p < 0.5], rel=1e-12)
    assert value.max() < np.log(2) + 1
    assert loss_of("phuber_ce", tau=1e9)(logits, labels).numpy() == pytest.approx(-np.log(p), rel=1e-9)


def test_focal_loss_and_its_limit(batch):
    logits, labels = batch
    p = p_y_of(logits, labels)
    assert loss_of("focal")(logits, labels).numpy() == pytest.approx(-((1 - p) ** 2) * np.log(p), rel=1e-9)
    assert loss_of("focal", gamma=0.0)(logits, labels).numpy() == pytest.approx(-np.log(p), rel=1e-12)


def test_squentropy_by_its_definition(batch):
    logits, labels = batch
    wrong = [np.mean(np.delete(row, label) ** 2) for row, label in zip(logits.numpy(), labels.numpy(), strict=True)]
    expected = -np.log(p_y_of(logits, labels)) + wrong
    assert loss_of("squentropy")(logits, labels).numpy() == pytest.approx(expected, rel=1e-12)


def test_smooth_l1_is_huber_over_beta(batch):
    logits, labels = batch
    huber = loss_of("huber", delta=0.3)(logits, labels).numpy()
    assert loss_of("smooth_l1", beta=0.3)(logits, labels).numpy() == pytest.approx(huber / 0.3, rel=1e-12)


@pytest.mark.parametrize("name", OWN)
def test_values_and_gradients_stay_finite_at_certainty(name):
    """Probabilities that round to 0 and 1, right and wrong."""
    logits = torch.zeros(2, K)
    logits[:, 0] = 200.0
    logits.requires_grad_()
    options = [{}, {"gamma": 0.5}] if name == "focal" else [{}]
    for parameters in options:
        values = loss_of(name, **parameters)(logits, torch.tensor([0, 1]))
        (gradient,) = torch.autograd.grad(values.sum(), logits)
        assert values.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("of", [{}, {"form": "plain"}, {"input": "probabilities"}, {"label_smoothing": 0.1}])
def test_float32_loses_no_digits(name, of):
    """True, one wrong and all other logits from a grid up to ±10,000: values and gradients are those of float64.

    What is allowed is the rounding of a few operations, of a value of its own size or of a probability.
    """
    if not of.keys() <= loss_specs()[name].parameters.model_fields.keys():
        pytest.skip("not a parameter of this loss")
    sizes = torch.tensor([0.0, 1e-3, 0.1, 0.9, 1.0, 3.0, 10.0, 40.0, 100.0, 1e3, 1e4])
    grid = torch.cartesian_prod(*[torch.cat([-sizes.flip(0), sizes])] * 3)
    rows = torch.cat([grid, grid[:, 2:].expand(-1, K - 3)], dim=1)
    labels, found = torch.zeros(len(rows), dtype=torch.int64), {}
    for precision in (torch.float32, torch.float64):
        logits = rows.to(precision).requires_grad_()
        values = loss_of(name, **of)(logits, labels)
        (gradient,) = torch.autograd.grad(values.sum(), logits)
        found[precision] = torch.cat([values[:, None], gradient], dim=1).detach().double()
    exact = found[torch.float64]
    wrong = (found[torch.float32] - exact).abs() / exact.abs().clamp(min=1)
    assert float(wrong.max()) < 16 * torch.finfo(torch.float32).eps, rows[wrong.amax(1).argmax()].tolist()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (torch.zeros(4, K), torch.zeros(3, dtype=torch.int64), r"labels must be int64 \[4\].*\[3\]"),
        (torch.zeros(4, K), torch.zeros(4, 1, dtype=torch.int64), r"labels must be int64 \[4\].*\[4, 1\]"),
        (torch.zeros(4, K), torch.zeros(4), r"labels must be int64.*float32"),
        (torch.zeros(4, K - 1), torch.zeros(4, dtype=torch.int64), rf"logits must be float \[batch, {K}\]"),
        (torch.zeros(K), torch.zeros(1, dtype=torch.int64), r"logits must be float"),
        (torch.zeros(4, K, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), r"logits must be float"),
        (torch.zeros(2, K), torch.tensor([0, K]), rf"labels must be from 0 to {K - 1} \(got 0 to {K}\)"),
        (torch.zeros(2, K), torch.tensor([-100, 1]), r"got -100 to 1"),
    ],
)
def test_wrong_shapes_and_labels_raise(name, logits, labels, says):
    with pytest.raises(ValueError, match=says):
        loss_of(name)(logits, labels)


def test_class_weights_of_another_number_of_classes():
    with pytest.raises(ConfigError, match=r"loss\.class_weights: 2 weights for 6 classes"):
        loss_of("ce", class_weights=(1.0, 2.0))


def test_every_own_loss_has_a_rate_for_every_optimizer():
    for name in OWN:
        for form in ("recipe", "plain"):
            for optimizer in ("sgd", "adam", "adamw"):
                settings = [f"loss={{name: {name}, form: {form}}}", f"optimizer={optimizer}"]
                assert load_config(None, [parse_set(text) for text in settings]).config.optimizer.lr > 0


# Numbers as targets


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_gradients_of_losses_of_numbers_against_finite_differences(name):
    generator = torch.Generator().manual_seed(2)
    outputs, targets = 3 * torch.randn(2, 16, 2, generator=generator, dtype=torch.float64)
    loss = loss_of_numbers(name, columns=2)
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), outputs.clone().requires_grad_())


@pytest.mark.parametrize(
    ("name", "parameters", "closed_form"),
    [
        ("mse", {}, lambda r: r**2),
        ("l1", {}, np.abs),
        ("huber", {"delta": 0.5}, lambda r: np.where(np.abs(r) <= 0.5, r**2 / 2, 0.5 * (np.abs(r) - 0.25))),
        ("smooth_l1", {"beta": 0.5}, lambda r: np.where(np.abs(r) < 0.5, r**2, np.abs(r) - 0.25)),
        ("log_cosh", {}, lambda r: np.log(np.cosh(r))),
        ("quantile", {"tau": 0.9}, lambda r: np.where(r < 0, -0.9 * r, 0.1 * r)),
        ("cauchy", {"c": 2.0}, lambda r: 2 * np.log1p((r / 2) ** 2)),
    ],
)
def test_losses_of_numbers_by_their_formulas(name, parameters, closed_form):
    residuals = np.linspace(-3, 3, 31)
    outputs, targets = torch.from_numpy(residuals + 7)[:, None], torch.full((31, 1), 7.0, dtype=torch.float64)
    assert loss_of_numbers(name, **parameters)(outputs, targets).numpy() == pytest.approx(closed_form(residuals))
    both = loss_of_numbers(name, columns=2, **parameters)(outputs.repeat(1, 2) * 1, targets.repeat(1, 2))
    assert both.numpy() == pytest.approx(closed_form(residuals))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_huge_residuals_stay_finite(name):
    outputs = torch.tensor([[1e15], [-1e15], [0.0]], requires_grad=True)
    values = loss_of_numbers(name)(outputs, torch.zeros(3, 1))
    values.sum().backward()
    assert values.isfinite().all()
    assert outputs.grad.isfinite().all()
    assert values[2] == 0


def test_the_gradient_of_cauchy_is_largest_at_c():
    outputs = torch.linspace(0.01, 20, 2000, dtype=torch.float64)[:, None].clone().requires_grad_()
    loss_of_numbers("cauchy", c=3.0)(outputs, torch.zeros(2000, 1, dtype=torch.float64)).sum().backward()
    assert float(outputs.detach()[outputs.grad.argmax()]) == pytest.approx(3, abs=0.02)


def test_the_minimum_of_the_quantile_loss_is_the_quantile():
    generator = torch.Generator().manual_seed(4)
    targets = torch.randn(1001, 1, generator=generator, dtype=torch.float64).exp()
    places = targets.sort(0).values
    loss = loss_of_numbers("quantile", tau=0.9)
    values = [float(loss(place.expand(1001, 1), targets).mean()) for place in places]
    assert float(places[int(np.argmin(values))]) == pytest.approx(float(np.quantile(targets.numpy(), 0.9)), rel=1e-9)


def test_a_loss_of_numbers_is_of_scaled_targets():
    task = Numbers(names=("a", "b"), location=(10.0, 0.0), scale=(2.0, 4.0))
    loss = build_loss(loss_specs()["l1"].parameters(name="l1"), task)
    assert loss(torch.tensor([[1.0, 1.0]]), torch.tensor([[14.0, 0.0]])).tolist() == [1.0]


def test_a_loss_from_python_by_the_kind_of_targets():
    outputs = torch.tensor([[1.0], [4.0]])
    assert losses.get("huber", delta=2)(outputs, torch.tensor([[0.0], [0.0]])).tolist() == [0.5, 6.0]
    assert losses.get("mse")(outputs, torch.tensor([0, 0])).tolist() == [0.0, 9.0]
    with pytest.raises(UsageError, match="ce is a loss for classes"):
        losses.get("ce")(outputs, torch.zeros(2, 1))
    with pytest.raises(UsageError, match="cauchy is a loss for numbers"):
        losses.get("cauchy")(outputs, torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="a number per output"):
        losses.get("l1")(outputs, torch.zeros(2))
