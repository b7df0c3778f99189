"""The statistics of a comparison, against scipy, least squares, definitions and simulations."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from experiments.simulate_verdicts import LOOKS, SETTINGS, any_wrong, draw, significant, simulate, until_decided
from tests.conftest import ROOT
from tudui.comparison.looks import p_over_looks, threshold
from tudui.comparison.power import needed, seeds_to_see
from tudui.comparison.statistics import (
    holm,
    mean_squares,
    p_value,
    pair,
    summary,
    t_quantile,
    variance_parts,
)
from tudui.comparison.verdict import verdict
from tudui.tasks.classes import ACCURACY, NLL


def outcomes(seeds, images=359, setting="usual", seed=0):
    return draw(SETTINGS[setting], 2, seeds, images, np.random.default_rng(seed))


def constant_pair(seeds, images=200, gain=4):
    """A variant that is right on `gain` images more in every seed, each time on others."""
    baseline = np.zeros((seeds, images), bool)
    variant = baseline.copy()
    for row in range(seeds):
        baseline[row, row] = True
        variant[row, 10 * (row + 1) : 10 * (row + 1) + gain + 1] = True
    return baseline, variant


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_t_test_and_seeds_only_intervals_are_scipys(seeds):
    baseline, variant = outcomes(seeds, seed=1)
    found = pair(baseline, variant, ACCURACY)
    theirs = stats.ttest_rel(variant.mean(axis=1), baseline.mean(axis=1))
    assert found.p >= theirs.pvalue * (1 - 1e-12)
    assert found.interval_seeds_only == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.difference == pytest.approx(variant.mean() - baseline.mean())
    assert found.sd == pytest.approx((variant.mean(axis=1) - baseline.mean(axis=1)).std(ddof=1))
    assert (found.n, found.identical) == (seeds, False)

    means = baseline.mean(axis=1)
    described = summary(baseline, ACCURACY)
    interval = stats.t.interval(0.95, seeds - 1, loc=means.mean(), scale=stats.sem(means))
    assert described.interval_seeds_only == pytest.approx(interval)
    assert (described.mean, described.sd, described.n) == pytest.approx((means.mean(), means.std(ddof=1), seeds))


@settings(max_examples=50, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(2, 5), st.integers(2, 7)), elements=st.integers(-1, 1)))
def test_mean_squares_are_those_of_least_squares(values):
    seeds, images = values.shape
    rows, columns = (effect.ravel() for effect in np.indices(values.shape))
    of_seeds, of_images, one = np.eye(seeds)[rows], np.eye(images)[columns], np.ones((values.size, 1))

    def left(*design):
        matrix = np.hstack(design)
        return np.square(values.ravel() - matrix @ np.linalg.lstsq(matrix, values.ravel(), rcond=None)[0]).sum()

    whole = left(one, of_seeds, of_images)
    assert mean_squares(values.astype(float)) == pytest.approx(mean_squares(values), rel=1e-12, abs=1e-14)
    assert mean_squares(values / 3) == pytest.approx([square / 9 for square in mean_squares(values)], abs=1e-14)
    assert mean_squares(values) == pytest.approx(
        (
            (left(one, of_images) - whole) / (seeds - 1),
            (left(one, of_seeds) - whole) / (images - 1),
            whole / ((seeds - 1) * (images - 1)),
        ),
        abs=1e-9,
    )


def test_the_interval_by_hand():
    # Row means 1/4 and 1/2 and 1/4, column means 1, 1/3, 0, 0, mean 1/3.
    baseline = np.zeros((3, 4), bool)
    variant = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    of_seeds, of_images, rest = 1 / 12, 2 / 3, 1 / 12
    assert mean_squares(variant) == pytest.approx((of_seeds, of_images, rest))
    seed_part, image_part = of_seeds / 12, (of_images - rest) / 12
    assert variance_parts(variant) == pytest.approx((seed_part, image_part))
    half = (seed_part * 4.3026527 + image_part * 3.1824463) / math.sqrt(seed_part + image_part)
    assert pair(baseline, variant, ACCURACY).interval == pytest.approx((1 / 3 - half, 1 / 3 + half))


def real_values(seeds, samples=400, *, seed=0, difference=0.0):
    """Skewed like losses: baseline and variant of a true difference, and the truth of the baseline."""
    random = np.random.default_rng(seed)
    sample = random.exponential(0.4, samples)
    drawn = []
    for _ in range(2):
        unlike = sample + 0.1 * random.standard_normal(samples)
        chance = random.exponential(0.2, (seeds, samples))
        drawn.append(0.5 + unlike + 0.02 * random.standard_normal((seeds, 1)) + chance)
    return drawn[0], drawn[1] + difference, 1.1


@pytest.mark.parametrize("seeds", [2, 5])
def test_real_values_have_scipys_t_test_and_the_two_way_interval(seeds):
    baseline, variant, _ = real_values(seeds, difference=0.05)
    found = pair(baseline, variant, NLL)
    theirs = stats.ttest_rel(variant.mean(axis=1), baseline.mean(axis=1))
    assert found.p >= theirs.pvalue * (1 - 1e-12)
    assert found.interval_seeds_only == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.difference == pytest.approx(np.mean(variant - baseline))
    assert found.margin == pytest.approx(0.05 * baseline.mean())
    described = summary(baseline, NLL)
    of_seeds, of_samples, rest = mean_squares(baseline)
    seed_part, sample_part = of_seeds / baseline.size, max(of_samples - rest, 0) / baseline.size
    quantiles = stats.t.isf(0.025, [seeds - 1, baseline.shape[1] - 1])
    half = (seed_part * quantiles[0] + sample_part * quantiles[1]) / math.sqrt(seed_part + sample_part)
    half = max(half, quantiles[0] * math.sqrt(seed_part))
    assert described.interval == pytest.approx((described.mean - half, described.mean + half))
    assert described.values == pytest.approx(tuple(baseline.mean(axis=1)))


def test_real_values_that_are_whole_numbers_are_those():
    """The same outcomes as numbers with a point have the same statistics, but for the interval of a proportion."""
    baseline, variant = outcomes(8)
    whole, real = pair(baseline, variant, ACCURACY), pair(baseline * 1.0, variant * 1.0, ACCURACY)
    for name in ("difference", "sd", "interval", "interval_seeds_only", "p", "p_equivalent"):
        assert getattr(real, name) == pytest.approx(getattr(whole, name), rel=1e-9), name
    assert summary(baseline * 1.0, ACCURACY).interval == pytest.approx(summary(baseline, ACCURACY).interval)
    assert summary(baseline, replace(ACCURACY, proportion=False)).interval != summary(baseline, ACCURACY).interval


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_real_difference_that_is_the_same_everywhere_is_sure(kind):
    baseline = real_values(8)[0].astype(kind)
    found = pair(baseline, baseline + kind(0.1), NLL)
    assert found.difference == pytest.approx(0.1, abs=1e-6)
    assert found.interval == pytest.approx((0.1, 0.1), abs=1e-6)
    assert 0 < found.p < 1e-6
    assert pair(baseline, baseline.copy(), NLL).identical


def test_intervals_of_real_values_hold_the_truth():
    comparisons, held = 300, np.zeros(2)
    for seed in range(comparisons):
        baseline, variant, truth = real_values(4, 150, seed=seed, difference=0.03)
        low, high = pair(baseline, variant, NLL).interval
        below, above = summary(baseline, NLL).interval
        held += (low <= 0.03 <= high, below <= truth <= above)
    lowest = stats.binom.ppf(1e-3, comparisons, 0.95) / comparisons
    assert (held / comparisons >= lowest).all(), held / comparisons


def test_what_cannot_be_negative_counts_as_0():
    values = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]])  # the images' means are closer than by chance
    of_seeds, of_images, rest = mean_squares(values)
    assert of_images < rest
    assert of_seeds == 0
    luck = stats.chi2.ppf(0.05, 2) / 2  # equal counts do not show that seeds have no effect
    assert variance_parts(values) == pytest.approx((luck * rest / 12, 0.0))


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_an_accuracy_at_its_end_has_the_interval_of_the_images(accuracy):
    described = summary(np.full((3, 100), bool(accuracy)), ACCURACY)
    low, high = described.interval
    assert 0 <= low <= accuracy <= high <= 1
    assert high - low > 0.03  # "rule of three": 0 of 100 is compatible with 3 %
    assert described.interval_seeds_only is None


def test_an_accuracys_interval_is_wilsons_where_seeds_repeat_each_other():
    """Then the seeds are one: the interval is that of a binomial, up to t for normal and N - 1 for N."""
    one = np.arange(1000) < 985
    described = summary(np.vstack([one, one, one]), ACCURACY)
    theirs = stats.binomtest(985, 1000).proportion_ci(method="wilson")
    assert described.interval == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_an_accuracys_interval_ends_where_its_own_error_just_reaches_the_mean():
    correct, _ = outcomes(3, setting="digits")
    described = summary(correct, ACCURACY)
    low, high = pair(np.zeros_like(correct), correct, ACCURACY).interval
    error = (high - low) / 2
    for end in described.interval:
        scaled = error * math.sqrt(end * (1 - end) / (described.mean * (1 - described.mean)))
        assert abs(end - described.mean) == pytest.approx(scaled)


def test_identical_variants():
    baseline, _ = outcomes(7)
    found = pair(baseline, baseline.copy(), ACCURACY)
    assert found.identical
    assert (found.difference, found.p) == (0, 1)
    assert found.interval == found.interval_seeds_only == (0, 0)
    assert verdict(found, 1.0, 0.0, ACCURACY) == "identical"


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_differences_are_no_cliff(seeds):
    """One image more in one seed changes p a little, also if all seeds had the same difference before."""
    baseline, variant = constant_pair(seeds, gain=12)
    equal = pair(baseline, variant, ACCURACY)
    assert (equal.sd, equal.interval_seeds_only) == (0, None)
    variant[0, np.flatnonzero(~variant[0] & ~baseline[0])[0]] = True
    assert pair(baseline, variant, ACCURACY).p == pytest.approx(equal.p, rel=0.3)


def test_one_seed_gives_no_verdict():
    baseline, variant = outcomes(1)
    found, described = pair(baseline, variant, ACCURACY), summary(baseline, ACCURACY)
    assert (described.n, described.sd, described.interval, described.interval_seeds_only) == (1, None, None, None)
    assert (found.sd, found.interval, found.interval_seeds_only, found.p, found.p_equivalent) == (None,) * 5
    assert verdict(found, None, None, ACCURACY) == verdict(None, None, None, ACCURACY) == "no_verdict"
    assert verdict(pair(baseline, baseline, ACCURACY), None, None, ACCURACY) == "identical"


OUTCOMES = st.tuples(st.integers(1, 8), st.integers(2, 6)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@settings(max_examples=100, deadline=None)
@given(OUTCOMES)
def test_every_comparison_has_numbers(both):
    """Neither NaN nor a p of 0, nor an interval that leaves its estimate out, nor a name that changes the outcome."""
    baseline, variant = both
    found, mirrored = pair(baseline, variant, ACCURACY), pair(variant, baseline, ACCURACY)
    numbers = [found.difference, found.sd, found.p, found.p_equivalent, *(found.interval or ())]
    assert all(math.isfinite(number) for number in numbers if number is not None)
    assert (found.p is None) == (found.interval is None) == (found.n == 1)
    if found.n > 1:
        assert 0 < found.p <= 1
        low, high = found.interval
        assert low <= found.difference <= high
        if found.interval_seeds_only:
            assert high - low >= (found.interval_seeds_only[1] - found.interval_seeds_only[0]) * (1 - 1e-12)
        assert mirrored.interval == pytest.approx((-high, -low))
    assert mirrored.p == (None if found.p is None else pytest.approx(found.p))
    described = summary(variant, ACCURACY)
    if described.interval:
        assert 0 <= described.interval[0] <= described.mean <= described.interval[1] <= 1


def test_holm_by_hand():
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([None]) == [None]
    assert holm([]) == []


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(0, 1), max_size=5))
def test_holm_by_definition(p_values):
    """At every level it rejects as Holm does: smallest first, each at level / (number not yet rejected)."""
    corrected = holm(p_values)
    existing = [p for p in p_values if p is not None]
    assert [p is None for p in corrected] == [p is None for p in p_values]
    for level in (0.01, 0.05, 0.3, 0.9):
        rejected = 0
        for p in sorted(existing):
            if p * (len(existing) - rejected) > level:
                break
            rejected += 1
        assert sum(p is not None and p <= level for p in corrected) == rejected
    pairs = [(p, q) for p, q in zip(p_values, corrected, strict=True) if p is not None]
    assert all(p <= q <= 1 for p, q in pairs)
    assert all(q <= s for (p, q), (r, s) in permutations(pairs, 2) if p <= r)  # monotone


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 6), st.sampled_from([2, 3, 5, 10]), st.sampled_from([50, 10_000])
)
def test_p_is_that_of_the_interval_which_touches_0(seed_part, sample_part, distance, seeds, samples):
    error = math.sqrt(seed_part + sample_part)
    p = float(p_value(distance * error, seed_part, sample_part, seeds, samples))
    assert 0 < p <= 1
    if min(seed_part, sample_part) > 1e-6 and 1e-12 < p < 0.999:
        assert t_quantile(seed_part, sample_part, seeds, samples, p) == pytest.approx(distance, rel=1e-6)


def test_p_without_a_part_is_that_of_a_t_test():
    for share, freedom in ((1, 4), (0, 99)):
        found = p_value([0.5, 2, 8], share, 1 - share, 5, 100)
        assert found == pytest.approx(2 * stats.t.sf([0.5, 2, 8], freedom), rel=1e-7)
    assert p_value([0, 1], 0, 0, 3, 10).tolist() == [1, 1e-300]


def test_equivalence_is_the_90_percent_interval_inside_the_margin():
    baseline, variant = outcomes(5, images=4_000, seed=2)
    found = pair(baseline, variant, ACCURACY)
    parts = found.variance_seeds, found.variance_samples
    half = t_quantile(*parts, 5, 4_000, 2 * 0.05) * math.sqrt(sum(parts))
    edge = abs(found.difference) + half
    assert pair(baseline, variant, ACCURACY, margin=edge * 1.001).p_equivalent < 0.05
    assert pair(baseline, variant, ACCURACY, margin=edge).p_equivalent == pytest.approx(0.05)
    assert pair(baseline, variant, ACCURACY, margin=edge * 0.999).p_equivalent > 0.05
    assert pair(baseline, variant, ACCURACY, margin=abs(found.difference) / 2).p_equivalent > 0.5


@pytest.mark.parametrize(
    ("difference", "ps", "flags", "said"),
    [
        (0.01, (0.049, 0.9), (), "better"),
        (-0.01, (0.049, 0.9), (), "worse"),
        (0.001, (0.049, 0.01), (), "better"),
        (0.01, (0.05, 0.05), (), "not_distinguishable"),
        (0.01, (0.05, 0.049), (), "equivalent"),
        (0.01, (0.01, 0.9), ("diverged",), "better"),  # also with the lost runs at chance
        (0.01, (0.9, 0.01), ("diverged",), "unstable"),
        (0.01, (0.01, 0.01), ("lost_class",), "unstable"),
    ],
)
def test_the_order_of_verdicts(difference, ps, flags, said):
    found = SimpleNamespace(identical=False, difference=difference, n=9)
    assert verdict(found, *ps, ACCURACY, flags) == said
    mirrored = {"better": "worse", "worse": "better"}
    assert verdict(found, *ps, NLL, flags) == mirrored.get(said, said)  # less is better
    found.n = 10
    assert verdict(found, *ps, ACCURACY, flags) == ("better" if "lost_class" in flags else said)


@pytest.mark.parametrize("sd", [0.004, 0.01, 0.03])
def test_seeds_needed_without_image_variance_are_the_paired_t_tests(sd):
    def power(n):
        critical = stats.t.ppf(0.975, n - 1)
        return 1 - stats.nct.cdf(critical, n - 1, 0.01 / (sd / math.sqrt(n)))

    seeds = seeds_to_see(0.01, sd**2, 0.0, 0.05)
    assert power(seeds) >= 0.8 > power(seeds - 1)


@pytest.mark.parametrize(("sd", "of_images"), [(0.01, 0.0), (0.01, 0.002), (0.006, 0.003), (0.02, 0.001)])
def test_seeds_needed_by_simulation(sd, of_images):
    random = np.random.default_rng(0)

    def seen(n, comparisons=40_000):
        """How often the interval around a normal difference of one point leaves 0 out."""
        seed_part = sd**2 * random.chisquare(n - 1, comparisons) / (n - 1) / n
        variance = seed_part + of_images**2
        difference = 0.01 + math.sqrt(sd**2 / n + of_images**2) * random.standard_normal(comparisons)
        quantile = (seed_part * stats.t.ppf(0.975, n - 1) + of_images**2 * stats.norm.ppf(0.975)) / variance
        return (difference > quantile * np.sqrt(variance)).mean()

    seeds = seeds_to_see(0.01, sd**2, of_images**2, 0.05)
    assert seen(seeds) > 0.79
    assert seen(math.floor(seeds * 0.85)) < 0.79


def test_where_only_more_images_would_help():
    enough = 0.01 / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))  # the error at which one point has 80 % power
    assert seeds_to_see(0.01, 0.005**2, (0.99 * enough) ** 2, 0.05) > 50
    assert seeds_to_see(0.01, 0.005**2, (1.01 * enough) ** 2, 0.05) is None
    (margin, _) = needed(pair(*outcomes(5, setting="unlike"), ACCURACY), 359, 0.05)
    assert (margin.difference, margin.seeds, margin.fewest, margin.most) == (0.01, None, None, None)
    per_image = pair(*outcomes(5, setting="unlike"), ACCURACY).variance_samples * 359
    assert math.sqrt(per_image / margin.samples) == pytest.approx(enough, rel=1e-3)


def test_what_is_needed_includes_the_correction_and_a_range():
    found = pair(*outcomes(5, images=10_000), ACCURACY)
    (one, observed), (corrected, _) = (list(needed(found, 10_000, alpha)) for alpha in (0.05, 0.05 / 7))
    assert one.seeds == seeds_to_see(0.01, found.sd**2, found.variance_samples, 0.05)
    assert one.fewest <= one.seeds < corrected.seeds < 30
    assert one.seeds < one.most
    assert observed.difference == abs(found.difference)


def test_the_simulations_truth_is_true():
    for setting in SETTINGS.values():
        for correct in draw(setting, 2, 200, 5_000, np.random.default_rng(1)):
            error = math.sqrt(sum(variance_parts(correct)))
            assert abs(correct.mean() - setting.accuracy) < 4 * error


@pytest.fixture(scope="module")
def drawn():
    """200 reports of 8 losses which differ much in the images that they have right, and are equally good."""
    return simulate(SETTINGS["unlike"], 200, 300, np.random.default_rng(0), variants=7, levels=2, seeds=LOOKS)


def at_most(share, reports):
    """Return the largest share of so many reports that agrees with a true share."""
    return stats.binom.ppf(0.999, reports, share) / reports


@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_contain_the_truth(seeds, drawn):
    p = drawn.p(seeds)[:, :, 0]
    assert (p >= 0.05).mean() >= 1 - at_most(0.05, p.size)
    assert drawn.accuracy[seeds] >= 1 - at_most(0.05, 200)


@pytest.mark.parametrize("seeds", [3, 10])
def test_false_verdicts_are_rare_in_a_whole_report(seeds, drawn):
    """And not without Holm's correction or, with more than a few seeds, without the part of the images."""
    assert any_wrong(drawn.p(seeds)) <= at_most(0.05, 200)
    assert (drawn.p(seeds) < 0.05).any(axis=(1, 2)).mean() > at_most(0.05, 200)
    if seeds == 10:
        difference, of_seeds, _ = drawn.parts[seeds]
        assert any_wrong(p_value(difference, of_seeds, 0.0, seeds, drawn.images)) > at_most(0.05, 200)


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_difference_of_the_margin_is_rarely_equivalent(seeds, drawn):
    assert any_wrong(drawn.p(seeds, shift=0.01, inside=True)) <= at_most(0.05, 200)


