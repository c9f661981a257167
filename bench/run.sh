#!/usr/bin/env bash
# Measures doorslam and prints one table: id, what, measured, must, then, verdict.
#   bench/run.sh [--json FILE] [--quick]
# Builds the release and the programs that measure it, installs what they need, and takes 512 MiB of huge pages for the
# time of the run where it may (as root). --json writes {"ratios": {ID: NUMBER}} and all else that was measured.
# --quick: smaller tables and fewer rounds, to see that everything works; not to be quoted.
# Exit code: 0 when everything was measured, whatever the verdicts; 1 otherwise; 2 for wrong usage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
json='' quick=()
while (($#)); do
  case $1 in
    -h | --help)
      sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --json)
      (($# > 1)) || {
        printf 'bench: --json needs a file\n' >&2
        exit 2
      }
      json=$2
      shift 2
      ;;
    --quick)
      quick=(--quick)
      shift
      ;;
    *)
      printf 'bench: unknown argument %s; there are --json and --quick\n' "$1" >&2
      exit 2
      ;;
  esac
done

say() { printf 'bench: %s\n' "$*" >&2; }
results=$root/build/bench/results
tree=$root/build/bench/bench
pages=/proc/sys/vm/nr_hugepages
wanted_pages=256 given_pages=0 failed=0

# What was taken is given back; pages that others reserved in the meantime stay.
give_back() { if ((given_pages)); then echo $(($(<"$pages") - given_pages)) >"$pages"; fi; }
trap give_back EXIT

take_huge_pages() {
  local free before
  free=$(awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo)
  if ((free < wanted_pages && EUID == 0)); then
    before=$(<"$pages")
    echo $((before + wanted_pages - free)) >"$pages" || true
    given_pages=$(($(<"$pages") - before))
    free=$(awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo)
  fi
  ((free >= wanted_pages)) || say "only $free huge pages are free of $wanted_pages wanted: DPDK's tables run on ordinary ones"
}

# measure NAME COMMAND...: its words go to the results; where it fails, the last of them are shown.
measure() {
  local name=$1 start=$SECONDS
  shift
  if "$@" >"$results/$name.log" 2>&1; then
    say "$name: $((SECONDS - start)) s"
  else
    failed=1
    rm -f "$results/$name.json"
    say "$name failed:"
    tail -n 5 "$results/$name.log" >&2
  fi
}

"$root/setup.sh" --bench >&2
"$root/presets/build" bench >&2
rm -rf "$results"
mkdir -p "$results"
take_huge_pages
for program in path table flood expiry memory scale flows; do
  measure $program "$tree/ratio_$program" --json "$results/$program.json" "${quick[@]}"
done
measure analysis "$tree/analysis_bench" --benchmark_out="$results/analysis.json" --benchmark_out_format=json \
  --benchmark_min_time=$( ((${#quick[@]})) && echo 0.05 || echo 0.5)
measure read "$root/bench/read_speed.sh" --runs $( ((${#quick[@]})) && echo 3 || echo 11) --json "$results/read.json"

report=("$results")
if [[ -n $json ]]; then report+=(--json "$json"); fi
python3 "$root/bench/report.py" "${report[@]}"
exit "$failed"
