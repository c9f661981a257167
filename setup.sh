#!/usr/bin/env bash
# Installs the Debian 12 packages that doorslam needs and that are not there yet.
#   setup.sh [--tests] [--sinks] [--lint] [--bench]
# Without an option: what the build needs. Each option adds the packages of that kind of work.
# Needs root, or sudo, only where a package is missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
log=$root/build/setup.log

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

packages=(build-essential g++ meson ninja-build pkgconf libhyperscan-dev libpcap-dev libyaml-cpp-dev libcli11-dev
  nlohmann-json3-dev libspdlog-dev libfmt-dev libssl-dev libexpected-dev rapidjson-dev libxxhash-dev
  libdpdk-dev prometheus-cpp-dev libncurses-dev
  libsqlite3-dev libcurl4-openssl-dev librdkafka-dev)
for option in "$@"; do
  case $option in
    --tests)
      packages+=(libgtest-dev libgmock-dev librapidcheck-dev python3)
      packages+=(iproute2 ethtool procps vsftpd mosquitto dpdk-dev prometheus) # of the live tests
      ;;
    --sinks) packages+=(openssl rsyslog rsyslog-openssl clickhouse-server python3-yaml) ;;
    --lint) packages+=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14) ;;
    --bench) packages+=(libbenchmark-dev libabsl-dev tcpdump argus-server) ;;
    -h | --help)
      sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      printf 'setup: unknown option %s; there are --tests, --sinks, --lint and --bench\n' "$option" >&2
      exit 2
      ;;
  esac
done

command -v dpkg-query >/dev/null || die "this is not a Debian system; install by hand: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  say "all ${#packages[@]} packages are there"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null ||
    die "neither root nor sudo; have an administrator run: apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi

# apt's own words go to the log; they are shown when it fails.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 ||
    {
      tail -n 20 "$log" >&2
      die "'apt-get $1' failed (see above; all of it in $log)"
    }
}

# Server programs are wanted for the tests alone: their packages must not start them, where nobody has decided on that.
policy=/usr/sbin/policy-rc.d
if [[ " ${missing[*]} " =~ \ (vsftpd|mosquitto|prometheus|rsyslog|clickhouse-server)\  && ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

mkdir -p "$root/build"
: >"$log"
say "fetching the package lists"
apt update
say "installing ${missing[*]}"
apt install --no-install-recommends "${missing[@]}"
if ((EUID == 0)); then chown --reference="$root" "$root/build" "$log"; fi
say "done"