def test_looks_do_not_add_false_verdicts(drawn):
    looked = [tuple(drawn.p(look, inside=inside)[:, 0] for inside in (False, True)) for look in LOOKS]
    assert until_decided(looked)["any different"] <= at_most(0.05, 200)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("looks", [(3, 5, 7, 10), (3, 4)])
def test_looks_are_corrected_as_a_simulation_says(looks, sides):
    """Normal differences of the seeds; the threshold that the correction gives is crossed with its probability."""
    values = np.random.default_rng(1).standard_normal((200_000, looks[-1]))
    for alpha in (0.05, 0.05 / 7):
        at_look = threshold(alpha, looks, sides=sides) / sides
        crossed = np.zeros(len(values), bool)
        for look in looks:
            t = stats.ttest_1samp(values[:, :look], 0, axis=1).statistic
            crossed |= (np.abs(t) if sides == 2 else t) > stats.t.isf(at_look, look - 1)
        assert crossed.mean() == pytest.approx(alpha, abs=4 * math.sqrt(alpha / len(values)))


def test_p_over_looks_inverts_its_threshold():
    assert p_over_looks([1e-4, 0.2], (5,), sides=2).tolist() == [1e-4, 0.2]
    assert threshold(0.01, (5,), sides=2) == 0.01
    looks = (3, 5, 7, 10)
    assert p_over_looks(threshold(0.01, looks, sides=1), looks, sides=1) == pytest.approx(0.01)
    corrected = p_over_looks(np.logspace(-12, 0, 40), looks, sides=2)
    assert (np.diff(corrected) >= 0).all()
    assert corrected[-1] == 1


