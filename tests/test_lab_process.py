"""The lab's commands as processes: what a user types, and that asking for help or a list does not wait for torch."""

import json
import subprocess
import sys

import pytest

from tests.forked import command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("loss", "value", "l1", "--input", "1,2,3", "--target", "1,2,5"), "value"),
        (("loss", "plot", "--out", "losses.png"), "over_residual"),
        (("line-fit", "--out", "fit"), "fits"),
        (("backward", "layers"), "layers"),
    ],
)
def test_one_json_object_and_nothing_else_on_stdout(tmp_path, arguments, key):
    done = command(*arguments, "--json")
    assert done.code == 0, done.err
    assert key in json.loads(done.out)
    assert "Traceback" not in done.err


def test_a_mistake_ends_with_code_2(tmp_path):
    done = command("loss", "value", "hubber", "--input", "1", "--target", "1")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: unknown loss 'hubber'; did you mean 'huber' (Huber)?")


@pytest.mark.parametrize("arguments", [["loss", "list"], ["line-fit", "--help"], ["backward", "--help"]])
def test_torch_is_not_imported_where_it_is_not_needed(tmp_path, arguments):
    code = (
        "import sys; from typer.testing import CliRunner; from tudui.cli import app; "
        "assert CliRunner().invoke(app, sys.argv[1:]).exit_code == 0; "
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
