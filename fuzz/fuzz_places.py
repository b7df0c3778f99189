"""Fuzzing of where a command runs: its folders of images, home and cache, working directory, and closed streams.

A case is a number. From it come a folder of images, with odd names, links, depths and permissions; an environment;
streams that are closed, full or without a reader; and a command. The command runs in a fork of this process, which has
imported torch, so a case takes a part of a second. It must end by itself, without a traceback, with a known exit code,
and with a line on stderr if it fails.
"""

import contextlib
import faulthandler
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
import torchvision  # noqa: F401  # before the fork
from fuzz_case import Target
from fuzz_data import photograph

from tudui import api, diagnosis, rehearsal  # noqa: F401  # before the fork
from tudui.cli import app  # noqa: F401  # before the fork
from tudui.config import load_config, parse_set
from tudui.inference import export, predict, scores  # noqa: F401  # before the fork
from tudui.lab import pictures  # noqa: F401  # before the fork: to import matplotlib takes long
from tudui.run import train

CODES = {0, 1, 2, 3, 4, 5, 6, 7}  # as documented; 1 also for what `doctor` finds
PATIENCE = 60  # seconds, on a machine that others use
NOBODY = 54321  # a user without a name
ODD_NAMES = (
    "two words",
    "-dash",
    "--help",
    "[bold]",
    "%s",
    "a'b",
    'a"b',
    "é",
    "e\u0301",
    "猫",
    "🐈",
    "\u202eabc",
    "a\nb",
    "a\tb",
    "\udcff",
    "$HOME",
    "~",
    "*",
    "#",
    ";",
    "&",
    "{x}",
    "con",
    "x" * 200,
    ".hidden",
    "@eaDir",
    "__MACOSX",
    "train",
    "test",
    "val",
    "Valid",
    "0",
    "nan",
    "a.png",
    "__pycache__",
    ".ipynb_checkpoints",
    "=1+1",
    "\x1b[31m",
    "None",
    "a\\b",
    " x ",
)
ENDINGS = ("png", "PNG", "jpg", "gif", "webp", "jfif", "txt", "JPeG", "tiff", "heic", "")
COMMANDS = (
    "data check {data}",
    "data check {data} --json",
    "train --data folder:{data} -o new {quick}",
    "train --data folder:{data} -o new {quick} --on-bad-image skip",
    "train --data folder:{data} --dry-run {quick}",
    "evaluate {run}",
    "evaluate {run} --data folder:{data} --on-bad-image skip --json",
    "predict {run} {data}",
    "predict {run} {data} --csv --on-bad-image skip",
    "predict {run} {data} --out found.csv",
    "runs .",
    "runs {data}",
    "train --resume {run} --data folder:{data}",
    "train --data folder:{kept} {quick} -o {data}/new",
    "export {run} new.safetensors",
    "report {data}",
    "evaluate {data}",
    "config validate {data}",
    "config show --data folder:{data}",
    "config list",
    "train --data folder:{kept} --init-from {data} {quick}",
    "loss list",
    "loss plot ce --out plot.png",
    "loss value ce --input 1,2 --target 0",
    "data list",
    "doctor --data-dir {data}",
    "--version",
    "--help",
    "backward layers --data folder:{data}",
    "line-fit",
    "compare-losses --data folder:{data} --dry-run",
    "tensorboard {data} --host a..b",
    "data check cifar10 --data-dir {data}",
    "",
    "train --set data.noise_matrix={data} {quick}",
    "no-such-command",
)
QUICK = ["-e", "1", "-b", "64", "--set", "train.threads=1", "--set", "device=cpu", "--set", "log.every=1"]


