#!/usr/bin/env bash
# Measures everything that is claimed of a GPU; results in $OUT (runs/gpu-check). Arguments are those of gpu_check.py.
# Where Tudui is not installed, it is taken from what scripts/gpu_pack.sh packed: nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-runs/gpu-check}
python=${PYTHON:-.venv/bin/python}
command -v "$python" > /dev/null || python=python3
if ! "$python" -c 'import importlib.metadata; importlib.metadata.version("tudui")' 2> /dev/null; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    for wheel in gpu-pack/wheels/*.whl; do
        "$python" -m zipfile -e "$wheel" "$site"
    done
    # the code of this checkout; the packed Tudui adds its entry points
    export PYTHONPATH=$PWD:$site${PYTHONPATH:+:$PYTHONPATH}
fi
PYTHONUNBUFFERED=1 "$python" scripts/gpu_check.py --out "$OUT" "$@"
