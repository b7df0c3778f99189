"""What this machine has for Tudui and what is wrong with it; nothing is fetched, nothing is left behind.

Torch is imported inside: that it cannot be is one of the things to find out.
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
from importlib.metadata import PackageNotFoundError, entry_points, metadata, requires, version
from pathlib import Path
from typing import Literal

import tudui
from tudui.config import loss_spec, network_spec
from tudui.config.parts import Spec, read_spec
from tudui.errors import ConfigError
from tudui.text import in_a_line

NARROW = 80  # columns that every table fits into
LITTLE, SCARCE = 2**30, 100 * 2**20  # bytes: room for some hundred runs; for hardly a few
LITTLE_SHARED = 256 * 2**20  # of /dev/shm, where Ray keeps what travels; Docker gives 64 MB
FOR_DEVELOPERS = {"dev", "docs", "fuzz"}  # extras
TORCH_ADVICE = "install torch and torchvision together, in one pip command and from one index; see the README"

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is and, where it is not well, what to do next."""

    group: str
    name: str
    text: str
    state: State = "ok"
    next: str = ""


def diagnose(data_dir: Path | None = None) -> Iterator[Finding]:
    """Yield what there is to say of versions, devices, data, folders, the terminal and extras."""
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", _versions),
        ("devices", _devices),
        ("data sets", lambda: _data_sets(data_dir)),
        ("folders", _folders),
        ("terminal", _terminal),
        ("optional", _optional),
    ]
    for group, look in parts:
        try:
            yield from look()
        except Exception as error:  # whatever is broken here must not hide the rest
            text = in_a_line(f"{type(error).__name__}: {error}")
            yield Finding(group, "", text, "wrong", "mend what is wrong above, then look again")


def _versions() -> Iterator[Finding]:
    group = "versions"
    yield Finding(group, "tudui", f"{tudui.__version__}, in {Path(tudui.__file__).parent}")
    yield Finding(group, "python", f"{platform.python_version()}, {sys.executable}")
    yield Finding(group, "system", platform.platform(terse=True) + f", {platform.machine()}")
    yield _imported("torch")
    yield _imported("torchvision")
    others, badly = [], []
    for name, specifier, found, fits in _requirements():
        if not fits:
            text = f"{found}, but Tudui needs {specifier}" if found else "not installed"
            badly.append(Finding(group, name, text, "wrong", f"pip install '{name}{specifier}'"))
        elif name not in ("torch", "torchvision"):
            others.append(f"{name} {found}")
    if others:
        yield Finding(group, "others", ", ".join(others))
    yield from badly


