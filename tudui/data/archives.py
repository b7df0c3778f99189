"""Archives, which have to be unpacked before their images can be read."""

import shlex
from pathlib import Path

ZIP, TARS = ".zip", (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def unpack_hint(path: Path) -> str:
    """Return `; unpack it with: ...` for an archive, or for a folder with one; an empty text if there is none."""
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    archive = next((file for file in inside if file.is_file() and file.name.lower().endswith((ZIP, *TARS))), None)
    if archive is None:
        return ""
    file, folder = (shlex.quote(str(place)) for place in (archive, archive.parent))
    zipped = archive.name.lower().endswith(ZIP)
    command = f"python -m zipfile -e {file} {folder}" if zipped else f"tar -xf {file} -C {folder}"
    return f"; unpack {archive.name} first: {command}, and name the folder that comes out"
