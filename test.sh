#!/usr/bin/env bash
# Installs what is missing, builds the tests and runs them.
#   test.sh [SUITE...]    suites: unit, golden, property, live, sinks (all of them without an argument)
# Ends with the line "N passed, M failed"; exit code 1 where a test failed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$root/build/test
suites=("$@")
if ((${#suites[@]} == 0)); then suites=(unit golden property live sinks); fi
for suite in "${suites[@]}"; do
  case $suite in
    unit | golden | property | live | sinks) ;;
    *)
      printf 'test: no suite %s; there are unit, golden, property, live and sinks\n' "$suite" >&2
      exit 2
      ;;
  esac
done

"$root/setup.sh" --tests --sinks
"$root/presets/build" test
printf 'test: running %s\n' "${suites[*]}"
rm -f "$tree/meson-logs/testlog.json"
# The time-outs are for what hangs: a slow or busy machine is given its time.
meson test -C "$tree" --no-rebuild --print-errorlogs --timeout-multiplier 4 "${suites[@]/#/--suite=}" || true
if ((EUID == 0)); then chown -R --reference="$root" "$root/build"; fi
exec python3 "$root/tests/total.py" "$tree/meson-logs/testlog.json"
