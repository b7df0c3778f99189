"""What a file is that torch cannot read as weights, and what to do with it. Nothing in it is executed."""

import zipfile
from pathlib import Path

from tudui.files import opened

ANOTHER_COPY = "; use another copy"
SAVE = "save the state_dict of the model with torch.save"
HEADS = {
    b"version https://git-lfs": "is a Git LFS pointer and not the file itself; fetch that with: git lfs pull",
    b"\x89HDF": f"is an HDF5 file, as Keras writes; {SAVE}",
    b"\x93NUMPY": f"is a NumPy array; {SAVE}",
    b"\x1f\x8b": "is a gzip archive; unpack it",
    b"BZh": "is a bzip2 archive; unpack it",
    b"\xfd7zXZ": "is an xz archive; unpack it",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"Rar!": "is a RAR archive; unpack it",
    b"\x89PNG": "is an image; name a weights file",
    b"\xff\xd8\xff": "is an image; name a weights file",
}
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")
PART = f"is only a part of a file, for example half a download{ANOTHER_COPY}"
UNTIL = 1024  # bytes that are looked at


def what_it_is(path: Path) -> str | None:
    """Return what is known of a file that holds no weights, with the next step; None for one that may hold them."""
    with opened(path) as file:
        head = file.read(UNTIL)
        archived = zipfile.is_zipfile(file)
    if not head:
        return f"is empty{ANOTHER_COPY}"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        return "is a web page, as a download that needs a login gives; download the file itself"
    if found := next((text for start, text in HEADS.items() if head.startswith(start)), None):
        return found
    if archived:
        return _archive(path)
    if head.startswith(b"PK\x03\x04"):  # the list of what a zip archive contains is at its end
        return PART
    if not any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in head):
        return "is a text file; name a weights file"
    return None


def _archive(path: Path) -> str | None:
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    folders = {part for entry in entries for part in entry.filename.split("/")[:-1]}
    if "constants.pkl" in names or "code" in folders:
        return (
            "is TorchScript, a program with weights; if you trust it, save the weights alone with: "
            f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pth')"
        )
    if "archive_format" in names or "serialized_exported_program.json" in names:
        return f"is a program of torch.export; {SAVE}"
    if "data.pkl" not in names:
        some = ", ".join(sorted(names - {""})[:3])
        return f"is a zip archive without weights of torch ({some}); unpack it, or {SAVE}"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return f"is a compressed archive, and torch.save does not compress; {SAVE}"
    return None
