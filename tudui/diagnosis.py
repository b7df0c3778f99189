"""The checks of `tudui doctor`: what this machine has for Tudui, and what to fix. They download and leave nothing.

Torch is imported inside the checks, because its import may be what fails.
"""

import importlib
import locale
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, metadata, requires, version
from pathlib import Path
from typing import Literal

from rich.filesize import decimal

import tudui
from tudui.config.loss_spec import LossSpec
from tudui.config.network_spec import NetworkSpec
from tudui.config.parts import read_spec
from tudui.config.plug_ins import load
from tudui.errors import ConfigError, DiskError
from tudui.text import in_a_line

NARROW = 80  # columns that every table fits into
LITTLE, SCARCE = 2**30, 100 * 2**20  # bytes: enough for some hundred runs; enough for a few
LITTLE_SHARED = 256 * 2**20  # of /dev/shm, which Ray uses; Docker gives 64 MB
FOR_DEVELOPERS = {"dev", "docs", "fuzz"}  # extras
TORCH_ADVICE = "install torch and torchvision together, in one pip command and from one index; see the README"

State = Literal["ok", "note", "wrong"]
Row = tuple[str, str] | tuple[str, str, State, str]  # the fields of a Finding after the group


@dataclass(frozen=True)
class Finding:
    """The result of one check and, if its state is not ok, what to do next."""

    group: str
    name: str
    text: str
    state: State = "ok"
    next: str = ""


def diagnose(data_dir: Path | None = None) -> Iterator[Finding]:
    """Yield findings about versions, devices, data sets, folders, the terminal and extras."""
    checks: dict[str, Callable[[], Iterator[Row]]] = {
        "versions": _versions,
        "devices": _devices,
        "data sets": lambda: _data_sets(data_dir),
        "folders": _folders,
        "terminal": _terminal,
        "optional": _optional,
    }
    for group, check in checks.items():
        try:
            for row in check():
                yield Finding(group, *row)
        except Exception as error:  # a broken part must not hide the others
            text = in_a_line(f"{type(error).__name__}: {error}")
            yield Finding(group, "", text, "wrong", "fix the problems above, then run this command again")


def _versions() -> Iterator[Row]:
    yield "tudui", f"{tudui.__version__}, in {Path(tudui.__file__).parent}"
    yield "python", f"{platform.python_version()}, {sys.executable}"
    yield "system", f"{platform.platform(terse=True)}, {platform.machine()}"
    for name in ("torch", "torchvision"):
        try:
            yield name, str(importlib.import_module(name).__version__)
        except Exception as error:  # a missing library, or two that do not fit, raise almost anything
            yield name, f"cannot be imported: {in_a_line(error)}", "wrong", TORCH_ADVICE
    packages = list(_packages())
    fitting = [f"{name} {text}" for name, text, missing in packages if not missing]
    yield "others", ", ".join(text for text in fitting if not text.startswith(("torch ", "torchvision ")))
    for name, text, missing in packages:
        if missing:
            yield name, text, "wrong", f"pip install {missing}"


