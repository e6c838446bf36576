#!/usr/bin/env bash
# Holds wsbench against servers that were not written here, and against known truths: a delay, a freeze.
# Not part of `cargo test`: it installs `ws` (npm) and `websockets` (pip) into a temporary folder.
#
#   tests/interop/run.sh [WSBENCH]      default: target/release/wsbench; needs node, npm, python3, jq, g++
#
# Prints one line a check and ends with 1 if any failed. Everything listens on 127.0.0.1 only.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/interop
wsbench=$(realpath "${1:-target/release/wsbench}")
folder=$(mktemp -d)
servers=()
failed=0

cleanup() {
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap cleanup EXIT

# start NAME COMMAND...: runs a server whose first line on stdout is its URL.
start() {
  local name=$1
  shift
  "$@" >"$folder/$name.url" 2>"$folder/$name.log" &
  servers+=($!)
  for _ in $(seq 100); do
    [ -s "$folder/$name.url" ] && break
    sleep 0.1
  done
  url=$(head -n 1 "$folder/$name.url")
  [ -n "$url" ] || { cat "$folder/$name.log"; exit 1; }
}

# expect NAME RESULT JQ-CONDITION
expect() {
  local name=$1 result=$2 condition=$3
  if jq -e "$condition" "$result" >/dev/null; then
    echo "ok    $name: $condition"
  else
    echo "FAIL  $name: $condition"
    failed=1
  fi
}

# measure NAME URL SCENARIO [FLAGS...]: one run; shows the figures that matter.
measure() {
  local name=$1 target=$2 scenario=$3
  shift 3
  result="$folder/$name.json"
  "$wsbench" run "$scenario" --target "$target" --json --out "$folder/$name" "$@" >"$result" || true
  jq -r --arg name "$name" '"      \($name): \(.verdict), sent \(.counters.messages_sent), " +
    "round_trip p50 \(.metrics.round_trip.p50) p90 \(.metrics.round_trip.p90) p99 \(.metrics.round_trip.p99) " +
    "max \(.metrics.round_trip.max) ms, schedule_lag p99 \(.metrics.schedule_lag.p99) ms"' "$result"
}

# Nothing lost, nothing unexpected, the books balanced.
sound() {
  expect "$1" "$result" '.counters.messages_sent == .counters.replies_matched and .counters.messages_sent > 0'
  expect "$1" "$result" '.counters.messages_unexpected == 0 and .failures == [] and .open_at_end == 0'
  expect "$1" "$result" '(.validity.broken_laws // []) == []'
  expect "$1" "$result" '[(.closes + .outside_measure.closes)[].kind] | unique == ["by_us"]'
}

scenario() {
  cat >"$folder/$1.toml" <<TOML
name = "$1"
[target]
url = "ws://127.0.0.1:1/"
[load]
warm_up = "2s"
stages = [ { duration = "1s", clients = 100 }, { duration = "$2", clients = 100 } ]
[validity]
schedule_lag_p99 = "60s"
[heartbeat]
interval = "1s"
timeout = "900ms"
[[session]]
name = "echo"
[[session.step]]
every = "100ms"
send = "{{client}}-{{seq}} {{text 48}}"
reply = { echo = true, timeout = "5s" }
TOML
}
scenario peers 6s
scenario delay 11s
scenario freeze 21s

echo "# npm ws"
(cd "$folder" && npm install --silent --no-audit --no-fund ws@8 >/dev/null)
cp $here/echo.mjs "$folder/"
start ws node "$folder/echo.mjs"
measure ws "$url" "$folder/peers.toml"
sound ws
expect ws "$result" '.counters.heartbeats_on_time == .counters.heartbeats_sent and .counters.heartbeats_sent >= 490'

echo "# python websockets"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websockets
start websockets "$folder/venv/bin/python" $here/echo.py
measure websockets "$url" "$folder/peers.toml"
sound websockets
expect websockets "$result" '.counters.heartbeats_on_time == .counters.heartbeats_sent and .counters.heartbeats_sent >= 490'

# The C++ echo of benches/floor shares no code with us either.
floor="$folder/echo_server"
g++ -O2 -std=c++17 -o "$floor" benches/floor/echo_server.cpp
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

echo "# a delay of 20 ms"
port=$(free_port)
"$floor" "$port" --delay-ms 20 >"$folder/delay.log" 2>&1 &
servers+=($!)
sleep 0.3
measure delay "ws://127.0.0.1:$port/" "$folder/delay.toml"
sound delay
expect delay "$result" '.metrics.round_trip | (.p50 - 20 | fabs) <= 0.5 and (.p90 - 20 | fabs) <= 0.5'

echo "# a freeze of 1 s in every 5 s"
# A fifth of all messages is due within it: p(0.8 + 0.2 u) = u seconds.
port=$(free_port)
"$floor" "$port" --freeze 1s/5s >"$folder/freeze.log" 2>&1 &
servers+=($!)
sleep 0.3
measure freeze "ws://127.0.0.1:$port/" "$folder/freeze.toml"
sound freeze
expect freeze "$result" '.metrics.round_trip | .p75 < 20 and .p90 > 440 and .p90 < 560 and .p99 > 900 and .p99 < 1050'
expect freeze "$result" '.counters.messages_sent == 20000 and .counters.sends_skipped == 0'

exit $failed