def _imported(name: str) -> Finding:
    """Import torch or torchvision, which fails where the two come from different builds."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a library that is missing or does not fit raises almost anything
        return Finding("versions", name, f"cannot be imported: {in_a_line(error)}", "wrong", TORCH_ADVICE)
    return Finding("versions", name, str(module.__version__))


def _requirements(extra: str | None = None) -> Iterator[tuple[str, str, str | None, bool]]:
    """Yield for each package that Tudui, or one of its extras, needs: versions that do, the one here, if it does."""
    from packaging.requirements import Requirement

    for text in requires("tudui") or ():
        one = Requirement(text)
        if one.name == "tudui":
            continue
        without = one.marker is None or one.marker.evaluate({"extra": ""})
        if without if extra is None else not without and one.marker and one.marker.evaluate({"extra": extra}):
            try:
                found = version(one.name)
            except PackageNotFoundError:
                yield one.name, str(one.specifier), None, False
            else:
                yield one.name, str(one.specifier), found, one.specifier.contains(found, prereleases=True)


def _devices() -> Iterator[Finding]:
    import torch

    from tudui.training.device import native_bf16, processor_name

    group = "devices"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(group, "cpu", f"{processor_name()}, {cores} cores, torch takes {torch.get_num_threads()} threads")
    names = ["cpu"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            names.append(f"cuda:{number}")
            what = f"{torch.cuda.get_device_name(number)}, {_size(free)} of {_size(total)} free"
            yield Finding(group, names[-1], what)
    elif _has_nvidia_gpu() and os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        yield Finding(
            group, "cuda", "there is a GPU, which CUDA_VISIBLE_DEVICES hides", "note", "unset it to use the GPU"
        )
    elif _has_nvidia_gpu():
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a build for CPUs"
        text = f"there is a GPU, but torch, {build}, cannot use it"
        yield Finding(group, "cuda", text, "wrong", "install a torch that fits the driver which nvidia-smi shows")
    else:
        yield Finding(group, "cuda", "no GPU here; runs use the CPU")
    if torch.backends.mps.is_available():
        names.append("mps")
        yield Finding(group, "mps", "there, but untested with Tudui", "note", "compare with --device cpu")
    for name in names:
        native = native_bf16(name)
        bf16 = f"bf16 native ({native})" if native else "bf16 emulated and slow"
        fp16 = "fp16 native" if name != "cpu" else "fp16 without a fast backward"
        yield Finding(group, f"precision {name}", f"fp32, {bf16}, {fp16}; auto takes {'bf16' if native else 'fp32'}")


def _has_nvidia_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _data_sets(data_dir: Path | None) -> Iterator[Finding]:
    from tudui.config.schema import DataConfig
    from tudui.data.cache import cache_folder
    from tudui.data.digits import read_digits
    from tudui.data.torchvision_sets import SETS, find_copies

    group = "data sets"
    yield Finding(group, "digits", f"{len(read_digits(DataConfig()).targets):,} images, part of scikit-learn")
    root = data_dir or cache_folder() / "datasets"
    copies = find_copies(root)
    for name, place in copies.items():
        yield Finding(group, name, f"in {place}")
    if missing := [name for name in SETS if name not in copies]:
        text = f"{', '.join(missing)}: not in {root}; fetched when first used, or read from --data-dir"
        yield Finding(group, "not here", text)
    entries = [path for path in (cache_folder() / "folders").glob("*") if path.is_dir()]
    if entries:
        size = sum(file.stat().st_size for entry in entries for file in entry.iterdir())
        yield Finding(group, "own images", f"{len(entries)} decoded folders in the cache, {_size(size)}")


def _folders() -> Iterator[Finding]:
    from tudui.data.cache import cache_folder

    runs = Path("runs")
    yield _writable("runs", runs, "go to a folder of yours, or name one with --run-dir")
    yield _writable("cache", cache_folder(), "name another folder in the variable TUDUI_CACHE")
    yield _writable("temporary", Path(tempfile.gettempdir()), "name another folder in the variable TMPDIR")
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        few = free < LITTLE_SHARED
        after = "only --executor ray needs more; in Docker: --shm-size=1g" if few else ""
        yield Finding("folders", "/dev/shm", f"{_size(free)} free", "note" if few else "ok", after)


def _writable(name: str, folder: Path, otherwise: str) -> Finding:
    """Say whether a folder, or the nearest one above it that is there, can be written, and its room."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    shown = f"{folder.absolute()}{'' if there == folder.absolute() else ' (made when first used)'}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding("folders", name, f"{shown}: cannot be written: {error.strerror}", "wrong", otherwise)
    free = shutil.disk_usage(there).free
    text = f"{shown}, {_size(free)} free"
    if free < SCARCE:
        return Finding("folders", name, text, "wrong", "free some room; a run takes about 10 MB")
    return Finding("folders", name, text, *(("note", "free some room before long runs") if free < LITTLE else ()))


def _terminal() -> Iterator[Finding]:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        yield Finding("terminal", "output", "not a terminal: plain lines, no colours, no bar")
    else:
        narrow = console.width < NARROW
        after = f"make it {NARROW} columns wide, which the tables need" if narrow else ""
        colours = f"colours {console.color_system}" if console.color_system and not console.no_color else "no colours"
        text = f"{console.width} columns, {console.height} lines, {colours}"
        yield Finding("terminal", "size", text, "note" if narrow else "ok", after)
    encoding = (sys.stdout.encoding or locale.getpreferredencoding(do_setlocale=False)).lower()
    ascii_only = "utf" not in encoding
    after = "set PYTHONIOENCODING=utf-8, or a UTF-8 locale" if ascii_only else ""
    yield Finding("terminal", "characters", encoding, "note" if ascii_only else "ok", after)


def _optional() -> Iterator[Finding]:
    for extra in metadata("tudui").get_all("Provides-Extra") or ():
        if extra in FOR_DEVELOPERS:
            continue
        packages = list(_requirements(extra))
        shown = [
            f"{name} {found or 'is not installed'}{'' if fits or not found else f', but Tudui needs {specifier}'}"
            for name, specifier, found, fits in packages
        ]
        state: State = "wrong" if any(found and not fits for _, _, found, fits in packages) else "ok"
        lacking = [f"'{name}{specifier}'" for name, specifier, _, fits in packages if not fits]
        after = f"pip install {' '.join(lacking)}" if lacking else ""
        yield Finding("optional", extra, ", ".join(shown), state, after)
    yield from _of_packages("losses", loss_spec.ENTRY_POINTS, loss_spec.LossSpec)
    yield from _of_packages("networks", network_spec.ENTRY_POINTS, network_spec.NetworkSpec)


def _of_packages(what: str, group: str, kind: type[Spec]) -> Iterator[Finding]:
    """Say whether each part of a kind loads, and which ones other packages bring."""
    own, broken = [], 0
    for point in entry_points(group=group):
        try:
            spec = read_spec(point, kind)
        except ConfigError as error:
            broken += 1
            yield Finding("optional", what, str(error), "wrong", f"no command that needs {what} works until then")
            continue
        if point.dist is not None and point.dist.name != "tudui":
            own.append(f"{spec.name} ({point.dist.name})")
    if not broken:
        yield Finding("optional", what, f"of other packages: {', '.join(own)}" if own else "Tudui's own, all load")


def _size(count: float) -> str:
    """Return a number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
