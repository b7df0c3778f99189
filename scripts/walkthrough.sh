#!/usr/bin/env bash
# Run the commands of the first steps as a new user would, in the order of the page, and check their outputs.
#
#     scripts/walkthrough.sh [docs/first-steps.md|docs/first-steps.zh-CN.md]
#
# The reader's own files (pictures, weights of the course, CIFAR-10) are made here, in a temporary folder.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
page=$repository/${1:-docs/first-steps.md}
work=$(mktemp -d)
export TUDUI_CACHE=$work/cache

leave() {
    jobs -p | xargs --no-run-if-empty kill 2> /dev/null || true
    rm -rf "$work"
}
trap leave EXIT

# Show a command, which must be on the page.
announce() {
    grep -qxF "    $1" "$page" || { echo "not in $page: $1" >&2; exit 1; }
    echo
    echo "\$ $1"
}

# Run a command of the page unchanged, and keep its output.
type_in() {
    announce "$1"
    bash -c "$1" 2>&1 | tee "$work/shown"
}

# Fail unless the last command printed a text.
expect() { grep -qF -- "$1" "$work/shown" || { echo "walkthrough: expected: $1" >&2; exit 1; }; }

# Start a command of the page in the background. It accepts Ctrl-C as in a terminal, even if the caller ignores it.
begin() {
    announce "$1"
    python -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
        $1 > "$work/shown" 2>&1 &
}

# Press Ctrl-C, show the output of the command, and check the exit code.
press_ctrl_c() {
    local code=0
    kill -INT $!
    wait $! || code=$?
    cat "$work/shown"
    test $code = 130
}

# Wait for a text in a file that a background command writes.
wait_for() {
    for _ in $(seq 1200); do
        if grep -qsF -- "$1" "$2"; then return; fi
        sleep 0.1
    done
    echo "walkthrough: '$1' did not appear in $2" >&2
    exit 1
}

# The fenced block of the page that contains a text.
block() { awk -v text="$1" '/^```/ { if (inside && index(kept, text)) printf "%s", kept; inside = !inside; kept = ""; next }
    inside { kept = kept $0 "\n" }' "$page"; }

cd "$repository"
type_in "make train"
expect "test accuracy"
source .venv/bin/activate
cd "$work"

echo "--- 1. a trained model"
type_in "tudui train --loss ce"
expect "test accuracy 9"
test -f runs/digits-ce-seed0/result.json

echo "--- 2. its TensorBoard"
begin "tudui tensorboard runs"
wait_for "http://" shown
address=$(grep -o 'http://[^ ]*' shown | head -1)
python - "$address" << 'END'
import json, sys, urllib.request
with urllib.request.urlopen(sys.argv[1] + "data/plugin/scalars/tags") as answer:
    tags = json.load(answer)
(run,) = [name for name in tags if "loss/train" in tags[name]]
print(f"TensorBoard shows the run {run} with {len(tags[run])} curves")
END
press_ctrl_c

echo "--- 3. a comparison's report"
type_in "tudui compare-losses --losses ce,mse,l1,huber --seeds 3 --out runs/four"
expect "report.html"
grep -q "distinguishable" runs/four/report.md

echo "--- 4. your own image folder"
python - << 'END'  # real digits as photographs of two classes
from pathlib import Path
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
digits = load_digits()
for number in range(80):
    folder = Path("pictures", "even" if digits.target[number] % 2 == 0 else "odd")
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.kron(digits.images[number] * 15, np.ones((8, 10))).astype(np.uint8)).save(folder / f"{number}.jpg")
END
type_in "tudui data check pictures"
expect "even"
type_in "tudui train --data folder:pictures --batch-size 16"
expect "test accuracy"

echo "--- 5. old weights of the course"
python - << 'END'  # as the course's script saves them: the whole module, of the user's own class
import torch
from torch import nn
class Tudui(nn.Module):
    def __init__(self):
        super().__init__()
        self.model1 = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
        )
    def forward(self, x):
        return self.model1(x)
torch.save(Tudui(), "tudui_9.pth")
END
if [ -f "$repository/../shared/data/cifar10-jpeg.tar.gz" ] && python -c "import tarfile; tarfile.data_filter" 2> "$work/why"; then
    mkdir -p "$TUDUI_CACHE/datasets"
    python "$repository/../shared/tools/unpack_cifar10.py" "$TUDUI_CACHE/datasets" --batches > /dev/null
    type_in "tudui evaluate tudui_9.pth --data cifar10 --normalize none"
    expect "10,000 test images"
else
    echo "no copy of CIFAR-10 here, or a Python before 3.11.4, which cannot unpack it: evaluating the weights on digits"
    tudui evaluate tudui_9.pth --data digits --normalize none | tee shown
    expect "test images"
fi

echo "--- 6. your own loss"
block "def cubed" > cubed.py
type_in "tudui train --loss cubed.py:cubed --lr 0.05"
expect "loss cubed.py:cubed"
type_in 'tudui loss value cubed.py:cubed --input "2,1,0" --target 0'
expect "cubed.py:cubed: mean 0.0529"
type_in "tudui compare-losses --losses ce,cubed.py:cubed --lr tuned --seeds 3 --epochs 3 --out runs/cubed"
expect "cubed.py-cubed"

echo "--- 7. a run resumed after Ctrl-C"
begin "tudui train --epochs 50 --run-dir runs/long"
wait_for '"epoch_done": true' runs/long/metrics.jsonl
press_ctrl_c
go_on=$(grep -o 'tudui train --resume .*' shown | tail -1)
type_in "$go_on"
test "$go_on" = "tudui train --resume runs/long"
expect "test accuracy"

echo
echo "all seven steps passed"
