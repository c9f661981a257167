#!/usr/bin/env bash
# How fast `doorslam read` is, beside two programs that read the same capture: tcpdump, which only copies it, and argus,
# which follows its connections.
#   bench/read_speed.sh [--runs N] [--capture FILE] [--json FILE]
# Makes the capture (bench/make_capture: 1.5 million packets) unless one is given, and runs the three in turn, N times
# (default 11), each with one worker and its output thrown away. What counts is the user CPU time of the process, in
# seconds: the least, and the median. Wanted: doorslam/tcpdump <= 2, argus/doorslam >= 5, by the least times.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
runs=11 capture='' json=''

die() {
  printf 'read_speed: %s\n' "$*" >&2
  exit 2
}

while (($#)); do
  case $1 in
    -h | --help)
      sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --runs | --capture | --json)
      (($# > 1)) || die "$1 needs a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) die "unknown argument $1; there are --runs, --capture and --json" ;;
  esac
done
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "--runs wants a number of 1 or more, not '$runs'"
for program in tcpdump argus; do
  [[ $(PATH=$PATH:/usr/sbin command -v $program) ]] || die "$program is not installed; run ./setup.sh --bench"
done

"$root/presets/build" release pipeline/app/doorslam
"$root/presets/build" bench bench/make_capture
tree=$root/build/bench
if [[ -z $capture ]]; then
  capture=$tree/read_speed.pcap
  [[ -s $capture ]] || { "$tree/bench/make_capture" --out "$capture.part" && mv "$capture.part" "$capture"; }
fi
[[ -r $capture ]] || die "$capture cannot be read"

run_doorslam() { "$root/build/release/pipeline/app/doorslam" read "$capture" --quiet --workers 1; }
run_tcpdump() { tcpdump -nr "$capture" -w /dev/null; }
# Without its system-wide configuration, which would make a daemon of it.
run_argus() { PATH=$PATH:/usr/sbin argus -F /dev/null -r "$capture" -w /dev/null; }

times=$(mktemp -d)
trap 'rm -rf "$times"' EXIT
TIMEFORMAT=%U
# user_seconds PROGRAM: runs it once; adds its user CPU time to its list.
user_seconds() {
  { time "run_$1" >"$times/output" 2>&1; } 2>>"$times/$1" || {
    tail -n 5 "$times/output" >&2
    die "$1 failed"
  }
}

cat "$capture" >/dev/null  # into the page cache
user_seconds doorslam      # its cache of compiled signatures
rm "$times/doorslam"
for ((run = 1; run <= runs; ++run)); do
  for program in doorslam tcpdump argus; do user_seconds $program; done
  if [[ -t 2 ]]; then printf '\rread_speed: %d of %d' "$run" "$runs" >&2; fi
done
if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi

least() { sort -n "$times/$1" | head -n 1; }
median() { sort -n "$times/$1" | awk '{ t[NR] = $1 } END { print NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "null" }'; }

printf '%-10s %10s %10s   user CPU, seconds, %d runs\n' program least median "$runs"
for program in doorslam tcpdump argus; do
  printf '%-10s %10.3f %10.3f\n' $program "$(least $program)" "$(median $program)"
done
to_tcpdump=$(ratio "$(least doorslam)" "$(least tcpdump)")
to_tcpdump_median=$(ratio "$(median doorslam)" "$(median tcpdump)")
to_argus=$(ratio "$(least argus)" "$(least doorslam)")
to_argus_median=$(ratio "$(median argus)" "$(median doorslam)")
printf 'doorslam/tcpdump %s by the least, %s by the median (wanted: 2 or less)\n' "$to_tcpdump" "$to_tcpdump_median"
printf 'argus/doorslam   %s by the least, %s by the median (wanted: 5 or more)\n' "$to_argus" "$to_argus_median"

if [[ -n $json ]]; then
  {
    printf '{\n  "runs": %d,\n' "$runs"
    for program in doorslam tcpdump argus; do
      printf '  "%s": {"user_seconds_least": %s, "user_seconds_median": %s},\n' $program "$(least $program)" \
        "$(median $program)"
    done
    printf '  "doorslam_to_tcpdump": %s,\n  "doorslam_to_tcpdump_median": %s,\n' "$to_tcpdump" "$to_tcpdump_median"
    printf '  "argus_to_doorslam": %s,\n  "argus_to_doorslam_median": %s\n}\n' "$to_argus" "$to_argus_median"
  } >"$json"
fi
