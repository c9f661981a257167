#!/usr/bin/env bash
# Ten minutes at full rate with a million connections coming and going: is memory flat, do the counters agree?
#   bench/soak.sh [--seconds N] [--open CONNECTIONS] [--workers N]
# Not part of ./test.sh. Two or more CPUs that nobody else uses; 6 GiB of memory.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/presets/build" bench pipeline/app/doorslam bench/generator/load_generator >&2
export DOORSLAM=$root/build/bench/pipeline/app/doorslam
export GENERATOR=$root/build/bench/bench/generator/load_generator
exec python3 "$root/bench/soak.py" "$@"
