"""How commands declare options. A flag that sets a key of the config has the schema's help, type and default.

A command names the keys that it has flags for, `@configured("loss", "data.name")`; its parameter `asked` has their
values. To give a key a flag, add a line to FLAGS, and the key to the commands that have it.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from tudui.cli import completion
from tudui.errors import UsageError
from tudui.language import Language

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from tudui.config import Override

CHOICE, HOW, SHOW = "What to run", "How", "What to show and where to write it"  # panels of the help
CHOICES = re.compile(r"(recipe|plain|auto)[:,] ")  # a help text that begins with such a value keeps its lower case
Completion = Callable[[str], list[str]]
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Flag:
    """How a key is set on the command line."""

    name: str
    short: str | None = None
    metavar: str = "NAME"
    panel: str = HOW
    complete: Completion | None = None
    sets: bool | None = None  # the flag has no value and sets its key to this


FLAGS: Mapping[str, Flag] = {
    "loss": Flag(name="--loss", short="-l", panel=CHOICE, complete=completion.losses),
    "network": Flag(name="--network", metavar="NAME", panel=CHOICE, complete=completion.networks),
    "data.name": Flag(name="--data", short="-d", panel=CHOICE, complete=completion.data_sets),
    "data.target": Flag(name="--target", metavar="COLUMN", panel=CHOICE),
    "data.labels": Flag(name="--labels", metavar="FILE", panel=CHOICE),
    "data.dir": Flag(name="--data-dir", metavar="DIR", panel=CHOICE),
    "data.size": Flag(name="--size", metavar="PIXELS", panel=CHOICE),
    "data.folds": Flag(name="--folds", metavar="N", panel=CHOICE),
    "data.on_bad_image": Flag(name="--on-bad-image", metavar="refuse|skip"),
    "data.on_missing": Flag(name="--on-missing", metavar="refuse|drop|median"),
    "data.cache": Flag(name="--no-cache", sets=False),
    "train.init_from": Flag(name="--init-from", metavar="RUN|FILE", panel=CHOICE, complete=completion.runs),
    "train.epochs": Flag(name="--epochs", short="-e", metavar="N"),
    "train.batch_size": Flag(name="--batch-size", short="-b", metavar="N"),
    "optimizer.lr": Flag(name="--lr", metavar="RATE|auto"),
    "seed": Flag(name="--seed", metavar="N"),
    "device": Flag(name="--device"),
    "precision": Flag(name="--precision"),
    "log.sinks": Flag(name="--sink", metavar="NAMES"),
    "comparison.variants": Flag(name="--losses", metavar="NAMES", panel=CHOICE, complete=completion.several_losses),
    "comparison.seeds": Flag(name="--seeds", metavar="N", panel=CHOICE),
    "comparison.until_decided": Flag(name="--until-decided", sets=True, panel=CHOICE),
    "comparison.max_seeds": Flag(name="--max-seeds", metavar="N", panel=CHOICE),
    "comparison.label_noise": Flag(name="--label-noise", metavar="SHARES", panel=CHOICE),
    "comparison.outliers": Flag(name="--outliers", metavar="SHARES", panel=CHOICE),
    "comparison.lr": Flag(name="--lr"),
    "comparison.tune": Flag(name="--tune", metavar="KEYS"),
    "comparison.explain_variance": Flag(name="--explain-variance", sets=True),
    "comparison.forms": Flag(name="--forms", metavar="FORMS"),
    "comparison.baseline": Flag(name="--baseline", complete=completion.losses),
    "comparison.metric": Flag(name="--metric"),
    "comparison.margin": Flag(name="--margin", metavar="DIFFERENCE"),
    "comparison.family": Flag(name="--family"),
}


def argument(metavar: str, help: str, complete: Completion | None = None) -> Any:
    """Return how a command takes a value without a flag."""
    return typer.Argument(metavar=metavar, help=help, autocompletion=complete)


def options_of(panel: str) -> Callable[..., Any]:
    """Return what makes options of one panel: option(metavar, help, *names, complete=None, **limits)."""

    def option(metavar: str | None, help: str, *names: str, complete: Completion | None = None, **limits: Any) -> Any:
        return typer.Option(
            *names, metavar=metavar, help=help, rich_help_panel=panel, autocompletion=complete, **limits
        )

    return option


choice, how, show = (options_of(panel) for panel in (CHOICE, HOW, SHOW))

CONFIG = "Shipped config by name (see: tudui config list), or a YAML file; the other options override it."
ConfigOption = Annotated[str | None, choice("NAME|FILE", CONFIG, "--config", "-c", complete=completion.shipped)]
ANY = "Any setting (see: tudui config show), for example optimizer.lr=0.1; may be repeated."
SetOption = Annotated[list[str] | None, choice("KEY=VALUE", ANY, "--set", "-s", complete=completion.settings)]
JsonOption = Annotated[bool, show(None, "Print one JSON object on stdout, everything else on stderr.", "--json")]
LANGUAGE = "Language of this output: en, or zh (Chinese)."
LanguageOption = Annotated[Language, show("en|zh", LANGUAGE, "--language")]
WeightsArgument = Annotated[Path, argument("RUN|WEIGHTS", "Run folder, checkpoint or weights file.", completion.runs)]
PREPARED = "How pixels are prepared.  [default: as in training; none if a weights file does not say]"
NormalizeOption = Annotated[Literal["standardize", "none"] | None, how(None, PREPARED)]
BestOption = Annotated[bool, how(None, "Use the weights with the best validation score, not the last.", "--best")]
OWN = "Python file with the run's own {}; Tudui executes it only if you name it."
OwnNetworkOption = Annotated[str | None, how("FILE.py:NAME", OWN.format("network"), "--network")]
OwnLossOption = Annotated[str | None, how("FILE.py:NAME", OWN.format("loss"), "--loss")]
OwnDataOption = Annotated[str | None, how("FILE.py:NAME", OWN.format("data"), "--data")]
OverwriteOption = Annotated[bool, show(None, "Replace existing files.", "--overwrite")]


@dataclass(frozen=True)
class Asked:
    """A config file and the overrides of a command line, in the user's words."""

    config: Path | None
    overrides: "list[Override]"

    def value(self, key: str) -> Any:
        """Return the value that a flag gives a key, or None."""
        return next((override.value for override in self.overrides if override.key == key), None)