def places(folder: Path) -> Target:
    """Folders, environments and streams."""
    run, kept = folder / "places" / "run", folder / "places" / "pictures"
    config = [f"data.name=folder:{kept}", "train.epochs=1", "train.batch_size=8", "train.threads=1", "device=cpu"]
    for number in range(20):
        (kept / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        photograph(number).save(kept / "ab"[number % 2] / f"{number}.png")
    if not run.exists():
        train(load_config(None, [parse_set(text) for text in config]).config, run)
    image = (kept / "a" / "0.png").read_bytes()
    torch.set_num_threads(1)

    def read(content: bytes) -> None:
        case = folder / "case"
        _remove(case)
        case.mkdir()
        _try(Random(content), case, run, image)

    return Target([bytes([number]) for number in range(8)], lambda _, random: random.randbytes(8), read)


def _try(random: Random, case: Path, run: Path, image: bytes) -> None:
    """Build a case, run it in a fork, and check how it ended."""
    data = case / _name(random)
    closed = _build(random, data, image) if random.random() < 0.95 else []
    words = [
        part
        for word in random.choice(COMMANDS).split()
        for part in (
            QUICK
            if word == "{quick}"
            else [word.format(data=_given(random, data, case), run=run, kept=run.parent / "pictures")]
        )
    ]
    environment, here = _environment(random, case), case
    if random.random() < 0.05:
        here = case / "gone"
        here.mkdir()
    for path in closed:
        path.chmod(0)
    out, err = case / ".out", case / ".err"
    streams = [random.choice(["file"] * 5 + ["closed", "full", "unread"]) for _ in range(2)]
    faulthandler.cancel_dump_traceback_later()  # the limit of other targets is shorter
    signal.alarm(PATIENCE + 5)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(words, environment, here, out, err, streams, nobody=random.random() < 0.3)
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() - began > PATIENCE:
            os.kill(pid, 9)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(ended[1])
    texts = [path.read_bytes().decode(errors="replace") if path.exists() else "" for path in (out, err)]
    what = f"{words} {environment} {streams}: exit code {code}\n{texts[0][-500:]}\n{texts[1][-3000:]}"
    assert "Traceback" not in texts[0] + texts[1], what
    assert "Exception ignored" not in texts[1], what
    assert "Warning: " not in texts[1], what
    assert code in CODES, what
    assert code == 0 or streams[1] != "file" or texts[1].strip() or texts[0].strip(), what


def _child(
    words: list[str], environment: dict[str, str], here: Path, out: Path, err: Path, streams: list[str], *, nobody: bool
) -> None:
    """Become the command, and end this process."""
    code = 70
    try:
        os.chdir(here)
        if here.name == "gone":
            here.rmdir()
        for number, path, stream in ((1, out, streams[0]), (2, err, streams[1])):
            _redirect(number, path, stream)
        os.environ.update(environment)
        for name in [name for name, value in environment.items() if value == "unset"]:
            del os.environ[name]
        needed = [*here.parents, *Path(os.__file__).parents]  # another user must reach the folder and Python
        if nobody and here.exists() and all(place.stat().st_mode & 1 for place in needed) and os.getuid() == 0:
            here.chmod(0o777)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        sys.argv = ["tudui", *words]
        for number, name in ((1, "stdout"), (2, "stderr")):  # as Python starts
            kept = None if streams[number - 1] == "closed" else open(number, "w", closefd=False)  # noqa: SIM115
            setattr(sys, name, kept)
        from tudui.__main__ import main

        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        for stream in (sys.stdout, sys.stderr):  # as Python does when it ends
            stream.flush()
    except BaseException:
        import traceback

        with err.open("a") as file:
            traceback.print_exc(file=file)
        code = 71
    finally:
        os._exit(code)


def _redirect(number: int, path: Path, stream: str) -> None:
    """Let a file number be a file, a full disk, a pipe that nobody reads, or closed."""
    if stream == "closed":
        os.close(number)
        return
    if stream == "unread":
        reader, file = os.pipe()
        os.close(reader)
    else:
        file = os.open("/dev/full" if stream == "full" else path, os.O_WRONLY | os.O_CREAT, 0o666)
        os.fchmod(file, 0o666) if stream == "file" else None
    os.dup2(file, number)
    os.close(file)


def _name(random: Random) -> str:
    return random.choice(ODD_NAMES) if random.random() < 0.3 else f"n{random.randrange(10**6)}"


def _given(random: Random, data: Path, case: Path) -> str:
    """Return how a user may write the path of the folder."""
    below = str(data.relative_to(case))
    return random.choice([str(data), below, f"./{below}", f"{below}/", f"{below}/../{below}", f"{data}//"])


def _build(random: Random, data: Path, image: bytes) -> list[Path]:
    """Make a folder of images, more or less; return what is to be closed at the end."""
    kind = random.choice(["classes"] * 4 + ["parts"] * 3 + ["flat", "file", "empty", "link", "deep"])
    closed: list[Path] = []
    if kind == "file":
        data.write_bytes(image)
        return closed
    if kind == "link":
        data.symlink_to(random.choice([data.name, "nowhere", "/dev/null", "..", "/proc/self"]))
        return closed
    data.mkdir()
    if kind == "empty":
        return closed
    tops = [data]
    if kind == "parts":
        names = random.sample(
            ["train", "test", "val", "valid", "validation", "Training", "other"], random.randint(1, 3)
        )
        tops = [data / name for name in names]
    elif kind == "deep":
        tops = [data.joinpath(*("d" * random.randint(1, 40) for _ in range(random.randint(1, 30))))]
    for top in tops:
        top.mkdir(parents=True, exist_ok=True)
        if kind == "flat":
            _fill(random, top, image, closed)
            continue
        for _ in range(random.randint(0, 4)):
            label = top / _name(random)
            if random.random() < 0.1:
                _odd(random, label, image, closed)
            elif not os.path.lexists(label):
                label.mkdir()
                _fill(random, label, image, closed)
    if random.random() < 0.05:
        closed.append(random.choice(tops))
    return closed


def _fill(random: Random, folder: Path, image: bytes, closed: list[Path]) -> None:
    for number in range(random.choice([0, 1, 2, 5, 12])):
        path = (
            folder / f"{number if random.random() < 0.8 else _name(random)}.{random.choice(ENDINGS[:1] * 9 + ENDINGS)}"
        )
        if os.path.lexists(path):
            continue
        if random.random() < 0.1:
            _odd(random, path, image, closed)
        else:
            path.write_bytes(image if random.random() < 0.95 else image[: random.randrange(len(image))])


def _odd(random: Random, path: Path, image: bytes, closed: list[Path]) -> None:
    """Put something there that is no plain image."""
    makers: list[Callable[[], object]] = [
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to(".."),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/dev/full"),
        lambda: path.symlink_to("/etc/passwd"),
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.write_bytes(b""),
        lambda: path.write_text("<html>"),
        lambda: path.write_bytes(image) and closed.append(path),
        lambda: (path.mkdir(), closed.append(path)),
        lambda: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)),
        lambda: path.mkdir() or path.joinpath("a.png").mkdir(),
    ]
    with contextlib.suppress(OSError):  # a name that is too long for a socket
        random.choice(makers)()