def test_a_stopped_comparison_keeps_its_verdict():
    """The p of later looks do not change it, and do not lower those of others."""
    early = np.array([[1e-6, 0.9]]), np.ones((1, 2))
    late = np.array([[0.9, 0.9]]), np.ones((1, 2))
    found = until_decided([early, late, late, late])
    assert (found["different"], found["seeds"]) == (0.5, 6.5)
    assert significant(np.array([[0.03, 0.03], [0.02, 0.04]])).tolist() == [[False, False], [True, True]]


def test_the_simulation_is_a_command(tmp_path):
    command = [
        sys.executable, ROOT / "experiments" / "simulate_verdicts.py", "--reports", "3", "--variants", "3",
        "--images", "50", "--out", tmp_path / "verdicts.json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "calm" in done.stdout
    tables = json.loads((tmp_path / "verdicts.json").read_text())["tables"]
    assert set(tables) == {"coverage", "errors", "equivalence", "power", "looks", "lost class"}
    assert [row["setting"] for row in tables["looks"]] == [name for name in SETTINGS for _ in range(2)]
    assert all(0 <= row["of a report"] <= 1 for row in tables["errors"])
    printed = next(line for line in done.stdout.splitlines() if "calm" in line).split("│")[1:-1]  # of the first table
    shares = [100 * share for share in list(tables["coverage"][0].values())[3:]]
    assert [float(cell) for cell in printed[3:]] == pytest.approx(shares, abs=0.05)
