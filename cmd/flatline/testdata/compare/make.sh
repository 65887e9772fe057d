#!/bin/sh
# Makes the Results that README.md compares: three runs, and three with other seeds over a slower path.
set -e
cd "$(dirname "$0")"
for seed in 1 2 3; do flatline sim -q --seed $seed -o old/$seed.result.json heartbeat.yaml; done > /dev/null
for seed in 4 5 6; do flatline sim -q --seed $seed --rtt 250us -o new/$seed.result.json heartbeat.yaml; done > /dev/null
