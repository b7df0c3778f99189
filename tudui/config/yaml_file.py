"""Read YAML 1.2 as plain values, with the line and column of every key."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tudui.errors import ConfigError
from tudui.files import opened
from tudui.text import AS_UTF_8, encoding_of

Key = tuple[str, ...]
MAX_BYTES = 256 * 1024
MAX_SCALAR = 4096  # characters of a key or value; a path may be long
MAX_DEPTH = 16
TOO_DEEP = "nested too deeply; a config has at most three levels"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# part of the parser's message: what to do
REMEDIES = {
    r"'\t' that cannot start": "; indent with spaces",
    "another document": "; a config is one document, so remove the line ---",
}
SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}


@dataclass
class Document:
    """The values of a file and the position `line:column` (from 1) of each key."""

    values: dict[str, Any]
    positions: dict[Key, str] = field(default_factory=dict)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.yaml = YAML(typ="safe", pure=True)
        self.positions: dict[Key, str] = {}
        self.problems: list[str] = []

    def parse(self, text: str) -> Any:
        """Return the value of a YAML text; ConfigError lists all problems."""
        try:
            with warnings.catch_warnings(action="ignore"):  # of an anchor that is set twice; all are refused
                node = self.yaml.compose(text)
            value = None if node is None else self.value(node, ())
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
            why = str(error.problem or error.context)
            remedy = next((remedy for part, remedy in REMEDIES.items() if part in why), "")
            self.problems.append(f"{self.source}:{where}: not YAML: {why}{remedy}")
        except (YAMLError, YAMLStreamError) as error:
            self.problems.append(f"{self.source}: not YAML: {' '.join(str(error).split())}")
        except RecursionError:
            self.problems.append(f"{self.source}: {TOO_DEEP}")
        if self.problems:
            raise ConfigError(self.problems)
        return value

    def problem(self, node: Node, key: Key, what: str) -> None:
        name = f"{'.'.join(key)}: " if key else ""
        mark = node.start_mark
        self.problems.append(f"{self.source}:{mark.line + 1}:{mark.column + 1}: {name}{what}")

    def value(self, node: Node, key: Key) -> Any:
        text = str(node.value) if isinstance(node, ScalarNode) else ""
        what = ""
        if node.anchor is not None:  # also the target of an alias, so that no value can be expanded endlessly
            what = "anchors and aliases are not supported; write the value out"
        elif node.tag not in PLAIN:
            what = f"the tag {node.tag} is not supported; write a plain value"
        elif len(key) > MAX_DEPTH:
            key, what = (), TOO_DEEP
        elif len(text) > MAX_SCALAR:
            what = f"{len(text)} characters are too many; at most {MAX_SCALAR} are allowed"
        elif SURROGATE.search(text):
            what = "contains half a character (a surrogate); write the whole character"
        elif CONTROL.search(text):
            what = r"contains a line break or a control character; in double quotes, \ begins one: write / or use '...'"
        elif isinstance(node, MappingNode):
            return self.mapping(node, key)
        elif isinstance(node, SequenceNode):
            return [self.value(item, (*key, str(index))) for index, item in enumerate(node.value)]
        else:
            try:
                return self.yaml.constructor.construct_object(node)
            except (ConstructorError, ValueError, OverflowError) as error:
                what = f"cannot be read: {error}"
        self.problem(node, key, what)
        return None

    def mapping(self, node: MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, ScalarNode) or name_node.anchor or len(name_node.value) > MAX_SCALAR:
                self.problem(name_node, key, f"a key must be plain text of at most {MAX_SCALAR} characters")
                continue
            name = SURROGATE.sub("�", str(name_node.value))
            path = (*key, name)
            if name != name.strip():
                self.problem(
                    name_node,
                    key,
                    f"before or after {name.strip()} is a full-width or non-breaking space; type a plain one",
                )
                continue
            if name in values:
                self.problem(name_node, path, f"set twice, first at {self.positions[path]}; remove one")
                continue
            self.positions[path] = f"{name_node.start_mark.line + 1}:{name_node.start_mark.column + 1}"
            values[name] = self.value(value_node, path)
        return values


def read_yaml(path: Path) -> Document:
    """Read a YAML mapping; ConfigError lists all problems, with line and column."""
    try:
        with opened(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{path}: too long for a config; at most {MAX_BYTES} bytes are allowed"])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        encoding = encoding_of(data)
        looks = f"; it looks like {encoding}" if encoding else ""
        raise ConfigError([f"{path}: not UTF-8 text (byte {error.start}){looks}; {AS_UTF_8}"]) from None
    reader = _Reader(str(path))
    values = reader.parse(text)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        hint = "; write an ASCII colon and a space" if "：" in str(values) else ""
        raise ConfigError([f"{path}:1:1: a config is a mapping `key: value` (got {type(values).__name__}){hint}"])
    return Document(values, reader.positions)


def read_value(text: str, source: str) -> Any:
    """Read one YAML value, as written after `=` in an override."""
    return _Reader(source).parse(text)
