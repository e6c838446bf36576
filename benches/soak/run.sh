#!/usr/bin/env bash
# A long run of SCENARIO (ten minutes of random faults unless told); every 10 s the memory (KiB, resident)
# and descriptors of generator, server and relay.
# Usage: benches/soak/run.sh OUT-FOLDER [SCENARIO.toml] [more arguments of wsbench run]
# Needs: cargo build --release (WSBENCH=PATH names another binary).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
scenario=benches/soak/random-faults.toml
case ${1-} in *.toml) scenario=$1 && shift ;; esac
mkdir -p "$out"
"${WSBENCH:-target/release/wsbench}" run "$scenario" --out "$out/run" "$@" >"$out/summary.txt" 2>"$out/stderr.txt" &
generator=$!
# Of a process; nothing where there is none (not every scenario has a relay).
rss() { [ -z "$1" ] || awk '/^VmRSS/ { print $2 }' "/proc/$1/status" 2>/dev/null || true; }
descriptors() { [ -z "$1" ] || find "/proc/$1/fd" -maxdepth 1 -type l 2>/dev/null | wc -l || true; }
echo "t_s,generator_rss_kib,generator_fds,server_rss_kib,server_fds,relay_rss_kib,relay_fds" >"$out/samples.csv"
sleep 2
children=$(pgrep -P "$generator" || true)
server= relay=
for child in $children; do
  case $(tr '\0' ' ' <"/proc/$child/cmdline") in
    *" serve "*) server=$child ;;
    *" relay "*) relay=$child ;;
  esac
done
while kill -0 "$generator" 2>/dev/null; do
  row=$SECONDS
  for process in "$generator" "$server" "$relay"; do
    row="$row,$(rss "$process"),$(descriptors "$process")"
  done
  echo "$row" >>"$out/samples.csv"
  sleep 10
done
code=0
wait "$generator" || code=$?
echo "exit code $code"
