"""The figures of a `gpu-check.json` as the tables of docs/performance.md."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

NOT_MEASURED = "not measured"
BATCHES = (64, 128, 512)
WAYS = {
    "bare": "the bare step on one fixed batch, captured",
    "loop": "Tudui's loop",
    "logged": "the same with record and TensorBoard",
    "eager": "Tudui's loop without capture",
    "plain": "a loop by hand, images on the GPU",
}
QUOTIENTS = {("loop", "plain"): "8 at 64", ("loop", "eager"): "", ("loop", "bare"): "", ("logged", "bare"): ""}
CIFAR_STEPS = 382  # in an epoch of the 49,000 training images, at batch size 128


class Figures:
    """What was measured; a figure that is not there raises LookupError or TypeError."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.parts = {name: part["figures"] for name, part in content.get("parts", {}).items()}
        self.checks = {name: part["checks"] for name, part in content.get("parts", {}).items()}
        # on a CPU the parts show that they work, and nothing of a GPU
        self.card = self.parts.get("machine", {}).get("card")

    def rate(self, batch: int, way: str) -> float:
        """Return the median images per second."""
        return statistics.median(self.parts["speed"][f"batch_{batch}"]["images_per_second"][way])

    def floors(self, batch: int) -> dict[str, float]:
        """Return the seconds that no step can pass: by the rate of arithmetic, and by that of memory."""
        machine, step = self.parts["machine"], self.parts["machine"]["step"]
        moved = step["bytes_per_image"] * batch + step["bytes_per_step"]
        return {
            "arithmetic": step["operations_per_image"] * batch / machine["operations_per_second"]["bf16"],
            "memory": moved / machine["bytes_per_second"],
        }

    def whole(self, config: str, key: str) -> float:
        """Return the median over the runs of a shipped config."""
        return statistics.median(run[key] for run in self.parts["whole"][config])

    def lockstep(self, which: str, key: str = "seconds") -> float:
        """Return the median seconds of `one` run, or of those `together`."""
        return statistics.median(found[key] for found in self.parts["lockstep"][which])

    def one_after_another(self) -> float:
        """Return the seconds of the runs one after another; if the part was cut, at the pace of those it did."""
        found = self.parts["lockstep"]["one_after_another"]
        return found["seconds"] / found["runs"] * self.parts["lockstep"]["number"]

    def to_target(self) -> list[float]:
        """Return the seconds of every run that came to 70 %."""
        return [s for run in self.parts["target"]["runs"] if (s := run["seconds_to_target"]) is not None]


def tables(content: dict[str, Any]) -> str:
    """Return two Markdown tables; what is missing is not measured, and nothing is if there was no GPU."""
    figures = Figures(content)

    def cell(text: Callable[[Figures], str]) -> str:
        try:
            return text(figures) if figures.card else NOT_MEASURED
        except (LookupError, TypeError, ValueError, ZeroDivisionError):  # a part was cut, or left out
            return NOT_MEASURED

    def markdown(*rows: Sequence[str]) -> str:
        head, *others = rows
        return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *others])

    by_batch = [[words, aim, *map(cell, texts)] for words, aim, texts in figures_by_batch()]
    single = [[words, aim, cell(text)] for words, aim, text in single_figures()]
    card = figures.card or NOT_MEASURED
    return "\n\n".join(
        [
            f"Card: {card}",
            markdown(["by batch size", "aim", *map(str, BATCHES)], *by_batch),
            markdown(["figure", "aim", "measured"], *single),
        ]
    )


def figures_by_batch() -> list[tuple[str, str, list[Callable[[Figures], str]]]]:
    """Return words, aim and one figure for each batch size."""

    def each(text: Callable[[Figures, int], str]) -> list[Callable[[Figures], str]]:
        return [lambda f, batch=batch: text(f, batch) for batch in BATCHES]

    def speed(way: str) -> Callable[[Figures, int], str]:
        return lambda f, batch: (
            f"{f.rate(batch, way):,.0f} ({batch / f.rate(batch, way) / max(f.floors(batch).values()):.1f})"
        )

    def quotient(above: str, below: str) -> Callable[[Figures, int], str]:
        return lambda f, batch: f"{f.rate(batch, above) / f.rate(batch, below):.2f}"

    def limit(f: Figures, batch: int) -> str:
        floors = f.floors(batch)
        what = max(floors, key=floors.__getitem__)
        return f"{batch / floors[what]:,.0f} ({what})"

    def peak(f: Figures, batch: int) -> str:
        return megabytes(f.parts["speed"][f"batch_{batch}"]["peak_bytes"]["loop"])

    def busy(f: Figures, batch: int) -> str:
        return f"{100 * f.parts['profile'][f'batch_{batch}']['busy']:.0f} %"

    return [
        ("the limit, images/s (what sets it)", "", each(limit)),
        *((f"{words}, images/s (times the limit's seconds)", "", each(speed(way))) for way, words in WAYS.items()),
        *((f"{above} / {below}", aim, each(quotient(above, below))) for (above, below), aim in QUOTIENTS.items()),
        ("peak memory of the loop, its data left out", "", each(peak)),
        ("GPU busy in the loop", "", each(busy)),
    ]


