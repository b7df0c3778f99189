"""Config: precedence, provenance, every error with its place, and nothing that makes it fall over."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tudui.config import Override, load_config, parse_set, shipped_configs
from tudui.config.dump import json_schema
from tudui.config.shipped import shipped_plans
from tudui.errors import ConfigError

BAD = sorted((Path(__file__).parent / "bad_configs").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_config_names_line_and_key(path, tudui):
    expected = path.read_text().splitlines()[0].removeprefix("# ")
    answer = tudui("config", "validate", path)
    assert answer.code == 2
    assert f"error: {path}:{expected}" in answer.err


@pytest.mark.parametrize("name", ["bce", "BCEWithLogitsLoss", "rmse", "mape", "KLDivLoss", "nll"])
def test_no_hint_leads_from_a_well_known_loss_to_another_one(name, tudui):
    answer = tudui("train", "--loss", name, "--dry-run")
    assert answer.code == 2
    assert "did you mean" not in answer.err
    assert "known: cauchy, ce, " in answer.err


def test_a_hint_says_which_loss_it_names(tudui):
    assert "did you mean 'gce' (generalised cross entropy)?" in tudui("train", "--loss", "gcee", "--dry-run").err


def test_all_errors_of_a_file_come_at_once(tudui):
    several = next(path for path in BAD if path.stem == "several")
    lines = tudui("config", "validate", several).err.splitlines()
    assert [line.split(":")[3].strip() for line in lines[:3]] == ["3", "3", "1"]
    assert len(lines) == 3


def test_flags_over_file_over_defaults(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("train:\n  epochs: 3\n  batch_size: 32\n")
    loaded = load_config(file, [parse_set("train.epochs=4")])
    assert (loaded.config.train.epochs, loaded.config.train.batch_size, loaded.config.train.drop_last) == (4, 32, True)
    assert loaded.provenance["train.epochs"] == "--set train.epochs=4"
    assert loaded.provenance["train.batch_size"] == f"{file}:3:3"
    assert loaded.provenance["train.drop_last"] == "default"
    assert loaded.provenance["optimizer.lr"] == "recipe of ce, form recipe, sgd, network tudui"


def test_a_loss_flag_replaces_the_section_and_says_so(tmp_path, tudui, sentence):
    file = tmp_path / "mine.yaml"
    file.write_text("loss:\n  name: huber\n  delta: 3\n")
    answer = tudui("config", "show", "--config", file, "--loss", "mse")
    assert answer.code == 0
    assert "delta" not in answer.out
    sentence(answer.err)


def test_parameters_beside_a_loss_flag_belong_to_it():
    loaded = load_config(None, [parse_set("loss.delta=0.5"), Override("loss", "huber", "--loss huber")])
    assert loaded.config.loss.model_dump()["delta"] == 0.5


def test_the_same_loss_by_flag_starts_its_section_afresh_too(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("loss:\n  name: ce\n  label_smoothing: 0.1\noptimizer:\n  name: sgd\n  weight_decay: 0.1\n")
    loaded = load_config(file, [Override("loss", "ce", "--loss ce"), parse_set("optimizer={name: sgd, lr: 0.1}")])
    assert loaded.config.loss.model_dump()["label_smoothing"] == 0
    assert loaded.config.optimizer.weight_decay == 5e-4
    assert loaded.provenance["optimizer.weight_decay"] == "default"
    assert loaded.provenance["optimizer.lr"] == "--set optimizer={name: sgd, lr: 0.1}"
    assert len(loaded.notes) == 2


def test_one_key_set_twice_is_an_error(sentence):
    with pytest.raises(ConfigError) as error:
        load_config(None, [Override("optimizer.lr", 0.1, "--lr 0.1"), parse_set("optimizer.lr=0.2")])
    sentence(error.value)


def test_yaml_is_1_2():
    loaded = load_config(None, [parse_set("optimizer.weight_decay=1e-3"), parse_set("data.shuffle=false")])
    assert loaded.config.optimizer.weight_decay == 0.001
    with pytest.raises(ConfigError, match=r"data\.shuffle: "):
        load_config(None, [parse_set("data.shuffle=no")])


def test_huber_that_is_mse_is_pointed_out(tudui, sentence):
    answer = tudui("config", "show", "--loss", "huber", "--set", "loss.input=probabilities", "--set", "loss.delta=1")
    sentence(answer.err)
    answer = tudui("config", "show", "--loss", "huber", "--set", "loss.input=probabilities", "--set", "loss.delta=0.5")
    assert answer.err == ""


def test_show_can_be_read_back(tudui, tmp_path):
    answer = tudui("config", "show", "--loss", "huber", "--set", "optimizer=adamw", "--provenance")
    assert "# recipe of huber, form recipe, adamw" in answer.out
    assert "# --set optimizer=adamw" in answer.out
    (tmp_path / "back.yaml").write_text(answer.out)
    again = load_config(tmp_path / "back.yaml").config
    assert again == load_config(None, [parse_set("loss=huber"), parse_set("optimizer=adamw")]).config


def test_plain_form_shows_what_torch_does(tudui):
    answer = tudui("config", "show", "--loss", "l1", "--set", "loss.form=plain")
    assert "classes: mean" in answer.out
    assert "true_class_weight: 1.0" in answer.out


def test_a_measured_band_holds_only_for_the_config_it_was_measured_with(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("expect: [0.9, 0.95]\n")
    assert load_config(file, [parse_set("seed=3")]).config.expect == (0.9, 0.95)
    assert load_config(file, [parse_set("train.epochs=3")]).config.expect is None


def test_the_schema_accepts_shipped_configs_and_refuses_a_typo(tudui):
    from ruamel.yaml import YAML

    schema = json.loads(tudui("config", "schema").out)
    assert schema == json_schema()
    for path in (*shipped_configs().values(), *shipped_plans().values()):
        jsonschema.validate(YAML(typ="safe").load(path), schema)
        assert path.read_text().startswith("# yaml-language-server: $schema=")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"loss": {"name": "ce", "delta": 1}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"train": {"epoch": 1}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"comparison": {"variants": {"h": {"name": "huber", "q": 1}}}}, schema)


def test_deep_nesting_is_an_error_and_not_a_crash(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("[" * 5000)
    with pytest.raises(ConfigError):
        load_config(path)
    path.write_text("a: " + "{a: " * 3000 + "1" + "}" * 3000)
    with pytest.raises(ConfigError):
        load_config(path)


def test_copy_refuses_to_overwrite(tudui, tmp_path, sentence):
    assert tudui("config", "copy", "digits").code == 0
    copied = load_config(tmp_path / "digits.yaml").config
    assert copied == load_config(shipped_configs()["digits"]).config
    answer = tudui("config", "copy", "digits")
    assert answer.code == 2
    sentence(answer.err)


def test_every_setting_of_a_copy_can_be_taken_in(tudui, tmp_path):
    assert tudui("config", "copy", "digits", "made/mine.yaml").out.endswith("tudui train --config made/mine.yaml\n")
    text = (tmp_path / "made" / "mine.yaml").read_text()
    taken_in, number = re.subn(r"^#(?=(?:  )*\w)", "", text, flags=re.MULTILINE)
    assert number > 30
    (tmp_path / "all.yaml").write_text(taken_in)
    assert load_config(tmp_path / "all.yaml").config == load_config(shipped_configs()["digits"]).config


def test_validate_names_what_was_typed(tudui, sentence):
    answer = tudui("config", "validate", "nope.yaml")
    assert answer.code == 2
    sentence(answer.err)


REMEDIES = [
    ("data: {shuffle: yes}", "data.shuffle", "write true"),
    ("data: {cache: off}", "data.cache", "write false"),
    ("log: {tensorboard: No}", "log.tensorboard", "write log.sinks: []"),
    ("train: {clip: None}", "train.clip", "write null"),
    ("loss: {name: ce, class_weights: none}", "loss.class_weights", "write null"),
    ("loss: {name: ce, class_weights: '1,1,2'}", "loss.class_weights", "write [1, 1, 2]"),
    ("expect: 0.8, 0.9", "expect", "write [0.8, 0.9]"),
    ("train: {epochs: 3.0}", "train.epochs", "write 3"),
    ("optimizer: {lr: '1e-3'}", "optimizer.lr", "write 1e-3 without quotes"),
    ("train: 'epochs:3'", "train", "'epochs: '"),
    ("train: epochs：3", "train", "'epochs: '"),
    ("data: digits", "data", "to choose one, set data.name"),
    ("data: folder:photos", "data", "to choose one, set data.name"),
    ("train:\n\u00a0\u00a0epochs: 3", "before", "non-breaking"),
    ("train:\n\u3000epochs: 3", "before", "full-width"),
    ("train:\n\tepochs: 3", "not YAML", "indent with spaces"),
    ("seed: 1\n---\nseed: 2", "not YAML", "remove the line ---"),
    ("seed：3", "a config", "ASCII colon"),
    (r'data: {name: "folder:C:\new\train"}', "data.name", "in double quotes"),
]


@pytest.mark.parametrize(("text", "key", "remedy"), REMEDIES)
def test_what_other_tools_accept_is_refused_with_what_to_write(text, key, remedy, tmp_path, tudui):
    (tmp_path / "mine.yaml").write_text(text)
    answer = tudui("config", "validate", "mine.yaml")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert re.match(r"error: mine.yaml:\d+:\d+: ", line)
    assert f" {key}" in line
    assert remedy in line


def test_the_remedy_for_a_value_that_cannot_be_null_is_not_null(tudui):
    assert "write null" not in tudui("config", "show", "--set", "train.epochs=None").err


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("gbk", "GBK"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE"), ("utf-16-be", "UTF-16-BE"), ("cp1252", None)],
)
def test_text_in_another_encoding_is_named(encoding, named, tmp_path, tudui):
    comment = "# 中文设置" if named else "# café"
    (tmp_path / "mine.yaml").write_bytes(f"seed: 3\n{comment}\n".encode(encoding))
    answer = tudui("config", "validate", "mine.yaml")
    if encoding == "utf-16-le":  # without a mark this is UTF-8 with zeros, which YAML refuses
        assert answer.code == 2
        return
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert "save it as UTF-8" in line
    assert ("it looks like" in line) == bool(named)
    assert not named or f"it looks like {named};" in line


def test_the_home_folder_in_paths(tmp_path, tudui, monkeypatch, class_folders):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    (tmp_path / "mine.yaml").write_text(
        "data: {name: 'folder:~/pictures', dir: ~/sets, noise_kind: asymmetric, noise_matrix: ~/m.csv}\n"
        "train: {init_from: ~/w.pt}\n"
    )
    shown = tudui("config", "show", "--config", "~/mine.yaml").out
    for place in (f"folder:{class_folders}", tmp_path / "sets", tmp_path / "m.csv", tmp_path / "w.pt"):
        assert str(place) in shown
    typed = ("--data", "folder:~/pictures", "-b", "8", "-e", "1", "-q", "--run-dir=~/run")
    assert tudui("train", *typed).code == 0
    assert f"name: folder:{class_folders}" in (tmp_path / "run" / "config.yaml").read_text()
    assert tudui("evaluate", "~/run").code == 0
    assert not list(tmp_path.rglob("~*"))
