"""A grid of problems: a comparison for each in a folder of its own, and what they say together."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

from tudui.comparison.compare import TENSORBOARD, check_data, digest_of, read_comparison, run_events, waiting_runs
from tudui.comparison.outcome import Comparison, pair_values
from tudui.comparison.over_problems import FEWEST_PROBLEMS, Tally, tallies
from tudui.comparison.pairs import pairs_of_problems
from tudui.config.again import PLAN, comparing
from tudui.config.own_code import OwnCode, own_object
from tudui.config.plan import Plan
from tudui.config.problems import Grid, grid_yaml, load_plans
from tudui.errors import Interrupted, TuduiError, UsageError
from tudui.files import check_writable, disk_errors, locked, refuse_links, remove_left, write_text
from tudui.networks import build_network
from tudui.run_folder import PROBLEMS_LOCK, is_comparison

FORMAT = 1  # of problems.json


@dataclass(frozen=True, kw_only=True, repr=False)
class Problems:
    """The comparisons of a grid, whose pairs are corrected for those of all problems."""

    folder: Path
    command: str
    comparisons: Mapping[str, Comparison]  # by problem

    @property
    def first(self) -> Comparison:
        """Any of the comparisons: their plans differ in network and data only."""
        return self.every[0]

    @property
    def every(self) -> list[Comparison]:
        """The comparisons without the names of their problems."""
        return list(self.comparisons.values())

    @cached_property
    def tallies(self) -> list[Tally]:
        """The results of each variant and noise level over all problems."""
        return tallies(self.every)

    @property
    def values(self) -> dict[str, Any]:
        """The content of problems.json: plain values, scores in each metric's own unit (accuracies are fractions)."""
        plan = self.first.plan
        return {
            "format": FORMAT,
            "command": self.command,
            "metrics": sorted({one.metric.name for one in self.every}),
            "correction": {"family": plan.comparison.family, "pairs": sum(len(one.pairs) for one in self.every)},
            "fewest_problems_for_a_mean": FEWEST_PROBLEMS,
            "equal": budget(plan),
            "problems": [
                {
                    "name": name,
                    "network": one.plan.base.network.model_dump(mode="json"),
                    "data": one.plan.base.data.name,
                    "test_images": one.test_images,
                    "steps": steps_of(one),
                    "report": f"{name}/report.html",
                }
                for name, one in self.comparisons.items()
            ],
            "pairs": [
                {"problem": name, **pair_values(pair)} for name, one in self.comparisons.items() for pair in one.pairs
            ],
            "variants": [asdict(tally) for tally in self.tallies],
        }


def steps_of(comparison: Comparison) -> int:
    """Return the number of steps of each run."""
    return comparison.rows[0].runs[0].training[-1].steps_planned


def budget(plan: Plan) -> dict[str, Any]:
    """Return the settings that must be equal in all problems: losses, seeds, tuning, epochs, optimizer, schedule."""
    settings = plan.base.model_dump(mode="json", include={"train", "optimizer", "schedule", "seed", "precision"})
    return {"comparison": plan.comparison.model_dump(mode="json", exclude={"reported_at"})} | settings


def default_folder(grid: Grid) -> Path:
    """Return the grid's own folder; more seeds are the same grid."""
    return Path("runs") / f"problems-{grid.first.comparison.lr}-{digest_of(grid.plans.values())}"


@contextmanager
def naming(problem: str) -> Iterator[None]:
    """Begin what is wrong in one problem with its name."""
    try:
        yield
    except Interrupted:
        raise
    except TuduiError as error:
        error.problems = tuple(f"{problem}: {one}" for one in error.problems)
        error.args = ("\n".join(error.problems),)
        raise


def check_grid_folder(folder: Path) -> None:
    """Raise UsageError if a folder contains something other than a grid; DiskError if it cannot be written."""
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PROBLEMS_LOCK).exists():
        raise UsageError(f"{folder}: not empty and not a grid of problems; choose another --out")
    refuse_links_in_grid(folder)


def refuse_links_in_grid(folder: Path) -> None:
    """Raise DiskError if a grid contains links, except ours from a comparison's TensorBoard folder to its runs."""
    refuse_links(folder, but=lambda link: link.parent.name == TENSORBOARD and link.readlink() == run_events(link.name))


@contextmanager
def claimed(grid: Grid, folder: Path) -> Iterator[None]:
    """Lock the folder of a grid for this process, and write the plan; nothing changes if a problem cannot be done.

    Every problem is checked before the first one trains.
    """
    check_grid_folder(folder)
    for name, plan in grid.plans.items():
        with naming(name):
            _check_problem(plan, folder / name)
    is_new = not folder.exists()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / PROBLEMS_LOCK, what="a comparison is"):
        remove_left(folder)
        write_text(folder / PLAN, grid_yaml(grid))
        try:
            yield
        except TuduiError:
            if is_new and not any(path.is_dir() for path in folder.iterdir()):  # no run began
                rmtree(folder, ignore_errors=True)
            raise


def _check_problem(plan: Plan, folder: Path) -> None:
    """Raise TuduiError if a problem has missing runs that cannot be done."""
    if not waiting_runs(plan, folder):
        return
    network, data = plan.base.network, plan.base.data
    if isinstance(network, OwnCode):
        own_object(network.name, network.code, "--network with all networks, this one as")
    if data.code:
        own_object(data.name, data.code, "--data with all data sets, this one as")
    build_network(network, check_data(plan).shape, seed=plan.base.seed)


def read_problems(folder: Path, **changed: Any) -> Problems:
    """Return the comparisons in the folder of a grid; UsageError if one is not finished, or has another budget.

    `changed` replaces the plans' `metric`, `margin` or `family`.
    """
    grid = load_plans(folder / PLAN)
    if isinstance(grid, Plan):
        raise UsageError(
            f"{folder / PLAN}: has one network and one data set, and is not a grid of problems; restore the file"
        )
    if missing := [name for name in grid.plans if not is_comparison(folder / name)]:
        raise UsageError(f"{folder}: {missing[0]} is not done; resume with: {comparing(folder)}")
    found = {name: read_comparison(folder / name, **changed) for name in grid.plans}
    _check_budgets(found, folder)
    comparison = next(iter(found.values())).plan.comparison
    pairs = pairs_of_problems(comparison, [(one.rows, one.metric) for one in found.values()])
    corrected = {
        name: replace(one, pairs=tuple(of_problem))
        for (name, one), of_problem in zip(found.items(), pairs, strict=True)
    }
    return Problems(folder=folder, command=comparing(folder), comparisons=corrected)


def _check_budgets(found: Mapping[str, Comparison], folder: Path) -> None:
    first, *others = ((name, budget(one.plan)) for name, one in found.items())
    for name, values in others:
        for section, settings in values.items():
            if settings != first[1][section]:
                raise UsageError(
                    f"{folder}: {name} and {first[0]} have different settings in '{section}', but all problems need "
                    f"the same budget; make them equal with: {comparing(folder)}"
                )


def left_out(problems: Problems) -> list[str]:
    """Return the names of an earlier call's problems in the folder that are not part of the grid."""
    inside = [path.name for path in problems.folder.iterdir() if is_comparison(path)]
    return sorted({*inside} - {*problems.comparisons})
