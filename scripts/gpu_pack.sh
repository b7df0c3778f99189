#!/usr/bin/env bash
# Packs into gpu-pack/ what has to travel to a GPU machine without internet, beside this checkout: see gpu_pack.py.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
if ! "$python" -c 'import packaging, pip' 2> /dev/null; then
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    python3 -m venv "$tools"
    python=$tools/bin/python
    "$python" -m pip install --quiet packaging
fi
"$python" scripts/gpu_pack.py "$@"
