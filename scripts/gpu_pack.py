"""What has to travel to a GPU machine without internet, beside this checkout, for `scripts/gpu_check.sh` to run there.

    scripts/gpu_pack.sh [--python 3.12] [--have FILE]    # fills gpu-pack/: our wheel, wheels that it needs, CIFAR-10
    scripts/gpu_pack.sh --check [--have FILE]            # what is missing in gpu-pack/; nothing is fetched

FILE lists the packages of that machine, as `pip freeze` prints them. It needs only Python, pip and `packaging`.
"""

import argparse
import configparser
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PACK = ROOT / "gpu-pack"
ARCHIVE = ROOT.parent / "shared" / "data" / "cifar10-jpeg.tar.gz"  # decoded there, by cifar_archive.py
MOST = 60 * 2**20  # bytes
# pip takes a wheel only if its platform is one of these to the letter
PLATFORMS = ["manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{minor}" for minor in range(5, 40))]


def metadata(wheel: Path, file: str) -> str:
    """Return a file of a wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))
        return archive.read(name).decode()


def installed(file: Path) -> dict[str, str | None]:
    """Return name and version of each package in a list; None if the version is not given."""
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    versions = {
        each.name: next((one.version for one in each.specifier if one.operator == "=="), None) for each in found
    }
    return {canonicalize_name(name): version for name, version in versions.items()}


def packed() -> dict[str, Path]:
    """Return the wheels in the folder by their package."""
    return {parse_wheel_filename(path.name)[0]: path for path in sorted((PACK / "wheels").glob("*.whl"))}


def missing(python: str, have: dict[str, str | None]) -> list[Requirement]:
    """Return what Tudui and its tests need, and what that needs, that is neither on the machine nor packed."""
    machine = {
        "python_version": python, "python_full_version": f"{python}.0", "os_name": "posix", "sys_platform": "linux",
        "platform_system": "Linux", "platform_machine": "x86_64", "implementation_name": "cpython",
        "platform_python_implementation": "CPython", "extra": "",
    }  # fmt: skip
    wheels, absent, seen = packed(), {}, set()
    waiting = [Requirement("tudui"), Requirement("pytest")]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in seen or (wanted.marker and not wanted.marker.evaluate(machine)):
            continue
        version = have.get(name)
        if name in have and (version is None or wanted.specifier.contains(version, prereleases=True)):
            continue
        seen.add(name)
        if name in wheels:
            needs = Parser().parsestr(metadata(wheels[name], "METADATA")).get_all("Requires-Dist", [])
            waiting += map(Requirement, needs)
        else:
            absent[name] = wanted
    return list(absent.values())


def wrong(python: str, have: dict[str, str | None]) -> Iterator[str]:
    """Yield what is missing in the folder, or too much."""
    yield from (f"{wanted} is neither packed nor on the machine" for wanted in missing(python, have))
    if wheel := packed().get("tudui"):
        entries = configparser.ConfigParser(delimiters="=")
        entries.read_string(metadata(wheel, "entry_points.txt"))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for group, names in {"console_scripts": project["scripts"], **project["entry-points"]}.items():
            if not entries.has_section(group) or dict(entries[group]) != names:
                yield f"{wheel.name} does not have the entry points [{group}] of pyproject.toml; pack again"
    if (size := folder_size()) > MOST:
        yield f"gpu-pack/ has {size / 2**20:.1f} MiB, and {MOST // 2**20} may travel"


def folder_size() -> int:
    """Return the bytes of the folder."""
    return sum(path.stat().st_size for path in PACK.rglob("*") if path.is_file())


def pack(python: str, have: dict[str, str | None]) -> None:
    """Fill the folder anew."""
    shutil.rmtree(PACK, ignore_errors=True)
    wheels = PACK / "wheels"
    wheels.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
    wanted = ["--python-version", python, "--implementation", "cp"]
    for name in PLATFORMS:
        wanted += ["--platform", f"{name}_x86_64"]
    while absent := missing(python, have):  # what is fetched needs other things in turn
        names = [f"{each.name}{each.specifier}" for each in absent]
        fetch = [*pip, "download", "--no-deps", "--only-binary=:all:", *wanted, "--dest", wheels, *names]
        subprocess.run(fetch, check=True)
    if ARCHIVE.exists():
        shutil.copyfile(ARCHIVE, PACK / ARCHIVE.name)


def main() -> int:
    """Pack or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", help="Python there (default: 3.12)")
    parser.add_argument(
        "--have", type=Path, default=Path(__file__).with_name("gpu_packages.txt"), help="packages there"
    )
    parser.add_argument("--check", action="store_true", help="say what is missing, and fetch nothing")
    given = parser.parse_args()
    have = installed(given.have)
    if not given.check:
        pack(given.python, have)
    problems = list(wrong(given.python, have))
    for path in sorted(PACK.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size / 2**20:8.2f} MiB  {path.relative_to(ROOT)}")
    print(f"{folder_size() / 2**20:8.2f} MiB  in all, of {MOST // 2**20}")
    if not (PACK / ARCHIVE.name).exists():
        print(f"note: without {ARCHIVE} random images take the place of CIFAR-10, and no accuracy is measured")
    print("\n".join(f"wrong: {problem}" for problem in problems) or "nothing is missing")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