def _environment(random: Random, case: Path) -> dict[str, str]:
    """Return variables, and make the folders that they name; `unset` removes one."""
    (case / "open").mkdir()
    (case / "shut").mkdir()
    (case / "shut").chmod(0)
    (case / "a file").write_text("")
    (case / "away").symlink_to("nowhere")
    values = {name: str(case / name) for name in ("open", "shut", "a file", "away")}
    some = [
        "unset",
        *values.values(),
        "",
        "relative",
        "/proc",
        "/dev/null",
        "/dev/full/x",
        f"{case}/{'x' * 300}",
        "~/x",
    ]
    chosen = {name: random.choice(some) for name in ("HOME", "XDG_CACHE_HOME", "TUDUI_CACHE", "MPLCONFIGDIR", "TMPDIR")}
    if random.random() < 0.6:
        chosen["TUDUI_CACHE"] = values["open"]
    chosen["COLUMNS"] = random.choice(["unset", "80", "0", "-5", "x", "1", "100000"])
    chosen["TERM"] = random.choice(["dumb", "xterm", "", "unset"])
    chosen["LANG"] = random.choice(["C", "C.UTF-8", "de_DE.ISO-8859-1", "unset", "x"])
    os.environ.setdefault("COLUMNS", "80")
    return {name: value for name, value in chosen.items() if value != "unset" or name in os.environ}


def _remove(path: Path) -> None:
    """Delete a case, with what is closed in it."""
    for parent, folders, _ in os.walk(path):
        for name in folders:
            place = Path(parent, name)
            if not place.is_symlink():
                place.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":  # places FOLDER RUNS: without atheris, because nothing is gained by guiding
    from fuzz_case import passes

    where, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    where.mkdir(parents=True, exist_ok=True)
    target, counts, begun = places(where), {True: 0, False: 0}, time.monotonic()
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    failed = 0
    for number in range(first, first + runs):
        if number % 100 == 0:
            print(f"{number - first} cases, {failed} failed", flush=True)
        try:
            counts[passes(target, random.Random(number).randbytes(8))] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            print(f"--- case {number}: {type(error).__name__}: {error}", flush=True)
    print(
        f"{runs} cases in {time.monotonic() - begun:.0f} s: {counts[True]} accepted, {counts[False]} refused, "
        f"{failed} failed"
    )
