"""The layout of a folder of images: which folders are parts, which are classes, and which files belong to them."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tudui.config.data_sets import FOLDER
from tudui.data.archives import unpack_hint
from tudui.errors import DataError
from tudui.text import printable, shown_as_it_is

# of the formats in FORMATS; Pillow knows which decoder by the content
ENDINGS = {
    *(".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pfm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tif", ".tiff", ".webp"),
}
TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "tr", "训练", "训练集"), TRAIN),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev", "development", "验证", "验证集"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "测试", "测试集"), TEST),
}
FILLERS = ("datasets", "dataset", "sets", "set", "data", "images", "image", "imgs", "img", "split", "samples")
SYSTEM = {"@eadir", "#recycle", "$recycle.bin", "__macosx", "__pycache__", "lost+found", "system volume information"}
SYSTEM |= {"thumbs.db", "desktop.ini"}
LINKED = 2  # levels where links to folders are followed: parts and classes
SHOWN = 8  # names in a message


Place = tuple[str, ...]  # names from the root to a file or folder


class Found(NamedTuple):
    """The image files by part and class, sorted, and notes for the user."""

    files: list[tuple[Path, str, str]]  # path, part, class
    notes: list[str]


class _Below(NamedTuple):
    root: Path
    images: list[Place]
    others: list[Place]
    folders: list[Place]

    def shown(self, place: Place) -> str:
        return str(self.root.joinpath(*place))


def find_classes(root: Path) -> Found:
    """Return the images of a folder `CLASS/*.jpg` or `train/CLASS/*.jpg`; DataError for a layout that is unclear."""
    check_folder(root)
    below = _look(root)
    if not below.images:
        raise DataError(
            f"{root}: no images; expected {root}/CLASS/*.jpg or {root}/train/CLASS/*.jpg "
            f"(endings: {' '.join(sorted(ENDINGS))}){_endings(below.others, '; found ')}"
            f"{unpack_hint(root)}"
        )
    top = _entrance((), below.images)
    inside = _by_folder(top, below.images)
    parts = _parts_in(below, top, inside)
    notes = [f"{root}: has one folder, so its content is read: {below.shown(top)}"] if top else []
    of_part: dict[str, list[tuple[Path, str, str]]] = {}
    for name, part in sorted(parts.items(), key=lambda item: PARTS.index(item[1])):  # an error in train comes first
        folder = _entrance((*top, name), inside[name])
        of_part[name] = _classes_in(below, folder, part, inside[name], notes)
    files = [file for _, some in sorted(of_part.items()) for file in some]
    if not parts:
        files = _classes_in(below, top, TRAIN, below.images, notes)
    elif ignored := inside.keys() - parts.keys() - {""}:
        where = f"{below.shown(top)}: images ignored in {_listed(sorted(ignored))}"
        notes.append(f"{where}; the folders of parts are called {', '.join(PARTS)}")
    if number := len(below.others):
        kinds = _endings(below.others, ": ")
        notes.append(f"{root}: {number} other file{'s' * (number > 1)} ignored{kinds}")
    return Found(files, notes)


def check_folder(root: Path) -> None:
    """Raise DataError if there is no folder at this path."""
    if root.is_file():
        raise DataError(f"{root}: is a file and not a folder{unpack_hint(root)}")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give its path with --data {FOLDER}PATH")


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted, by the rules for a class; DataError if it cannot be read."""
    return [folder.joinpath(*place) for place in sorted(_look(folder).images)]


def class_name(folder: str) -> str:
    """Return the class of a folder's name; macOS writes the same letters in another form (NFD) than other systems."""
    return unicodedata.normalize("NFC", folder)


def part_of(name: str, *, exactly: bool = True) -> str | None:
    """Return the part that a folder's name stands for; not `exactly`: that one of its words stands for."""
    words = [_without_filler(word) for word in re.findall(r"[^\W\d_]+", class_name(name).casefold())]
    words = [word for word in words if word]
    found = [WORDS[word] for word in words if word in WORDS]
    return found[0] if len(found) == 1 and (len(words) == 1 or not exactly) else None


def _without_filler(word: str) -> str:
    if word in WORDS:
        return word
    return next((word.removesuffix(filler) for filler in FILLERS if word.endswith(filler)), word)


def _look(root: Path) -> _Below:
    """Return what is below a folder, without hidden files and folders, and those that systems make."""
    below = _Below(root, [], [], [])

    def refuse(error: OSError) -> None:
        raise error

    try:
        for parent, folders, names in os.walk(root, followlinks=True, onerror=refuse):
            here, place = Path(parent), Path(parent).relative_to(root).parts
            # an empty folder with an image's name is reported like an unreadable image
            images = [name for name in folders if _named_as_image(name) and not any((here / name).iterdir())]
            inside = [name for name in sorted(folders) if _visible(name) and name not in images]
            folders[:] = [name for name in inside if len(place) < LINKED or not (here / name).is_symlink()]
            below.folders.extend((*place, name) for name in folders)
            for name in filter(_visible, (*images, *names)):
                (below.images if _named_as_image(name) else below.others).append((*place, name))
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return below


