"""`table:FILE.csv`: how files are read, what they become, and every command on a run that was trained on one."""

import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris

from tests.conftest import record
from tudui.config.schema import DataConfig
from tudui.csv_file import MAX_LINE, open_csv
from tudui.data import dataset_of, read_source
from tudui.errors import DataError, UsageError
from tudui.exported import read_safetensors

IRIS, DIABETES = load_iris(), load_diabetes(scaled=False)
ROWS = [[round(value, 2) for value in (number / 3, 100 - number * number / 20)] for number in range(60)]
CITIES = ["Köln", "Rome", "Paris"]


def write(path: Path, names, rows, *, encoding="utf-8", **how) -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, **how)
        writer.writerows([names, *rows])
    return path


@pytest.fixture
def iris(tmp_path) -> Path:
    rows = [[*row, IRIS.target_names[kind]] for row, kind in zip(IRIS.data, IRIS.target, strict=True)]
    return write(tmp_path / "iris.csv", ["a", "b", "c", "d", "species"], rows)


@pytest.fixture
def prices(tmp_path) -> Path:
    """Two numbers, a text, and a target of numbers."""
    rows = [[*row, CITIES[number % 3], 10 * row[0] + number % 3] for number, row in enumerate(ROWS)]
    return write(tmp_path / "prices.csv", ["size", "age", "city", "price"], rows)


def read(path, target="price", **keys):
    return read_source(DataConfig(name=f"table:{path}", target=target, **keys))


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


# Reading


def test_numbers_stay_and_each_text_becomes_a_column(prices):
    source = read(prices)
    assert source.features == ("size", "age", "city=Köln", "city=Paris", "city=Rome")
    assert source.store.dtype == torch.float32
    np.testing.assert_allclose(source.store[:, :2], ROWS, rtol=1e-6)
    expected = [[city == CITIES[number % 3] for city in ("Köln", "Paris", "Rome")] for number in range(60)]
    assert source.store[:, 2:].tolist() == np.array(expected, float).tolist()
    assert source.task.kind == "numbers"
    np.testing.assert_allclose(source.targets[:, 0], [10 * row[0] + number % 3 for number, row in enumerate(ROWS)])


def test_a_text_as_target_makes_classes_in_the_order_of_their_names(iris):
    source = read(iris, "species")
    assert source.task.names == ("setosa", "versicolor", "virginica")
    assert source.targets.tolist() == IRIS.target.tolist()
    np.testing.assert_allclose(source.store, IRIS.data, rtol=1e-6)


