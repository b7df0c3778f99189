"""`tudui loss choose`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from tudui.api.console import console_on
from tudui.cli.flags import Asked, JsonOption, LanguageOption, choice, configured
from tudui.cli.printing import print_json, print_line, print_table
from tudui.invocation import tudui_command
from tudui.language import say, speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tudui.api.advice import Advised
    from tudui.lab.advice import Advice, Choice

PROSE = 100  # columns, at most


@configured("data.name", "data.target", "data.labels", "data.on_missing", "data.dir", file=False)
def choose_command(
    asked: Asked,
    task: Annotated[Literal["classes", "numbers"] | None, choice(None, "What is predicted.", "--task")] = None,
    label_noise: Annotated[
        float | None, choice("SHARE", "Your estimate of the share of wrong labels, for example 0.2.", "--label-noise")
    ] = None,
    imbalance: Annotated[bool, choice(None, "Some classes are much smaller than others.", "--imbalance")] = False,
    outliers: Annotated[
        float | None,
        choice(
            "SHARE", "Your estimate of the share of targets that are far off (outliers), for example 0.1.", "--outliers"
        ),
    ] = None,
    probabilities: Annotated[
        bool, choice(None, "The probabilities must be right, not only the class.", "--probabilities")
    ] = False,
    language: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """Say which loss to use and why, with the command that tests it; without options, print the whole guide.

    With --data, the task and unequal classes are read from the data, and targets far from the others are listed.

    Examples:
      tudui loss choose --task classes --label-noise 0.4
      tudui loss choose --data folder:pictures
    """
    from tudui.api.advice import advise
    from tudui.lab.advice import ADVICE

    data = {name: asked.value(f"data.{name}") for name in ("name", "target", "labels", "on_missing", "dir")}
    needs = {"label_noise": label_noise, "imbalance": imbalance, "outliers": outliers, "probabilities": probabilities}
    given = asked.overrides or task or any(value is not None and value is not False for value in needs.values())
    with speaking("en" if json else language):
        if not given:
            _print_guide(ADVICE, json=json)
            return
        found = advise(
            task, label_noise=label_noise, imbalance=imbalance, outliers=outliers, probabilities=probabilities,
            data=data["name"], target=data["target"] or (), labels=data["labels"], on_missing=data["on_missing"],
            data_dir=data["dir"],
        )  # fmt: skip
        _print_advice(found, json=json)


def _print_advice(found: "Advised", *, json: bool) -> None:
    advice = found.advice
    best, *others = advice.choices
    if json:
        print_json(
            {"use": best.loss, **asdict(advice), "data": found.data, "notes": found.notes, "command": found.command}
        )
        return
    for text in found.data:
        _print_prose(text)
    _print_prose(say("{title}: use {loss}", title=advice.title, loss=best.loss), "bold cyan")
    _print_choice(best)
    _print_prose(say("Not good for {weak}", weak=say(advice.weak)), left=2)
    for other in others:
        _print_prose(say("or {loss}", loss=other.loss), "bold")
        _print_choice(other)
    for text in found.notes:
        _print_prose(text)
    _print_prose(say("Test it with this command; add --dry-run to see only how long it takes:"), "bold")
    _print_command(found.command)


def _print_choice(one: "Choice") -> None:
    _print_prose(say(one.why), left=2)
    _print_prose(say("Source: {source}", source=one.source), "dim", left=2)


def _print_prose(text: str, style: str = "", *, left: int = 0) -> None:
    """Print text that is broken between words, at most 100 columns wide, also in a file."""
    from rich.padding import Padding
    from rich.text import Text

    console = console_on()
    console.print(Padding(Text(text, style), (0, 0, 0, left)), soft_wrap=False, width=min(console.width, PROSE))


def _print_guide(table: "Sequence[Advice]", *, json: bool) -> None:
    if json:
        print_json({"guide": [asdict(advice) for advice in table]})
        return
    rows = [(advice.title, ", ".join(choice.loss for choice in advice.choices)) for advice in reversed(table)]
    print_table((say("your task"), say("losses to try, in this order")), rows, left=2)
    print_line("\n" + say("For the reasons and a command that tests it, say what you have:"), "bold")
    for example in ("--data folder:PATH", "--task classes --label-noise 0.2", "--task numbers --outliers 0.1"):
        _print_command(f"{tudui_command()} loss choose {example}")


def _print_command(command: str) -> None:
    print_line(say("{command}", command=command), "cyan")  # its Chinese ends with --language zh
