"""TensorBoard over runs and comparisons."""

import io
import ipaddress
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from itertools import chain
from os import fspath
from pathlib import Path
from typing import Any

from tudui.api.configs import Named
from tudui.api.console import note
from tudui.errors import UsageError
from tudui.files import files_below
from tudui.invocation import tudui_command
from tudui.run_folder import is_comparison
from tudui.text import in_a_line

EVENTS = "tensorboard"  # the folder of a run's event files, and of a comparison's
# makes TensorBoard give one colour to runs with the same name before the last dash: the seeds of a loss
BY_LOSS = "?runColorGroup=regex:(.*)-"
IF_NONE_DIFFERS = ("loss.name", "network.name", "optimizer.lr")  # the settings under HParams


@dataclass(frozen=True)
class Dashboard:
    """A TensorBoard that runs in this process until the block ends."""

    address: str
    for_others: bool  # whether other machines can open it
    runs: Path
    links: Path | None  # None: TensorBoard reads the folder of runs itself

    def refresh(self) -> None:
        """Add new runs, and remove those that were deleted."""
        with suppress(OSError):  # a run may be deleted at the same time
            if self.links:
                _link(self.runs, self.links)


@contextmanager
def tensorboard(runs: Named = "runs", *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Dashboard]:
    """Start TensorBoard on a run, a folder of runs or a comparison; port 0 takes a free one.

    UsageError if there is nothing to show, or if it cannot listen.
    """
    runs = Path(fspath(runs))
    if not runs.is_dir():
        raise UsageError(f"{runs}: no such folder; train first: {tudui_command()} train --loss ce")
    if next(_event_files(runs), None) is None and not _is_under_way(runs):
        raise UsageError(
            f"{runs}: contains no event files; name a folder of runs, or train with --set log.sinks=[tensorboard]"
        )
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError for a name like a..b
        raise UsageError(
            f"--host {host}: {getattr(error, 'strerror', None) or error}; omit it to listen on this machine only"
        ) from None
    with ExitStack() as stack:
        links = None
        try:
            links = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tudui-"))) / _name(runs)
            _link(runs, links)
        except OSError as error:  # no or a full temporary folder, or a system without symbolic links
            links = None
            note(f"TensorBoard shows its own names of runs, because links cannot be made: {in_a_line(error)}")
        address = _launch(links or runs, host=host, port=port, in_a_process=links is not None) + (
            BY_LOSS if is_comparison(runs) else ""
        )
        yield Dashboard(address, not _is_loopback(host), runs, links)


def _launch(folder: Path, *, host: str, port: int, in_a_process: bool) -> str:
    """Start the server in threads of this process, and return its address.

    Files are read in a faster process of their own, which needs a temporary folder, or in another thread.
    """
    from tensorboard import program

    server = program.TensorBoard(plugins=_pages())
    load_fast = "auto" if in_a_process else "false"
    server.configure(
        argv=["tensorboard", "--logdir", str(folder), "--host", host, "--port", str(port), "--load_fast", load_fast]
    )
    try:
        with redirect_stderr(io.StringIO()):  # messages on how it reads files
            return str(server.launch())
    except program.TensorBoardServerException as error:
        raise UsageError(f"--host {host} --port {port}: {error}; omit both to use a free port") from None


def _pages() -> list[Any] | None:
    """Return TensorBoard's pages, of which HParams shows only those settings of single runs that differ.

    It begins with five settings, whether they differ or not, and so the scores are outside of a window of 1,280 pixels.
    This uses parts that another version of TensorBoard may not have; None, which is its own pages, without them.
    """
    try:
        from tensorboard import default
        from tensorboard.plugins.hparams.backend_context import Context
        from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin

        pages = default.get_plugins()
    except (ImportError, AttributeError):
        return None

    class Differing(Context):  # type: ignore[misc]  # TensorBoard has no types
        # not called for a comparison, which names its columns
        def _compute_hparam_infos(self, *arguments: Any) -> list[Any]:
            found = super()._compute_hparam_infos(*arguments)
            return [one for one in found if one.differs] or [one for one in found if one.name in IF_NONE_DIFFERS]

    class HParams(HParamsPlugin):  # type: ignore[misc]  # the same
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            with suppress(TypeError):  # another version makes it from something else, and keeps its own
                self._context = Differing(*arguments)

    return [HParams if page is HParamsPlugin else page for page in pages]


def _link(runs: Path, shown: Path) -> None:
    """Update what TensorBoard shows: for each run a folder of its name, with links to its event files."""
    shown.mkdir(exist_ok=True)
    for path in files_below(shown):
        if not path.exists():
            path.unlink()
    for name, file in _event_files(runs):
        link = shown / name / file.name
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.absolute())


def _event_files(runs: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (run name, event file) for each event file; the name is its path without `tensorboard` folders."""
    root, files = runs, files_below(runs)
    if is_comparison(runs):
        done = (runs / EVENTS).is_dir()  # made by the report; links to the runs of the plan
        root = runs / (EVENTS if done else "runs")
        files = chain.from_iterable(map(files_below, root.iterdir())) if done else files_below(root)
    for file in files:
        if "tfevents" not in file.name:
            continue
        between = [part for part in file.parent.relative_to(root).parts if part != EVENTS]
        yield Path(*between or [_name(root)]), file


def _name(runs: Path) -> str:
    """Return a folder's name; for a folder of event files, the run's."""
    whole = runs.resolve()
    return (whole.parent if whole.name == EVENTS else whole).name


def _is_under_way(runs: Path) -> bool:
    """Return whether a run or comparison below is unfinished; its event files may not exist yet."""
    return any(
        not any((lock.parent / result).exists() for result in ("result.json", "comparison.json", "problems.json"))
        for lock in files_below(runs)
        if lock.suffix == ".lock"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