def single_figures() -> list[tuple[str, str, Callable[[Figures], str]]]:
    """Return words, aim and figure."""

    def whole(config: str, key: str, form: str, scale: float = 1) -> Callable[[Figures], str]:
        return lambda f: form.format(scale * f.whole(config, key))

    def to_the_limit(config: str, epochs: int) -> Callable[[Figures], str]:
        floor = epochs * CIFAR_STEPS
        return lambda f: f"{f.whole(config, 'seconds_in_loop') / (floor * max(f.floors(128).values())):.1f}"

    def right(part: str, check: str) -> Callable[[Figures], str]:
        return lambda f: "yes" if f.checks[part][check] else "**no**"

    runs = [
        row
        for config, epochs, aim in (("cifar10", 6, ""), ("cifar10-long", 20, "3 s"))
        for row in (
            (f"`{config}`, {epochs} epochs, in the loop", aim, whole(config, "seconds_in_loop", "{:.2f} s")),
            ("times the limit's seconds", "", to_the_limit(config, epochs)),
            ("from the command to its end", "", whole(config, "wall_seconds", "{:.1f} s")),
            ("test accuracy", "", whole(config, "accuracy", "{:.1f} %", scale=100)),
            ("highest memory in use on the card", "", whole(config, "highest_mib", "{:,.0f} MiB")),
            ("highest use that `nvidia-smi` saw", "", whole(config, "highest_use_percent", "{:.0f} %")),
        )
    ]
    return [
        *runs,
        ("70 % test accuracy by `cifar10`, in the loop, fastest run", "1 s", lambda f: f"{min(f.to_target()):.2f} s"),
        ("the slowest of 3 runs", "", lambda f: f"{max(f.to_target()):.2f} s"),
        ("one run of 6 epochs", "", lambda f: f"{f.lockstep('one'):.2f} s"),
        ("4 losses x 5 seeds in lockstep", "", lambda f: f"{f.lockstep('together'):.2f} s"),
        ("lockstep / one run", "2", lambda f: f"{f.lockstep('together') / f.lockstep('one'):.2f}"),
        (
            "the same without the first epoch, which captures", "",
            lambda f: f"{f.lockstep('together', 'after_first_epoch') / f.lockstep('one', 'after_first_epoch'):.2f}",
        ),
        ("the 20 runs one after another", "", lambda f: f"{f.one_after_another():.1f} s"),
        ("one after another / lockstep", "", lambda f: f"{f.one_after_another() / f.lockstep('together'):.1f}"),
        ("peak memory in lockstep, the data left out", "", lambda f: megabytes(f.parts["lockstep"]["peak_bytes"])),
        ("tests that need a GPU and pass", "all", lambda f: "{passed} of {tests}".format_map(f.parts["tests"])),
        ("`deterministic: true` twice, equal bit for bit", "yes", right("exact", "deterministic_runs_are_equal")),
        ("killed and resumed, equal bit for bit", "yes", right("exact", "resumed_run_is_equal")),
        (
            "first loss in fp32 on CPU and GPU, apart", "0.1 %",
            lambda f: f"{100 * f.parts['rounding']['first_loss_apart']:.4f} %",
        ),
        (
            "test accuracy of these runs, apart", "1.5 points",
            lambda f: f"{f.parts['rounding']['accuracy_points_apart']:.1f} points",
        ),
        ("a full memory is reported in one line", "yes", right("full_memory", "one_line_says_so")),
    ]  # fmt: skip


def megabytes(size: int) -> str:
    """Return bytes as they are written in the tables."""
    return f"{size / 1e6:,.0f} MB"
