#!/bin/sh
# Measure learning rates on digits for the networks that have none: rates-NETWORK.json in this folder, and tables.
#   experiments/choose_rates_of_networks.sh          about 25 minutes of one core, 24 of them for resnet20: 192 runs
# The best rate of each row goes into the network's `rates`; the test split is not read.
set -e
for network in linear mlp resnet20; do
    "${PYTHON:-.venv/bin/python}" experiments/choose_rates.py --network "$network" --data digits \
        --loss ce --loss mse --loss l1 --loss huber --rate 0.005 --rate 0.01 --rate 0.02 --rate 0.05 \
        --rate 0.1 --rate 0.2 --rate 0.5 --rate 1 --out "rates-$network.json"
done