def _visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in SYSTEM


def _named_as_image(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS


def _by_folder(top: Place, places: Iterable[Place]) -> dict[str, list[Place]]:
    """Return what is below `top` by its folder there; "" for what is in `top` itself."""
    found: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        found[place[len(top)] if len(place) > len(top) + 1 else ""].append(place)
    return found


def _entrance(top: Place, images: list[Place]) -> Place:
    """Return `top`, or the folder below it with several folders, if each level above has only one."""
    inner = top
    while len(inside := _by_folder(inner, images)) == 1 and not part_of(*inside):
        if "" in inside:
            return top
        inner = (*inner, *inside)
    return top if "" in inside else inner


def _parts_in(below: _Below, top: Place, inside: dict[str, list[Place]]) -> dict[str, str]:
    """Return the parts by the names of their folders; {} if the folders are classes; DataError if that is unclear."""
    flat = {name: all(len(at) == len(top) + 2 for at in images) for name, images in sorted(inside.items()) if name}
    parts = {name: part for name in flat if (part := part_of(name))}
    if TRAIN not in parts.values():
        likely = {name: part for name in flat if not flat[name] and (part := part_of(name, exactly=False))}
        if TRAIN in likely.values() and len(set(likely.values())) > 1:
            parts = likely
    elif len(parts) == 1 and len(flat) > 1 and all(flat.values()):
        return {}  # a train among other vehicles
    names, where = _listed(parts), below.shown(top)
    if len(set(parts.values())) < len(parts):
        raise DataError(f"{where}: {names}: two of these folders are the same part of the data; keep one for each part")
    if parts and TRAIN not in parts.values():
        way = f"put the classes to train on into {where}/train/CLASS, or rename {names}"
        raise DataError(f"{where}: {names}: parts of a data set, but none is called train; {way}")
    return parts


def _classes_in(
    below: _Below, folder: Place, part: str, images: list[Place], notes: list[str]
) -> list[tuple[Path, str, str]]:
    """Return the images of a part with their classes; DataError if its folders are no classes."""
    inside, where = _by_folder(folder, images), below.shown(folder)
    loose = inside.pop("", [])
    counted = f"{where}: {len(loose):,} image{'s' * (len(loose) > 1)}"
    if loose and not inside:
        way = "" if part == TRAIN else f"; or move {folder[-1]} away, then {part} images are taken from train"
        raise DataError(
            f"{counted} in no class folder; move each into the folder of its class: {where}/CLASS/*.jpg{way}"
        )
    if loose:
        notes.append(f"{counted} in no class folder ignored")
    _refuse_layouts(where, {name: set(_by_folder((*folder, name), some)) for name, some in sorted(inside.items())})
    for empty in sorted(at for at in below.folders if at[:-1] == folder and at[-1] not in inside):
        others = [other for other in below.others if other[: len(empty)] == empty]
        notes.append(f"{printable(below.shown(empty))}: not a class: no image{_endings(others, '; found ')}")
    for name in inside:
        if not shown_as_it_is(name):
            raise DataError(f"{where}: class folder {name!r} has control characters; rename it")
    return [
        (below.root.joinpath(*image), part, class_name(name))
        for name in sorted(inside)
        for image in sorted(inside[name])
    ]


def _refuse_layouts(where: str, inside: dict[str, set[str]]) -> None:
    """Raise DataError if all folders contain the same folders: then these are the classes, or parts of each class."""
    contained, first = list(inside.values()), next(iter(inside))
    names = sorted(set.union(*contained))
    if len(contained) < 2 or "" in names:
        return
    if all(map(part_of, names)):
        way = f"put the parts first: {where}/{names[0]}/{first}"
    elif len(names) > 1 and all(found == contained[0] for found in contained):
        way = f"name one of them, for example {where}/{first}, or call them {', '.join(PARTS)}"
    else:
        return
    raise DataError(
        f"{where}: {_listed(inside)} contain the same folders ({_listed(names)}), so they are not classes; {way}"
    )


def _listed(names: Iterable[str]) -> str:
    shown = [printable(name) for name in names]
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")


def _endings(files: Iterable[Place], before: str) -> str:
    """Return how many files have each ending, the most frequent first; "" without files."""
    counts = Counter(printable(Path(place[-1]).suffix.lower()) or "no ending" for place in files).most_common(SHOWN)
    return before + ", ".join(f"{count} {ending}" for ending, count in counts) if counts else ""