def test_standardising_uses_the_training_rows_and_leaves_texts(prices):
    config = DataConfig(name=f"table:{prices}", target=("price",))
    data = dataset_of(read_source(config), config, seed=0)
    prepared = data.preparation(data.train.images)
    np.testing.assert_allclose(prepared[:, :2].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(prepared[:, :2].std(0, correction=0), 1, atol=1e-5)
    assert torch.equal(prepared[:, 2:], data.train.images[:, 2:])


@pytest.mark.parametrize(
    ("encoding", "delimiter", "comma", "said"),
    [
        ("utf-8-sig", ",", False, None),
        ("utf-8", ";", True, "separated by semicolons, decimal commas"),
        ("utf-8", "\t", False, "separated by tabs"),
        ("utf-16", ",", False, "encoding UTF-16"),
        ("utf-16-le", ";", True, "separated by semicolons, decimal commas, encoding UTF-16-LE"),
        ("cp1252", ",", False, "encoding Windows-1252"),
    ],
)
def test_encoding_separator_and_decimal_comma_are_recognised_and_said(tmp_path, encoding, delimiter, comma, said):
    rows = [[*row, CITIES[number % 3], row[0]] for number, row in enumerate(ROWS)]
    if comma:
        rows = [[str(cell).replace(".", ",") for cell in row] for row in rows]
    path = write(tmp_path / "t.csv", ["size", "age", "city", "price"], rows, encoding=encoding, delimiter=delimiter)
    source = read(path, ignore=("size",))
    np.testing.assert_allclose(source.targets[:, 0], [row[0] for row in ROWS], rtol=1e-6)
    assert "city=Köln" in source.features
    assert [note.partition(": ")[2] for note in source.notes if "separated" in note or "encoding" in note] == [
        *([said] if said else [])
    ]


def test_chinese_text_in_gbk_is_not_taken_for_another_encoding(tmp_path):
    rows = [[*row, ("北京", "上海")[number % 2]] for number, row in enumerate(ROWS)]
    path = write(tmp_path / "t.csv", ["大小", "年龄", "城市"], rows, encoding="gbk")
    assert open_csv(path).encoding == "GBK"
    assert read(path, "城市").task.names == ("上海", "北京")


def test_quoted_cells_may_have_separators_line_breaks_and_quotes(tmp_path):
    names = ["a,b", 'say "x"', "kind"]
    path = write(
        tmp_path / "t.csv", names, [[*row, "one\ntwo" if number % 2 else "x, y"] for number, row in enumerate(ROWS)]
    )
    with pytest.raises(DataError, match=r"t\.csv:3: kind: has control characters"):
        read(path, "kind")  # a class of two lines would break tables; the line counts the lines of the file
    rows = [[*row, 'a "b"' if number % 2 else "x, y"] for number, row in enumerate(ROWS)]
    source = read(write(path, names, rows), "kind")
    assert source.features == ("a,b", 'say "x"')
    assert source.task.names == ('a "b"', "x, y")


def test_a_column_of_parts_decides_them(tmp_path):
    parts = ["train"] * 40 + ["val"] * 8 + ["test"] * 12
    rows = [[*row, part] for row, part in zip(ROWS, parts, strict=True)]
    source = read(write(tmp_path / "t.csv", ["a", "price", "Split"], rows))
    assert source.features == ("a",)
    assert {name: rows.tolist() for name, rows in source.parts.items()} == {
        "train": list(range(40)), "validation": list(range(40, 48)), "test": list(range(48, 60))
    }  # fmt: skip


def test_several_targets_of_numbers(prices):
    source = read(prices, ("price", "age"))
    assert source.task.names == ("price", "age")
    assert source.targets.shape == (60, 2)
    with pytest.raises(UsageError, match="city is not a number"):
        read(prices, ("price", "city"))


# What is pointed out


@pytest.mark.parametrize(
    ("name", "cell", "said", "kept"),
    [
        ("when", lambda number: f"2024-01-{number % 28 + 1:02}", "dates are left out: when", False),
        ("when", lambda number: f"{number % 28 + 1}.2.2024 10:00", "dates are left out: when", False),
        ("name", lambda number: f"person {number}", "more than 100 different", False),
        ("text", lambda number: "word " * 60, "very long texts", False),
        ("empty", lambda number: "", "without values are left out: empty", False),
        ("row", lambda number: number + 7, "only number the rows: row; leave the column out with", True),
        ("user_id", lambda number: number * 7919 % 1009, "look like ids: user_id; leave the column out with", True),
        ("total", lambda number: 2 * number, "alone give the target: total; leave the column out with", True),
    ],
)
def test_what_is_no_feature_is_pointed_out(tmp_path, name, cell, said, kept):
    rows = [[number % 7, cell(number), 2 * number] for number in range(150)]
    source = read(write(tmp_path / "t.csv", ["a", name, "price"], rows))
    assert any(said in note for note in source.notes), source.notes
    assert source.features == (("a", name) if kept else ("a",))
    assert read(tmp_path / "t.csv", ignore=(name,)).features == ("a",)


def test_few_whole_numbers_are_numbers_until_the_user_says_that_they_are_classes(tmp_path):
    path = write(tmp_path / "t.csv", ["a", "b", "y"], [[*row, number % 3] for number, row in enumerate(ROWS)])
    source = read(path, "y")
    assert source.task.kind == "numbers"
    (note,) = [note for note in source.notes if "data.text=[y]" in note]
    assert "3 different whole numbers" in note
    source = read(path, "y", text=("y",))
    assert source.task.names == ("0", "1", "2")
    assert source.targets.tolist() == [number % 3 for number in range(60)]


@pytest.mark.parametrize("form", ["{}", "kind {}"])
def test_a_column_that_gives_the_class_is_pointed_out(iris, form):
    text = iris.read_text().replace("species", "code,species")
    for number, name in enumerate(IRIS.target_names):
        text = text.replace(f",{name}\n", f",{form.format(7 - number)},{name}\n")
    iris.write_text(text)
    assert any("alone give the target: code" in note for note in read(iris, "species").notes)


# Missing values


def test_data_check_shows_a_table_whose_missing_values_are_refused(prices, tudui):
    rows = prices.read_text().splitlines()
    cells = [row.split(",") for row in rows[1:]]
    cells[4][0], cells[9][0] = "", ""
    place = rows[0].split(",").index("price")
    cells[11][place] = "1e6"
    prices.write_text("\n".join([rows[0], *map(",".join, cells)]) + "\n")
    few = prices.with_name("few.csv")
    few.write_text("a,price\n" + "".join(f"{n},{n if n % 2 else ''}\n" for n in range(30)))
    answer = tudui("data", "check", prices, "--target", "price")
    assert answer.code == 3
    assert "size 2 (the first on line 6)" in answer.err
    assert "line 13: 1000000" in answer.err
    assert "missing values" in tudui("data", "check", few, "--target", "price").err
    assert answer.err.count("missing values") == 1
    assert "price" in answer.out
    assert tudui("data", "check", prices, "--target", "price", "--on-missing", "drop").code == 0
    dropped = tudui("data", "check", prices, "--target", "price", "--on-missing", "drop", "--json").json()
    assert [one["line"] for far in dropped["far_targets"] for one in far["values"]] == [13]


def test_missing_values_are_refused_with_their_counts(prices):
    rows = prices.read_text().splitlines()
    for line, old in ((5, 0), (7, 0), (9, 2)):
        cells = rows[line].split(",")
        cells[old] = "NA" if line == 7 else ""
        rows[line] = ",".join(cells)
    prices.write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"of 60 rows: size 2, city 1 \(the first on line 6\)") as error:
        read(prices)
    assert error.value.exit_code == 3
    dropped = read(prices, on_missing="drop")
    assert len(dropped.store) == 57
    assert not dropped.store.isnan().any()
    config = DataConfig(name=f"table:{prices}", target=("price",), on_missing="median")
    data = dataset_of(read_source(config), config, seed=0)
    assert data.train.store[[4, 6], 0].isnan().all()
    assert data.train.store[8, 2:].tolist() == [0, 0, 0]  # a text that is missing
    size = data.train.images[:, 0]
    median = size[~size.isnan()].median()
    mean, std = data.preparation.mean[0], data.preparation.std[0]
    filled = torch.where(size.isnan(), median, size)
    np.testing.assert_allclose((mean, std), (filled.mean(), filled.std(correction=0)), rtol=1e-4)
    prepared = data.preparation(torch.tensor([[float("nan"), 1, 0, 0, 0]]))
    np.testing.assert_allclose(prepared[0, 0], (median - mean) / std, rtol=1e-4)


