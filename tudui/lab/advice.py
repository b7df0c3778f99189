"""Which loss for which task, with the reason: the table behind `tudui loss choose` and docs/which-loss.md. No torch."""

from dataclasses import dataclass

from tudui.config.data_sets import TaskKind
from tudui.language import say

# Shares at which the advice changes: below 20 % wrong labels there is no figure of the losses that tolerate them, and
# from a quarter of outliers on, the scale of Huber's delta contains them (docs/results.md).
MANY_WRONG, MANY_OUTLIERS = 0.2, 0.25
RESULTS = "docs/results.md"
WORDS = {
    "few wrong labels": f"wrong labels < {100 * MANY_WRONG:g} %",
    "wrong labels": f"wrong labels ≥ {100 * MANY_WRONG:g} %",
    "imbalance": "unequal classes",
    "probabilities": "probabilities",
    "outliers": f"outliers < {100 * MANY_OUTLIERS:g} %",
    "many outliers": f"outliers ≥ {100 * MANY_OUTLIERS:g} %",
}


@dataclass(frozen=True)
class Choice:
    """A loss as `--losses` takes it, why, and the page or paper that shows it."""

    loss: str
    why: str
    source: str


@dataclass(frozen=True)
class Advice:
    """The losses for a task that has these needs: the recommended one first, then its alternatives."""

    task: TaskKind
    needs: tuple[str, ...]
    choices: tuple[Choice, ...]
    weak: str  # goes on after "Not good for"

    @property
    def title(self) -> str:
        """The task in words."""
        needs = " + ".join(say(WORDS[need]) for need in self.needs)
        return say("{name}: {text}", name=say(self.task), text=needs) if needs else say(self.task)

    @property
    def losses(self) -> tuple[str, ...]:
        """What to compare: the usual loss, which is the baseline, and those of the advice."""
        usual = "ce" if self.task == "classes" else "mse"
        return (usual, *(choice.loss for choice in self.choices if choice.loss != usual))


SCE = Choice(
    "sce",
    "Better than ce, all rates tuned: on CIFAR-10 by 3.5 points (+3.2 to +3.8) with 40 % wrong labels and by 4.2 "
    "(+3.9 to +4.6) with 60 %, on digits by 2.7 (+1.1 to +4.4) with 40 %.",
    f"{RESULTS}; Wang et al. 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels",
)
GCE = Choice(
    "gce",
    "Better than ce on CIFAR-10 with 60 % wrong labels, by 4.4 points (+3.7 to +5.2). With 40 % it is not "
    "distinguishable from ce: +1.6 (−0.1 to +3.2), on digits −1.1 (−2.5 to +0.3).",
    f"{RESULTS}; Zhang, Sabuncu 2018, Generalized Cross Entropy Loss",
)
SLOW_CE = Choice(
    "ce",
    "With a lower rate: on CIFAR-10 its best rate is 0.02 with 40 and 60 % wrong labels, and 0.1 with right ones. "
    "--lr tuned finds it.",
    RESULTS,
)
BALANCED = Choice(
    "ce:class_weights=balanced",
    "Every class has the same influence. On digits with few images in half of the classes: 93.4 %, and ce 91.5 %; "
    "+1.9 points (−1.4 to +5.1), not distinguishable.",
    f"{RESULTS}; King, Zeng 2001, Logistic Regression in Rare Events Data",
)
FOCAL = Choice(
    "focal",
    "Less weight on images that are right already. In the same runs 92.9 %: +1.4 points (−0.5 to +3.2), not "
    "distinguishable.",
    f"{RESULTS}; Lin et al. 2017, Focal Loss for Dense Object Detection",
)

