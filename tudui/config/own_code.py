"""Code of the user's own, named `FILE.py:NAME` on the command line or in Python.

Only there: a YAML file, a run folder or a checkpoint may contain such a name, but never makes Tudui run a file. A run
records the name and the file's sha256; to build the object again, the user names the file again.
"""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tudui.errors import TuduiError, UsageError, did_you_mean
from tudui.files import opened

OWN = "FILE.py:NAME"  # the specs of these names
NAMED = re.compile(r"(?P<file>.*\.py):(?P<name>\w+)")


class OwnCode(BaseModel):
    """The keys of a section with a name of this kind, besides its own."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="sha256 of the file")


@dataclass(frozen=True)
class OwnFile:
    """A Python file of the user, as it was when it was named."""

    path: str  # absolute
    source: str
    names: frozenset[str]  # what the user named in it

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return Path(self.path).name

    @cached_property
    def sha256(self) -> str:
        """The file's fingerprint, as a run records it."""
        return hashlib.sha256(self.source.encode()).hexdigest()


_files: dict[str, OwnFile] = {}  # by name; what this process may run
_modules: dict[str, ModuleType] = {}  # by sha256


def only_by_flag(flag: str, name: str) -> str:
    """Return the message for a name in a file."""
    return f"a file never makes Tudui run code; name it on the command line: --{flag} {name}"


def is_own(name: object) -> bool:
    """Return whether a name is `FILE.py:NAME`."""
    return isinstance(name, str) and NAMED.fullmatch(name) is not None


def allow(text: str) -> tuple[str, str]:
    """Allow this process to run a file that the user named; return the name without folders, and the file's sha256.

    UsageError if the file cannot be read, or is no Python.
    """
    found = NAMED.fullmatch(text)
    assert found is not None, "the caller asked is_own"
    path, name = Path(found["file"]).expanduser(), found["name"]
    try:
        with opened(path, "r", encoding="utf-8") as file:
            own = OwnFile(str(path.absolute()), file.read(), frozenset({name}))
        compile(own.source, str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise UsageError(f"{text}: {path} cannot be read: {error.strerror or error}; check the path") from None
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.msg}; fix this line") from None
    except ValueError as error:  # not UTF-8, or with a null byte
        raise UsageError(f"{path}: not a Python file: {error}; save it as UTF-8") from None
    before = _files.get(own.name, own)
    if before.sha256 == own.sha256:
        own = replace(own, names=own.names | before.names)
    elif before.path != own.path:
        raise UsageError(
            f"{path}: another file with the name {own.name} is already in use ({before.path}); rename one of them"
        )
    _files[own.name] = own  # in a notebook, the file may have been edited since
    return f"{own.name}:{name}", own.sha256


def allow_named(**named: str | None) -> None:
    """Allow the files of a run's own code that the user names again, by flag; UsageError for any other name."""
    for flag, name in named.items():
        if is_own(name):
            allow(str(name))
        elif name is not None:
            raise UsageError(
                f"--{flag} {name}: the weights name their {flag} themselves; --{flag} takes only FILE.py:NAME here"
            )


def allowed() -> tuple[OwnFile, ...]:
    """Return the files that this process may run, for its workers."""
    return tuple(_files.values())


def allow_again(files: Iterable[OwnFile]) -> None:
    """Allow a worker to run what its parent may run."""
    _files.update({file.name: file for file in files})


def is_allowed(name: str) -> bool:
    """Return whether the user named this `FILE.py:NAME` for this process."""
    file, _, attribute = name.rpartition(":")
    return file in _files and attribute in _files[file].names


def typed(name: str) -> str:
    """Return `FILE.py:NAME` as the user can type it: with the path of its file, if this process knows it."""
    file, _, attribute = name.rpartition(":")
    if file not in _files:
        return f"PATH/TO/{name}"
    path, here = Path(_files[file].path), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{attribute}"


def own_object(name: str, sha256: str, flag: str) -> Any:
    """Return what `FILE.py:NAME` names. UsageError unless the user gave this name, of a file with this content.

    The file is executed once per process.
    """
    if not is_allowed(name):
        raise UsageError(f"{name}: is code in a file, which Tudui runs only if you name it; add {flag} PATH/TO/{name}")
    file_name, _, attribute = name.rpartition(":")
    file = _files[file_name]
    if file.sha256 != sha256:
        raise UsageError(
            f"{file.path}: has changed since it was recorded (sha256 {sha256[:12]}, now {file.sha256[:12]}); "
            f"restore it, or start a new run"
        )
    module = _module(file)
    if not hasattr(module, attribute):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise UsageError(f"{file.path}: contains no {attribute}{did_you_mean(attribute, public)}")
    return getattr(module, attribute)


def path_of(name: str) -> str:
    """Return the path of the file that `FILE.py:NAME` names, after `own_object` of this name."""
    return _files[name.rpartition(":")[0]].path


class Parameters(NamedTuple):
    """The names of what a class or function of the user can be called with."""

    known: list[str]
    needed: list[str]  # those without a default
    others: bool  # whether it takes any other name, **kwargs


def parameters_of(make: Any) -> Parameters:
    """Return the parameters of a class or function, none for a built-in that does not say them."""
    try:
        found = list(inspect.signature(make).parameters.values())
    except ValueError:
        found = []
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    needed = [one.name for one in named if one.default is one.empty]
    return Parameters([one.name for one in named], needed, any(one.kind is one.VAR_KEYWORD for one in found))


def call_own(make: Any, name: str, given: Mapping[str, Any], section: str | None) -> Any:
    """Return what a class or function of the user returns; UsageError if it needs other arguments, or raises."""
    if not callable(make):
        raise UsageError(f"{name}: must be a class or a function (got {type(make).__name__})")
    path, short, parameters = path_of(name), name.rpartition(":")[2], parameters_of(make)
    if missing := [one for one in parameters.needed if one not in given]:
        by_flag = f", or --set {section}.{missing[0]}=VALUE" if section else ""
        raise UsageError(f"{path}: {short} needs {', '.join(missing)}; give a default{by_flag}")
    if not parameters.others and (unknown := [key for key in given if key not in parameters.known]):
        hint = did_you_mean(unknown[0], parameters.known)
        raise UsageError(f"{path}: {short} has no parameter '{unknown[0]}'{hint}")
    with own_errors(path):
        return make(**given)


def _module(file: OwnFile) -> ModuleType:
    if file.sha256 not in _modules:
        module = ModuleType(f"own_{Path(file.name).stem}_{file.sha256[:12]}")
        module.__file__ = file.path
        sys.modules[module.__name__] = module  # dataclasses and pickle look it up
        if (folder := str(Path(file.path).parent)) not in sys.path:
            sys.path.append(folder)  # for the user's modules beside it; last, so that they replace nothing
        try:
            with own_errors(file.path):
                exec(compile(file.source, file.path, "exec", dont_inherit=True), module.__dict__)
        except UsageError as error:
            if "ModuleNotFoundError" in str(error) and not Path(folder).is_dir():  # a node of Ray
                hint = f"put it into {file.name}, or copy {folder} to this machine"
                raise UsageError(f"{error}; only the file itself is sent to other machines: {hint}") from None
            raise
        _modules[file.sha256] = module
    return _modules[file.sha256]


@contextmanager
def own_errors(path: str, doing: str = "") -> Iterator[None]:
    """Turn an exception of the user's code into a UsageError with its file and line."""
    try:
        yield
    except TuduiError:
        raise
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        message = f"{doing}{type(error).__name__}: {error}".rstrip(": ")
        raise UsageError(f"{path}{f':{lines[-1]}' if lines else ''}: {message}") from None
