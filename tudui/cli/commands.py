"""Help that ends with examples, and one line for every mistake."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from os.path import expanduser
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from tudui.api.console import console_on
from tudui.cli.flags import with_flags
from tudui.cli.hints import KEYS, instead_of, word_of
from tudui.errors import Interrupted, TuduiError, UsageError, WorkerError, as_tudui_errors, did_you_mean
from tudui.invocation import speaks_for_its_machine

Function = TypeVar("Function", bound=Callable[..., Any])

PANELS = (TRAIN, LOOK, LOSSES, PREPARE, MACHINE) = (
    "Train and compare", "Look at results", "Losses and the lab", "Configs and data", "This machine",
)  # fmt: skip
TYPED = "tudui.typed"  # key of the arguments of a command
MAX_PROBLEMS = 20  # shown together
HOME = re.compile(r"^(|--[\w-]+=)~(?=/|$)")  # which shells replace only at the beginning of a word
ERROR = "[bold red]error:[/] "
UNESCAPED = re.compile(r"(?<!\\)\[")  # read as markup by Rich
EXAMPLES = "\nExamples:\n"  # in a docstring; the lines below it are commands


class Command(TyperCommand):
    """A command whose options are created when it is used, so that listing all commands does not load the schema.

    Its help ends with the examples of its docstring.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        text, found, examples = (self.help or "").partition(EXAMPLES)
        self.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
        if found:
            self.epilog = "[bold]Examples[/]\n" + examples.rstrip().replace("[", r"\[")
        assert self.callback
        self.function: Callable[..., None] = self.callback()  # from Commands.command
        self.made = False

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help shows them; completion needs no descriptions."""
        if not self.made:
            self.make(described=not ctx.resilient_parsing)
        return _tidied(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; UsageError for an empty value, often an unset variable, and a long one with one dash."""
        for before, value in pairwise(["", *args]):
            if not ctx.resilient_parsing and re.fullmatch(r"(--[\w-]+=)?", value):
                empty = value.rstrip("=") or (before if before.startswith("-") else "an argument")
                raise UsageError(f"{ctx.command_path}: {empty} is empty; type a value, or leave it out")
        args = [HOME.sub(lambda found: found[1] + expanduser("~"), arg) for arg in args]  # noqa: PTH111  # needs no home
        ctx.meta[TYPED] = list(args)
        words = {*KEYS, *(word_of(name) for parameter in self.get_params(ctx) for name in parameter.opts)}
        for arg in args[: args.index("--") if "--" in args else None]:
            if re.match("-[a-z]{2}", arg) and word_of(arg) in words and not ctx.resilient_parsing:
                raise UsageError(_no_such_option(arg.partition("=")[0], ctx))
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the matching options with their descriptions, which bash does not show."""
        if incomplete.startswith("-"):
            self.make(described=os.environ.get("_TUDUI_COMPLETE") != "complete_bash")
        return super().shell_complete(ctx, incomplete)

    def make(self, *, described: bool) -> None:
        """Create the options and the callback from the function, with the schema's descriptions if asked for."""
        app = typer.Typer(add_completion=False)
        app.command()(with_flags(self.function, described=described))
        command = typer.main.get_command(app)
        self.params, self.callback, self.made = command.params, command.callback, True


class Group(TyperGroup):
    """Turns errors into one message and an exit code."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help shows them."""
        return _tidied(super().get_params(ctx))

    def panels(self) -> dict[str, list[str]]:
        """Return the names of the commands by panel."""
        panels: dict[str, list[str]] = {panel: [] for panel in PANELS}
        for name, command in self.commands.items():
            panels.setdefault(getattr(command, "rich_help_panel", None) or "", []).append(name)
        return {panel: names for panel, names in panels.items() if names}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the panels."""
        return [name for names in self.panels().values() for name in names]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command; a group alone prints its help."""
        alone = not args and not self.invoke_without_command and not ctx.resilient_parsing
        return super().parse_args(ctx, ["--help"] if alone else args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; UsageError names the most similar one."""
        name = args[0]
        if not name.startswith("-") and name not in self.commands and not ctx.resilient_parsing:
            hint = did_you_mean(name, self.commands) or f"; there are: {', '.join(self.commands)}"
            raise UsageError(f"{ctx.command_path} {name}: no such command{hint}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Read the command line up to the command."""
        with _one_line_for_a_mistake():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Read the rest and run the command."""
        with _one_line_for_a_mistake():
            return super().invoke(ctx)


class Commands(typer.Typer):
    """A Typer with such commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, rich_markup_mode="rich", **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        """Register a function as a command that creates its options later."""

        def register(function: Function) -> Function:
            def later() -> Function:
                return function

            later.__doc__ = function.__doc__
            typer.Typer.command(self, name or function.__name__.replace("_", "-"), cls=Command, **settings)(later)
            return function

        return register


def _tidied(parameters: list[Any]) -> list[Any]:
    """Return parameters whose help keeps its brackets, without uninformative types, with --help in the last panel."""
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: ""
        parameter.help = UNESCAPED.sub(r"\[", parameter.help or "")
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
        if parameter.name == "help" and len(parameters) > 1:
            parameter.rich_help_panel = parameters[-2].rich_help_panel
    return parameters


@contextmanager
def _one_line_for_a_mistake() -> Iterator[None]:
    try:
        with as_tudui_errors():
            yield
    except TuduiError as error:
        lines = list(error.problems) if speaks_for_its_machine() or isinstance(error, WorkerError) else []
        _print_lines(lines, prefix="" if isinstance(error, Interrupted) else ERROR)
        raise typer.Exit(error.exit_code) from None
    except typer.TyperException as error:
        _print_lines([_mistake(error)] if speaks_for_its_machine() else [])
        raise typer.Exit(UsageError.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None


def _print_lines(lines: list[str], prefix: str = ERROR) -> None:
    from rich.markup import escape

    shown = lines[:MAX_PROBLEMS]
    more = [f"and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
    for line in shown + more:
        console_on(stderr=True).print(f"{prefix}{escape(line)}", soft_wrap=True)


def _no_such_option(option: str, context: Any) -> str:
    known = [name for parameter in context.command.get_params(context) for name in parameter.opts]
    hint = instead_of(option, context.meta.get(TYPED, ()), context.command, known)
    return f"{context.command_path} {option}: no such option{hint or f'; see: {context.command_path} --help'}"


def _mistake(error: typer.TyperException) -> str:
    """Return what is wrong with a command line, and where to look."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if context is None:
        message = f"{option}: needs a value" if option else error.message
        return " ".join(message.split())
    command = context.command_path
    see = f"; see: {command} --help"
    if option:
        return _no_such_option(option, context)
    parameter = getattr(error, "param", None)
    reasons: list[Any] = getattr(error.__cause__, "errors", list)()  # Typer reads values with pydantic
    if parameter is None or not reasons:
        message = " ".join(error.format_message().split()).rstrip(".")
        return f"{command}: {message[0].lower()}{message[1:]}{see}"
    name = parameter.metavar if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
    got, what = reasons[0]["input"], error.message.partition(", unable to parse")[0].removeprefix("Input ")
    if choices := parameter.type_descriptor.choices:
        what = f"must be one of {', '.join(choices)}{did_you_mean(got, choices)}"
    return f"{name} {got}: {what}{see}"
