"""Run docs/notebook.ipynb in a fresh kernel, and keep its outputs apart from what differs between two runs.

python scripts/make_notebook.py [COPY]
"""

import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"
SPEEDS = re.compile(r" in [\d.]+ s in the loop, [\d,]+ images/s| +[\d,]+ images/s")


def main(target: Path) -> None:
    """Write the notebook with its outputs; an error or a word on stderr in one of its cells is one here."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": folder}})
        client.execute(cleanup_kc=True)
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                sys.exit(f"{cell.id}: {output.text}")
            for kind, content in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = SPEEDS.sub("", content)
    nbformat.write(notebook, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
