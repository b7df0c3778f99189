"""Write a config as YAML, and its JSON Schema for editors."""

import io
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tudui.config.comparison import DEFAULT_LOSSES, ComparisonConfig
from tudui.config.data_sets import FOLDER, data_sets
from tudui.config.loss_spec import ALIASES, LossSpec, loss_specs
from tudui.config.network_spec import NetworkSpec, network_specs
from tudui.config.schema import AUTO, Config
from tudui.text import STEERING, one_line, printable

NULL = "tag:yaml.org,2002:null"


def to_yaml(config: Config, comments: Mapping[str, str] | None = None) -> str:
    """Return the config as YAML, with the comments at their dotted keys."""
    return yaml_text(config.model_dump(mode="json"), comments)


def yaml_text(values: dict[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return plain values as YAML, with sections as blocks and lists on one line."""
    yaml = YAML()
    yaml.width = 200
    yaml.representer.add_representer(type(None), lambda representer, _: representer.represent_scalar(NULL, "null"))
    out = io.StringIO()
    yaml.dump(_commented(values, "", comments or {}), out)
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", out.getvalue())


def to_change(values: Config, given: Callable[[str], bool]) -> str:
    """Return a config as YAML to edit: settings not given are commented out, and all have their meaning."""
    lines: list[str] = []

    def add(section: BaseModel, above: str, indent: str) -> None:
        dumped = section.model_dump(mode="json")
        for name, field in type(section).model_fields.items():
            key, value = f"{above}{name}", getattr(section, name)
            inside = isinstance(value, BaseModel)
            text = f"{indent}{name}:" if inside else indent + yaml_text({name: dumped[name]}).rstrip()
            line = text if given(key) else f"#{text}"
            meaning = field.description or (inside and (type(value).__doc__ or "").splitlines()[0])
            lines.append(f"{line:<36}  # {meaning}" if meaning else line)
            if inside:
                add(value, f"{key}.", f"{indent}  ")

    add(values, "", "")
    return "\n".join(lines) + "\n"


def worth_a_comment(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the provenance of the values that Tudui chose: neither defaults nor set by the user."""
    return {key: origin for key, origin in provenance.items() if origin.startswith(("recipe", "auto"))}


def _commented(values: dict[str, Any], above: str, comments: Mapping[str, str]) -> CommentedMap:
    mapping = CommentedMap(values)
    for name, value in values.items():
        if isinstance(value, dict):
            mapping[name] = _commented(value, f"{above}{name}.", comments)
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            mapping[name] = CommentedSeq(_commented(one, f"{above}{name}.", {}) for one in value)
        elif isinstance(value, list):
            mapping[name] = CommentedSeq(value)
            mapping[name].fa.set_flow_style()
        elif isinstance(value, str) and STEERING.search(value):
            mapping[name] = DoubleQuotedScalarString(value)  # the only one that can escape them
        if comment := comments.get(f"{above}{name}"):
            mapping.yaml_add_eol_comment(printable(one_line(comment)), name, column=36)
    return mapping


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file or plan, with a section for each registered loss and network."""
    schema = Config.model_json_schema()
    plan = ComparisonConfig.model_json_schema()
    definitions = schema["$defs"] | plan.pop("$defs", {})
    schema["$defs"] = definitions
    schema["properties"]["loss"] = loss = _section("loss", loss_specs(), definitions)
    schema["properties"]["network"] = _section("network", network_specs(), definitions)
    own, others = {"enum": list(data_sets())}, {"type": "string", "pattern": f"^{FOLDER}."}
    data = definitions["DataConfig"]["properties"]["name"]
    del data["type"]
    data["anyOf"] = [own, others, {"type": "array", "items": {"anyOf": [own, others]}}]
    # lists are for plans: a grid of problems
    sections = {"$ref": schema["properties"]["data"]["$ref"]}
    several = {"type": "array", "items": {"anyOf": [own, others, sections]}}
    schema["properties"]["data"] = {"anyOf": [sections, several]}
    network = schema["properties"]["network"]["anyOf"]
    network.append({"type": "array", "items": {"anyOf": [*network]}})
    for section in ("optimizer", "schedule"):  # a name alone is a section, too
        names = sorted(schema["properties"][section]["discriminator"]["mapping"])
        variants = schema["properties"][section].pop("oneOf")
        del schema["properties"][section]["discriminator"]
        schema["properties"][section]["anyOf"] = [{"enum": names}, *variants]
    known = {"enum": sorted({*loss_specs(), *ALIASES})}
    plan["properties"]["variants"] = {
        "default": list(DEFAULT_LOSSES),
        "description": plan["properties"]["variants"]["description"],
        "anyOf": [
            {"type": "array", "items": known},
            {"type": "object", "additionalProperties": {"anyOf": [known, *loss["anyOf"][1:]]}},
        ],
    }
    schema["properties"]["comparison"] = plan
    for base in ("LossParameters", "NetworkParameters"):
        definitions.pop(base, None)
    return schema


def _section(part: str, specs: Mapping[str, LossSpec | NetworkSpec], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a part chosen by name: the name alone, or a section with it."""
    variants = []
    for name, spec in sorted(specs.items()):
        variant = spec.parameters.model_json_schema()
        definitions.update(variant.pop("$defs", {}))
        names = [name, "auto"] if name == AUTO[part] else [name]
        variant["properties"]["name"] = {"enum": names}
        variant["required"] = ["name"]
        formula = f": {spec.formula}" if isinstance(spec, LossSpec) else ""
        variant["title"], variant["description"] = name, f"{spec.title}{formula}"
        variants.append(variant)
    return {"anyOf": [{"enum": ["auto", *sorted(specs)]}, *variants]}