def _packages(extra: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, text and '' for each package that Tudui, or one of its extras, needs.

    If it is not installed, or its version does not fit, the last is what pip has to install.
    """
    from packaging.requirements import Requirement

    for one in map(Requirement, requires("tudui") or ()):
        wanted = [one.marker is None or one.marker.evaluate({"extra": name}) for name in ("", extra)]
        if one.name == "tudui" or wanted != [not extra, True]:
            continue
        missing = f"'{one.name}{one.specifier}'"
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield one.name, "not installed", missing
        else:
            fits = one.specifier.contains(found, prereleases=True)
            yield one.name, found if fits else f"{found}, but Tudui needs {one.specifier}", "" if fits else missing


def _devices() -> Iterator[Row]:
    import torch

    from tudui.training.device import native_bf16, processor_name

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "cpu", f"{processor_name()}, {cores} cores, torch uses {torch.get_num_threads()} threads"
    names = ["cpu"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            names.append(f"cuda:{number}")
            yield names[-1], f"{torch.cuda.get_device_name(number)}, {decimal(free)} of {decimal(total)} free"
    elif not any(Path("/dev").glob("nvidia[0-9]*")):
        yield "cuda", "no GPU; runs use the CPU"
    elif os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        yield "cuda", "CUDA_VISIBLE_DEVICES hides the GPU", "note", "unset it to use the GPU"
    else:
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a build for CPUs"
        text = f"torch, {build}, cannot use the GPU"
        yield "cuda", text, "wrong", "run nvidia-smi and install a torch that fits the driver it shows"
    if torch.backends.mps.is_available():
        names.append("mps")
        yield "mps", "available, but untested with Tudui", "note", "compare with --device cpu"
    for name in names:
        native = native_bf16(name)
        bf16 = f"bf16 native ({native})" if native else "bf16 emulated and slow"
        fp16 = "fp16 native" if name != "cpu" else "fp16 without a fast backward"
        yield f"precision {name}", f"fp32, {bf16}, {fp16}; auto takes {'bf16' if native else 'fp32'}"


def _data_sets(data_dir: Path | None) -> Iterator[Row]:
    from tudui.config.schema import DataConfig
    from tudui.data.cache import cache_folder
    from tudui.data.digits import read_digits
    from tudui.data.torchvision_sets import SETS, find_copies

    yield "digits", f"{len(read_digits(DataConfig()).targets):,} images, part of scikit-learn"
    try:
        cache = cache_folder()
    except DiskError:  # said with the folders
        cache = Path(os.devnull)
    root = data_dir or cache / "datasets"
    copies = find_copies(root)
    for name, place in copies.items():
        yield name, f"in {place}"
    if missing := [name for name in SETS if name not in copies]:
        yield "not here", f"{', '.join(missing)}: not in {root}; downloaded on first use, or read from --data-dir"
    if entries := [path for path in (cache / "folders").glob("*") if path.is_dir()]:
        size = sum(file.stat().st_size for entry in entries for file in entry.iterdir())
        yield "own images", f"decoded folders in the cache: {len(entries)}, {decimal(size)}"


def _folders() -> Iterator[Row]:
    from tudui.data.cache import cache_folder

    yield _writable("runs", lambda: Path("runs"), "go to a folder of yours, or choose one with --run-dir")
    yield _writable("cache", cache_folder, "set TUDUI_CACHE to another folder")
    yield _writable("temporary", lambda: Path(tempfile.gettempdir()), "set TMPDIR to another folder")
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        text = f"{decimal(free)} free"
        advice = "only --executor ray needs more; in Docker: --shm-size=1g"
        yield ("/dev/shm", text, "note", advice) if free < LITTLE_SHARED else ("/dev/shm", text)


def _writable(name: str, find: Callable[[], Path], otherwise: str) -> Row:
    """Check that a folder, or its nearest parent that exists, can be written, and report the free space."""
    try:
        folder = find().absolute()
    except (OSError, DiskError) as error:  # no home folder, no temporary folder, or the working directory is gone
        return name, in_a_line(error).partition(";")[0], "wrong", otherwise
    there = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
    shown = f"{folder}{'' if there == folder else ' (created on first use)'}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return name, f"{shown}: cannot be written: {error.strerror}", "wrong", otherwise
    free = shutil.disk_usage(there).free
    text = f"{shown}, {decimal(free)} free"
    if free < SCARCE:
        return name, text, "wrong", "free some space; a run needs about 10 MB"
    return (name, text, "note", "free some space before long runs") if free < LITTLE else (name, text)


def _terminal() -> Iterator[Row]:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        yield "output", "not a terminal: plain lines, no colours, no bar"
    else:
        colours = f"colours {console.color_system}" if console.color_system and not console.no_color else "no colours"
        text = f"{console.width} columns, {console.height} lines, {colours}"
        advice = f"make it {NARROW} columns wide for the tables"
        yield ("size", text, "note", advice) if console.width < NARROW else ("size", text)
    encoding = (sys.stdout.encoding or locale.getpreferredencoding(do_setlocale=False)).lower()
    advice = "set PYTHONIOENCODING=utf-8, or a UTF-8 locale"
    yield ("characters", encoding) if "utf" in encoding else ("characters", encoding, "note", advice)


def _optional() -> Iterator[Row]:
    for extra in metadata("tudui").get_all("Provides-Extra") or ():
        if extra in FOR_DEVELOPERS:
            continue
        packages = list(_packages(extra))
        lacking = " ".join(missing for _, _, missing in packages if missing)
        unfit = any(missing and text != "not installed" for _, text, missing in packages)
        text = ", ".join(f"{name} {text}" for name, text, _ in packages)
        yield extra, text, "wrong" if unfit else "ok", f"pip install {lacking}" if lacking else ""
    yield from _of_packages("losses", lambda point: read_spec(point, LossSpec))
    yield from _of_packages("networks", lambda point: read_spec(point, NetworkSpec))
    yield from _of_packages("sinks", load)


def _of_packages(what: str, read: Callable[[EntryPoint], object]) -> Iterator[Row]:
    """Check that each part of other packages loads, and list them."""
    found, broken = [], False
    for point in entry_points(group=f"tudui.{what}"):
        try:
            read(point)
        except ConfigError as error:
            broken = True
            yield what, str(error), "wrong", f"until then, commands that need {what} fail"
        else:
            found.append(f"{point.name} ({point.dist.name if point.dist else 'unknown package'})")
    if not broken:
        yield what, f"from other packages: {', '.join(found)}" if found else "Tudui's own"