ADVICE: tuple[Advice, ...] = (  # the first one for the task whose needs are all there is given
    Advice(
        "classes",
        ("wrong labels", "probabilities"),
        (
            Choice(
                "sce",
                "On digits with 40 % wrong labels, all rates tuned, its NLL on right test labels is 0.10 nats, and "
                "that of ce 0.69. It is better in accuracy too, by 2.7 points (+1.1 to +4.4).",
                SCE.source,
            ),
            Choice(
                "gce",
                "0.29 nats in the same runs: better than ce by NLL, not distinguishable by accuracy.",
                GCE.source,
            ),
        ),
        "right labels: there sce is 1.9 points below ce on CIFAR-10 (−2.6 to −1.2). Label smoothing does not help: its "
        "NLL of 0.77 nats is worse than that of ce. Check the labels of the test images by hand: wrong ones change NLL "
        "most.",
    ),
    Advice(
        "classes",
        ("wrong labels", "imbalance"),
        (SCE, BALANCED, SLOW_CE),
        "small classes: look at the balanced accuracy. Class weights also multiply the wrong labels in small classes. "
        "The two together were measured neither by us nor in these papers.",
    ),
    Advice(
        "classes",
        ("wrong labels",),
        (SCE, GCE, SLOW_CE),
        "right labels: there sce is 1.9 points below ce on CIFAR-10 (−2.6 to −1.2), and gce 4.3 (worse). No loss here "
        "notices labels that are wrong by a rule, for example if every 3 is labelled 8.",
    ),
    Advice(
        "classes",
        ("imbalance", "probabilities"),
        (
            Choice(
                "ce",
                "Without class weights, which change probabilities on purpose. Set your own threshold for a small "
                "class instead of taking the largest probability.",
                "Elkan 2001, The Foundations of Cost-Sensitive Learning",
            ),
            Choice(
                "focal",
                "On digits with few images in half of the classes, its NLL is 0.23 nats, and that of ce 0.42; −0.19 "
                "(−0.35 to −0.03), just not distinguishable after correction.",
                f"{RESULTS}; Mukhoti et al. 2020, Calibrating Deep Neural Networks Using Focal Loss",
            ),
            BALANCED,
        ),
        "the accuracy of small classes: look at the balanced accuracy.",
    ),
    Advice(
        "classes",
        ("imbalance",),
        (
            BALANCED,
            FOCAL,
            Choice(
                "ce",
                "The longer a network trains, the less class weights change.",
                "Byrd, Lipton 2019, What is the Effect of Importance Weighting in Deep Learning?",
            ),
        ),
        "probabilities, because weights change them on purpose. And wrong labels, which are multiplied in small "
        "classes. More images of the small classes are better than any loss.",
    ),
    Advice(
        "classes",
        ("probabilities",),
        (
            Choice(
                "ce",
                "Its optimum is the true probability of each class, and on digits no loss was better: NLL 0.06 nats, "
                "calibration error (ECE) 1.1 points.",
                f"{RESULTS}; Gneiting, Raftery 2007, Strictly Proper Scoring Rules",
            ),
            Choice(
                "focal",
                "On digits −0.01 nats (−0.03 to +0.02), not distinguishable. Published: better calibrated than ce "
                "after long training.",
                f"{RESULTS}; Mukhoti et al. 2020, Calibrating Deep Neural Networks Using Focal Loss",
            ),
            Choice(
                "squentropy",
                "On digits +0.02 nats (−0.03 to +0.06), not distinguishable. Published: better calibrated than ce.",
                f"{RESULTS}; Hui, Belkin, Wright 2023, Cut your Losses with Squentropy",
            ),
        ),
        "long training: then its probabilities are too high (Guo et al. 2017, On Calibration of Modern Neural "
        "Networks). Do not use mse, l1 or huber here: on digits mse has an NLL of 1.52 nats.",
    ),
    Advice(
        "classes",
        ("few wrong labels",),
        (
            Choice(
                "ce",
                "Below 20 % wrong labels there is neither a figure of ours nor one in these papers. A lower rate may "
                "be enough, so tune it.",
                RESULTS,
            ),
            SCE,
            GCE,
        ),
        "more wrong labels than you think.",
    ),
    Advice(
        "classes",
        (),
        (
            Choice(
                "ce",
                "No loss that we measured is better with right labels: 70.3 % on CIFAR-10, 98.89 % on digits. Its "
                "outputs are probabilities.",
                RESULTS,
            ),
            Choice(
                "mse",
                "Not distinguishable from ce: +0.56 points (−0.49 to +1.60) on digits, −0.9 (−1.9 to +0.2) on CIFAR-10."
                " Its outputs are not probabilities.",
                f"{RESULTS}; Hui, Belkin 2020, Evaluation of Neural Architectures Trained with Square Loss",
            ),
            Choice(
                "huber",
                "Not distinguishable from ce: +0.72 points (−0.14 to +1.59) on digits, −0.5 (−2.3 to +1.4) on "
                "CIFAR-10.",
                RESULTS,
            ),
        ),
        "many wrong labels, and probabilities after long training, which are too high (Guo et al. 2017).",
    ),
    Advice(
        "numbers",
        ("many outliers",),
        (
            Choice(
                "l1",
                "With 30 % outliers its error is 4.9 degrees on rotated-digits, and that of mse 65.8; on diabetes 61.3 "
                "and 186.6.",
                RESULTS,
            ),
            Choice(
                "huber:delta=0.1",
                "With a delta of 0.1 instead of 1: 9.5 degrees with 30 % outliers, where l1 has 5.1 in the same runs.",
                RESULTS,
            ),
        ),
        "the mean: it predicts the median, so sums of predictions are wrong if targets are skewed. The usual huber, "
        "with a delta of 1, does not help: 63.4 degrees, because its scale grows with the outliers.",
    ),
    Advice(
        "numbers",
        ("outliers",),
        (
            Choice(
                "l1",
                "With 10 % outliers its error is 2.7 degrees on rotated-digits, and that of mse 25.7; with 20 % 3.3 "
                "and 43.6. It is better than mse in each of these comparisons.",
                RESULTS,
            ),
            Choice("huber", "Better than mse too, but less than l1: 6.8 degrees with 10 %, 15.4 with 20 %.", RESULTS),
            Choice(
                "cauchy",
                "With 20 % outliers and the network mlp: 49.3 on diabetes (l1 51.4), but 4.5 degrees on rotated-digits "
                "(l1 3.0).",
                "docs/numbers.md",
            ),
        ),
        "the mean: it predicts the median, so sums of predictions are wrong if targets are skewed. And wild inputs: it "
        "tolerates wild targets only.",
    ),
    Advice(
        "numbers",
        (),
        (
            Choice(
                "mse",
                "The usual choice if no target is wrong: it predicts the mean, so sums of predictions are right. By "
                "absolute error all three are close: on rotated-digits 2.8 degrees (l1 2.6, huber 3.1), on diabetes "
                "45.0 (44.5, 44.5).",
                RESULTS,
            ),
            Choice(
                "l1",
                "All errors count alike; by mean absolute error it is better on rotated-digits and equivalent on "
                "diabetes. Take it if there may be outliers that you do not know of.",
                RESULTS,
            ),
            Choice(
                "huber",
                "Between the two, and what Tudui takes if you name no loss: 3.1 degrees on rotated-digits.",
                RESULTS,
            ),
        ),
        "outliers: with 10 % of them its error on rotated-digits is 25.7 degrees, and that of l1 2.7.",
    ),
)  # fmt: skip
