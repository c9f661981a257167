#!/usr/bin/env bash
# Installs what is missing, builds a release and runs doorslam.
#   run.sh            reads the bundled captures of real refusals
#   run.sh ARGS...    runs `doorslam ARGS...`, e.g. run.sh read FILE..., in the directory you are in
# Steps are told on stderr; stdout and the exit code are doorslam's.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
captures=$root/tests/captures

"$root/setup.sh" </dev/null >&2
"$root/presets/build" release </dev/null >&2

if (($# == 0)); then
  set -- read "$captures"/{vsftpd_tcp_wrappers,licence_server_full,redis_kill9,router_reject_tcp_reset}.pcap
  printf 'run: doorslam read' >&2
  printf ' %s' "${@:2}" >&2
  printf '\n' >&2
fi
exec "$root/build/release/pipeline/app/doorslam" "$@"