def configured(*keys: str, file: bool = True) -> Callable[[Function], Function]:
    """Give a command the flags of these keys and, with `file`, also `--config` and `--set`."""

    def mark(function: Function) -> Function:
        function.flags = (keys, file)  # type: ignore[attr-defined]  # read by with_flags
        return function

    return mark


def keys_of(function: Callable[..., None]) -> tuple[str, ...]:
    """Return the keys that a command has flags for."""
    keys: tuple[str, ...] = getattr(function, "flags", ((), False))[0]
    return keys


def with_flags(function: Callable[..., None], *, described: bool) -> Callable[..., None]:
    """Return a command with its flags as parameters instead of `asked`; undescribed, they need no schema."""
    if not hasattr(function, "flags"):
        return function
    keys, with_file = function.flags
    options = {_parameter(key): _option(key, described=described, with_default=with_file) for key in keys}
    if with_file:
        options = {"config": ConfigOption, **options, "settings": SetOption}

    def call(**given: Any) -> None:
        from tudui.config import parse_set
        from tudui.config.shipped import find_config

        typed = {name: given.pop(name) for name in options}
        overrides = [_override(key, typed[_parameter(key)]) for key in keys if typed[_parameter(key)] is not None]
        overrides += [parse_set(text) for text in typed.get("settings") or ()]
        file = find_config(typed["config"]) if typed.get("config") is not None else None
        function(asked=Asked(file, overrides), **given)

    own = list(inspect.signature(function, eval_str=True).parameters.values())
    place = next(index for index, parameter in enumerate(own) if parameter.name == "asked")
    own[place : place + 1] = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=None)
        for name, option in options.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    call.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]  # Typer reads it
    call.__doc__ = function.__doc__
    return call


def _parameter(key: str) -> str:
    return key.replace(".", "_")


def _option(key: str, *, described: bool, with_default: bool) -> Any:
    """Return the annotation from which Typer makes the option of a key."""
    flag = FLAGS[key]
    names = (flag.name, flag.short) if flag.short else (flag.name,)
    alone = flag.sets is not None
    option = options_of(flag.panel)(None if alone else flag.metavar, "", *names, complete=flag.complete)
    kind: Any = bool if alone else str
    if described:
        field = setting(key)
        meaning, _, otherwise = str(field.description).partition("; null: ")
        meaning = f"do not {meaning}" if flag.sets is False else meaning
        meaning = f"{meaning}; separated by commas" if _is_list(field.annotation) else meaning
        meaning = meaning if CHOICES.match(meaning) else f"{meaning[0].upper()}{meaning[1:]}"
        default = otherwise or (_default(field) if with_default and not alone else "")
        option.help = f"{meaning}.  [default: {default}]" if default else f"{meaning}."
        kind = int if field.annotation is int else kind
    return Annotated[kind | None, option]


def setting(key: str) -> "FieldInfo":
    """Return the schema's field of a key."""
    from tudui.config.comparison import ComparisonConfig
    from tudui.config.describe import field_of
    from tudui.config.schema import Config

    section, _, name = key.partition(".")
    return field_of(ComparisonConfig, name) if section == "comparison" else field_of(Config, key)


def _default(field: "FieldInfo") -> str:
    value = field.get_default(call_default_factory=True)
    if _is_list(field.annotation):
        return ",".join(f"{one:g}" if isinstance(one, float) else one for one in value)
    return "" if value is None else str(getattr(value, "name", value))  # of the loss, its name


def _override(key: str, value: Any) -> "Override":
    """Return what a flag sets: text is converted to the type of its key, a list is split at commas."""
    from tudui.config import Override
    from tudui.config.yaml_file import read_value

    flag, kind = FLAGS[key], setting(key).annotation
    typed = flag.name if flag.sets is not None else f"{flag.name} {value}"
    if flag.sets is not None:
        value = flag.sets
    elif _is_list(kind):
        value = names_in(value, flag.name)
        value = [read_value(one, typed) for one in value] if _has(kind, float) else value
    elif isinstance(value, str) and (_has(kind, float) or _has(kind, int)):
        value = read_value(value, typed)
    return Override(key, value, typed)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in (tuple, dict)


def _has(kind: Any, part: type) -> bool:
    return kind is part or any(_has(inside, part) for inside in get_args(kind))


def names_in(text: str, flag: str) -> list[str]:
    """Return the values between commas; UsageError if there are none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{flag} '{text}': is empty; give values separated by commas")
    return names