def test_a_row_without_a_target_is_never_filled(prices):
    rows = prices.read_text().splitlines()
    rows[3] = rows[3].rpartition(",")[0] + ","
    prices.write_text("\n".join(rows))
    with pytest.raises(DataError, match="price 1"):
        read(prices)
    assert len(read(prices, on_missing="median").store) == 59


# Bad files


BAD = {
    "a text among numbers": (("3.33,", "x3,"), r"t\.csv:12: size: 'x3' is not a number"),
    "a text among targets": ((",34.3\n", ",dear\n"), r"t\.csv:12: price: 'dear' is not a number"),
    "infinite": (("3.33,", "inf,"), r"t\.csv:12: size: 'inf' is infinite"),
    "above all numbers": (("3.33,", "-1e999,"), r"t\.csv:12: size: '-1e999' is infinite"),
    "an underscore": (("3.33,", "3_3,"), r"t\.csv:12: size: '3_3' is not a number"),
    "too few cells": (("3.33,", ""), r"t\.csv:12: 3 cells, and the header has 4"),
    "too many cells": (("3.33,", "3.33,1,"), r"t\.csv:12: 5 cells"),
    "an open quote": (("3.33,", '"3.33,'), r"t\.csv:12: a quote that begins here is never closed"),
    "a NUL byte": (("3.33,", "3.33\0,"), r"t\.csv:12: contains a NUL byte"),
    "a doubled name": (("size,age", "size,size"), r"t\.csv:1: two columns are called size"),
    "no header": (("size,age,city,price\n", ""), r"t\.csv:1: its first line has numbers"),
    "control characters": (("Rome", "R\x1b[31mome"), r"t\.csv:3: city: has control characters"),
    "a name that steers": (("size", "si\u202eze"), "t.csv:1: the name of column 1 has control characters"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_its_line(prices, tmp_path, kind):
    (old, new), said = BAD[kind]
    path = changed(prices.rename(tmp_path / "t.csv"), old, new)
    with pytest.raises(DataError, match=said) as error:
        read(path)
    assert error.value.exit_code == 3
    assert len(str(error.value).splitlines()) == 1
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\0", "NUL byte"),
        (b"\n\n", "is empty"),
        (b"a,price\n", "no rows"),
        (b"a,price\n" + b"1,2\n3,4\n" * 9, "only 18 complete rows"),
        (b"a,price\n" + b"1,7\n2,7\n" * 30, "price is 7 in every row"),
        (b"a,price\n" + b"1,x\n2,x\n" * 30, "price: is x in every row"),
        (b"PK\3\4" + bytes(50), "spreadsheet or an archive"),
        (b"a,price\n1,2\n" + b"\xff\xfe\x00" * 30, "NUL|not valid"),
        (",".join(f"c{number}" for number in range(20_000)).encode(), "20,000 columns are too many"),
        (b"a,price\n" + b"1," * MAX_LINE, r"t\.csv:2: a line of more than 4,194,304 characters"),
        (b"a" * 2 * MAX_LINE, r"t\.csv:1: a line of more than"),
        (b'a,price\n1,"' + b"2,3\n" * 100_000, r"t\.csv:2: a cell of more than 131,072 characters"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.csv")


def test_the_target_must_be_named_and_be_a_column(tudui, prices):
    answer = tudui("train", "--data", f"table:{prices}")
    assert (answer.code, "--target COLUMN" in answer.err, "size, age, city, price" in answer.err) == (2, True, True)
    answer = tudui("train", "--data", f"table:{prices}", "--target", "prise")
    assert (answer.code, "did you mean 'price'?" in answer.err) == (3, True)
    answer = tudui("train", "--data", f"table:{prices}", "--target", "price", "--set", "data.ignore=[aeg]")
    assert (answer.code, "did you mean 'age'?" in answer.err) == (3, True)
    answer = tudui("train", "--data", "table:gone.csv", "--target", "price")
    assert (answer.code, "gone.csv: no such file" in answer.err) == (3, True)
    answer = tudui("train", "--data", str(prices))
    assert (answer.code, f"did you mean 'table:{prices}'?" in answer.err) == (2, True)


def test_ten_thousand_columns_are_read(tmp_path):
    values = np.random.default_rng(0).normal(size=(30, 10_001)).round(3)
    source = read(write(tmp_path / "t.csv", [*(f"c{number}" for number in range(10_000)), "price"], values))
    np.testing.assert_allclose(source.store, values[:, :-1], rtol=1e-5)


@pytest.mark.slow
def test_a_million_rows_are_in_memory_once(tmp_path):
    """The features take 40 MB; a second copy, or the cells as text (600 MB), would be seen."""
    rows = "".join(f"{number % 97},{number % 89}.5,{number % 83},{number % 7},a\n" for number in range(10_000))
    with (tmp_path / "t.csv").open("w") as file:
        file.write("a,b,c,d,e\n")
        for _ in range(100):
            file.write(rows)
    code = (
        "import resource, sys; import tests.test_tables as t; read = t.read;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "assert len(read(sys.argv[1], 'd').store) == 1_000_000;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.csv"], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 200e6
    assert resource.RUSAGE_SELF == 0


# Every command


QUICK = ("--lr", "0.1", "--set", "train.drop_last=false", "--set", "train.threads=1", "--set", "device=cpu")


def weights(run):
    from safetensors.torch import save

    from tudui.weights import read_weights

    return save(dict(read_weights(Path(run)).tensors))


def train(tudui, path, target, *more):
    epochs = () if "-e" in more else ("-e", "3")
    answer = tudui("train", "--data", f"table:{path}", "--target", target, *QUICK, *epochs, *more, "--json")
    assert answer.code == 0, answer.err
    return answer


@pytest.mark.parametrize("network", ["mlp", "linear"])
def test_train_evaluate_and_predict_on_classes(tudui, iris, tmp_path, network):
    train(tudui, iris, "species", "-o", "run", "--network", network, "--set", "data.validation=0.2", "-e", "20")
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert f"name: table:{iris}" in config  # absolute, so that another working directory means the same
    assert "a sink failed" not in (tmp_path / "run" / "metrics.jsonl").read_text()
    scored = tudui("evaluate", "run", "--json").json()
    assert scored["accuracy"] > 0.8
    other = tmp_path / "other.csv"
    lines = [line.split(",") for line in iris.read_text().splitlines()]
    other.write_text("\n".join(",".join([line[3], "x", *line[:3]]) for line in lines[:1] + lines[60:70]) + "\n")
    answer = tudui("predict", "run", other, "--csv")
    rows = list(csv.DictReader(answer.out.splitlines()))
    assert [row["path"] for row in rows] == [f"{other}:{line}" for line in range(2, 12)]
    whole = list(csv.DictReader(tudui("predict", "run", iris, "--csv").out.splitlines()))
    assert [row["probability"] for row in rows] == [row["probability"] for row in whole[59:69]]  # columns by name
    assert {row["true"] for row in whole} == set(IRIS.target_names)
    assert {row["true"] for row in rows} == {""}


def test_auto_is_huber_and_mlp_for_numbers_and_ce_for_texts(tudui, prices):
    train(tudui, prices, "price", "-o", "numbers")
    train(tudui, prices, "city", "-o", "texts")
    for run, loss in (("numbers", "huber"), ("texts", "ce")):
        config = record(Path(run))[0]["config"]
        assert (config["loss"]["name"], config["network"]["name"]) == (loss, "mlp")


def test_evaluate_and_predict_use_the_columns_texts_and_scale_of_the_training(tudui, prices, tmp_path):
    train(tudui, prices, "price", "-o", "run")
    few = tmp_path / "few.csv"
    lines = prices.read_text().splitlines()
    few.write_text("\n".join([lines[0], *lines[1:4]]).replace("Rome", "Oslo") + "\n")
    answer = tudui("evaluate", "run", "--data", f"table:{few}", "--split", "all", "--json")
    assert answer.code == 0, answer.err
    assert answer.json()["images"] == 3
    assert "city: the network does not know these texts: Oslo" in answer.err
    found = tudui("predict", "run", few, "--json").json()["predictions"]
    errors = [abs(row["values"][0]["value"] - row["values"][0]["true"]) for row in found]
    assert np.mean(errors) == pytest.approx(answer.json()["absolute_error"], rel=1e-4)
    few.write_text("\n".join(line.rpartition(",")[0].rpartition(",")[0] for line in lines) + "\n")
    answer = tudui("predict", "run", few)
    assert (answer.code, "has no column city" in answer.err) == (3, True)
    few.write_text("\n".join([lines[0], lines[1], "1,,Rome,3"]) + "\n")
    answer = tudui("predict", "run", few)
    assert (answer.code, f"{few}:3: age is missing" in answer.err) == (3, True)


def test_a_resumed_run_equals_one_that_was_not_stopped(tudui, prices, tmp_path):
    changed(prices, "\n0.33,", "\n,")
    constant = ("--on-missing", "median", "--set", "schedule.name=constant")
    train(tudui, prices, "price", "-o", "whole", *constant, "-e", "4")
    train(tudui, prices, "price", "-o", "cut", *constant, "-e", "2")
    assert tudui("train", "--resume", "cut", "-e", "4").code == 0
    assert weights("cut") == weights("whole")
    changed(prices, "Köln", "Rome")
    answer = tudui("train", "--resume", "cut", "-e", "5")
    assert (answer.code, "has changed since the run began" in answer.err) == (3, True)


@pytest.mark.parametrize("format", ["safetensors", "torch"])
def test_an_exported_file_contains_columns_and_fill_and_its_code_runs(tudui, prices, tmp_path, format):
    changed(prices, "\n0.33,", "\n,")
    train(tudui, prices, "price", "-o", "run", "--on-missing", "median")
    out = tmp_path / f"model.{'pt' if format == 'torch' else format}"
    answer = tudui("export", "run", "--out", out)
    assert answer.code == 0, answer.err
    card = out.with_name(f"{out.name}.md").read_text()
    assert "size, age, city=Köln, city=Paris, city=Rome" in card
    assert "a missing number (NaN) becomes: " in card
    assert str(tmp_path) not in card
    if format == "safetensors":
        _, about = read_safetensors(out)
        assert about.features == ("size", "age", "city=Köln", "city=Paris", "city=Rome")
        assert len(about.fill) == 5
    code = card.split("```python\n")[1].split("```")[0].replace("[[0.0, 0.0, 1", "[[0.0, 0.0, 1")
    code = code.replace("[[0.0, 0.0, 0.0, 0.0, 0.0]]", '[[float("nan"), 99.8, 0.0, 0.0, 1.0]]')
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    value = float(printed.stdout.split(":")[1].strip(" }\n"))
    few = tmp_path / "few.csv"
    few.write_text("size,age,city\n,99.8,Rome\n")
    for of in ("run", out):
        found = tudui("predict", of, few, "--json").json()["predictions"][0]["values"][0]["value"]
        assert found == pytest.approx(value, rel=1e-5)


def test_onnx_fills_missing_values_inside_the_file(tudui, prices, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    changed(prices, "\n0.33,", "\n,")
    train(tudui, prices, "price", "-o", "run", "--on-missing", "median")
    assert tudui("export", "run", "--out", "model.onnx").code == 0
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    row = np.array([[np.nan, 99.8, 0, 0, 1]], dtype=np.float32)
    (values,) = session.run(["values"], {"rows": row})
    few = tmp_path / "few.csv"
    few.write_text("size,age,city\n,99.8,Rome\n")
    found = tudui("predict", "run", few, "--json").json()["predictions"][0]["values"][0]["value"]
    assert found == pytest.approx(float(values[0, 0]), rel=1e-5)


def test_compare_losses_on_a_table(tudui, iris, tmp_path):
    answer = tudui(
        "compare-losses", "--data", f"table:{iris}", "--target", "species", "--losses", "ce,mse", "--seeds", "2",
        "--lr", "same", "--set", "optimizer.lr=0.1", "-e", "2", "--set", "device=cpu", "--jobs", "1", "-o", "c",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert len(json.loads((tmp_path / "c" / "comparison.json").read_text())["rows"]) == 2


def test_data_check_shows_columns_kinds_and_ranges(tudui, prices):
    changed(prices, "\n0.33,", "\n,")
    answer = tudui("data", "check", prices, "--target", "price", "--on-missing", "median", "--json")
    assert answer.code == 0, answer.err
    found = {one["name"]: one for one in answer.json()["features"]}
    assert list(found) == ["size", "age", "city=Köln", "city=Paris", "city=Rome"]
    assert found["size"]["missing"] == 1
    assert (found["age"]["minimum"], found["age"]["maximum"]) == pytest.approx((100 - 59 * 59 / 20, 100), abs=0.01)
    shown = tudui("data", "check", f"table:{prices}", "--target", "price", "--on-missing", "median")
    assert "city=Paris" in shown.out
    assert "missing values, of 60 rows: size 1" in shown.err


def test_formulas_and_markup_are_escaped_in_what_is_written(tudui, tmp_path):
    names = ["=cmd()", "<b>|x|</b>", "price", "kind"]
    rows = [[*row, row[0], "=1+1" if number % 2 else "<script>"] for number, row in enumerate(ROWS)]
    path = write(tmp_path / "t.csv", names, rows)
    train(tudui, path, "kind", "-o", "run")
    out = tudui("predict", "run", path, "--csv").out
    assert {row["label"] for row in csv.DictReader(out.splitlines())} <= {"'=1+1", "<script>"}
    assert tudui("export", "run", "--out", "m.safetensors").code == 0
    card = Path("m.safetensors.md").read_text()
    assert "<script>" not in card.split("```")[0]
    assert "\\<b\\>\\|x\\|" in card


def test_a_run_whose_table_was_moved_is_resumed_with_its_new_place(tudui, prices, tmp_path):
    train(tudui, prices, "price", "-o", "run", "--set", "schedule.name=constant")
    moved = prices.rename(tmp_path / "moved.csv")
    answer = tudui("evaluate", "run")
    assert (answer.code, "no such file" in answer.err) == (3, True)
    assert tudui("evaluate", "run", "--data", f"table:{moved}").code == 0


def test_diabetes_as_a_csv_file_is_the_shipped_set(tmp_path):
    rows = [[*row, target] for row, target in zip(DIABETES.data, DIABETES.target, strict=True)]
    source = read(write(tmp_path / "d.csv", [*DIABETES.feature_names, "progression"], rows), "progression")
    shipped = read_source(DataConfig(name="diabetes"))
    assert source.features == shipped.features
    assert torch.equal(source.store, shipped.store)
    assert torch.equal(source.targets, shipped.targets)


def test_rows_with_an_empty_cell_for_their_part_are_for_training(tmp_path, tudui):
    path = tmp_path / "own.csv"
    parts = ["test" if number % 5 == 0 else " " if number % 2 else "" for number in range(100)]
    path.write_text("a,y,split\n" + "".join(f"{n % 7},{n},{part}\n" for n, part in enumerate(parts)))
    source = read_source(DataConfig(name=f"table:{path}", target=("y",)))
    assert source.features == ("a",)
    assert {part: len(rows) for part, rows in source.parts.items()} == {"train": 80, "test": 20}
    path.write_text(path.read_text().replace(",test", ",checked", 1))
    answer = tudui("data", "check", f"table:{path}", "--target", "y")
    assert (answer.code, "split: checked is not a part" in answer.err) == (3, True)


def test_a_comparison_notices_that_its_table_has_changed(tmp_path, tudui):
    path = tmp_path / "own.csv"
    path.write_text("a,y\n" + "".join(f"{n % 7},{n % 11}\n" for n in range(120)))
    flags = ("--losses", "mse,l1", "--seeds", "2", "-e", "1", "--set", "train.batch_size=8", "--set", "log.sinks=[]")
    command = ("compare-losses", "--data", f"table:{path}", "--target", "y", *flags, "--out", "own")
    first = tudui(*command)
    assert first.code == 0, first.err
    assert tudui(*command).code == 0
    path.write_text(path.read_text().replace("3,5", "3,500", 1))
    changed = tudui(*command)
    assert (changed.code, "has changed since the runs" in changed.err) == (2, True)
    assert len(changed.err.splitlines()) == 1
    report = tudui("report", "own")
    assert report.code == 0
    assert str(tmp_path) not in report.out.partition("report: ")[0]  # of which others know nothing
    assert "own.csv has no test rows" in report.out
    path.unlink()  # nobody knows then if the targets are numbers
    gone = tudui("report", "own")
    assert (gone.code, f"{path}: no such file" in gone.err) == (3, True)


def test_a_missing_file_names_one_beside_it(tmp_path, tudui):
    (tmp_path / "fish.csv").write_text("a,y\n1,2\n")
    for name, named in (("fisch.csv", True), ("prices.csv", False), ("nowhere/fish.csv", False)):
        answer = tudui("data", "check", f"table:{tmp_path / name}", "--target", "y")
        assert (answer.code, "did you mean fish.csv?" in answer.err) == (3, named), answer.err
        assert len(answer.err.splitlines()) == 1
