#!/usr/bin/env bash
# wsbench against the floor, side by side on this machine: see benches/README.md.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: benches/compare.sh [--rounds N] [--seconds S] [--port P] [--wait spin|sleep] [--floor-only]
                          [--no-build] [--save NAME]

  --rounds N     rounds of each row, floor and wsbench by turns (default 5)
  --seconds S    length of one run (default 5)
  --port P       of the echo server on 127.0.0.1 (default 19090)
  --wait HOW     what the server does while nothing comes: spin (default), so that no client pays for
                 waking its core, or sleep
  --floor-only   without wsbench
  --no-build     the release binary as it is; WSBENCH=PATH names another one
  --save NAME    also writes results/bench/NAME.md
USAGE
    exit "$1"
}

rounds=5 seconds=5 port=19090 wait=spin floor_only= build=1 save=
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=${2:?}; shift ;;
        --seconds) seconds=${2:?}; shift ;;
        --port) port=${2:?}; shift ;;
        --wait) wait=${2:?}; shift ;;
        --save) save=${2:?}; shift ;;
        --floor-only) floor_only=1 ;;
        --no-build) build= ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
whole() { case $2 in '' | *[!0-9]* | 0* | ?????*) echo "error: $1 takes a whole number, not '$2'" >&2; exit 2 ;; esac; }
whole --rounds "$rounds"
whole --seconds "$seconds"
case $wait in spin | sleep) ;; *) usage 2 >&2 ;; esac
case $save in */* | .*) echo "error: --save takes a name, not a path" >&2; exit 2 ;; esac

server_core=0 client_core=1
handshakes_parallel=64
idle_few=100 idle_many=5000 settle_s=6
scheduled=10000
wsbench=${WSBENCH:-target/release/wsbench}
url=ws://127.0.0.1:$port/
scratch=$(mktemp -d)
started=()
invalid=0

clean_up() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
die() { echo "error: $*" >&2; exit 3; }

# Runs a client on its core; its CPU time (user + system, whole process) goes to $scratch/cpu.
run_client() {
    local status=0 TIMEFORMAT='%U %S'
    { time timeout -k 5 $((seconds + 60)) taskset -c $client_core "$@" \
        >"$scratch/out" 2>"$scratch/err" </dev/null; } 2>"$scratch/time" || status=$?
    awk '{ print $1 + $2 }' "$scratch/time" >"$scratch/cpu"
    return $status
}

# Adds a number to a series: one file a series, one line a round.
keep() { echo "$2" >>"$scratch/series.$1"; }

value() { awk -F= -v name="$1" '$1 == name { print $2 }' "$scratch/out"; }

floor() {
    run_client target/floor/floor_client "$port" --seconds "$seconds" "$@" || die "floor: $(cat "$scratch/err")"
}

# An invalid run (4) still counts round trips: a closed loop on one core is meant to keep it busy.
run_wsbench() {
    local status=0
    rm -rf "$scratch/result"
    run_client "$wsbench" run "$@" --quiet --out "$scratch/result" || status=$?
    [ $status = 0 ] || invalid=$((invalid + 1))
    case $status in 0 | 4) ;; *) die "wsbench ended with $status: $(tail -n 5 "$scratch/err")" ;; esac
    json=$(find "$scratch/result" -name result.json | head -n 1)
    [ -n "$json" ] || die "wsbench saved no result.json"
}

# A counter of the measured phase a second, and the CPU for each of it over the whole process.
keep_counter() {
    local rate=$1 cost=$2 counter=$3 unit=$4
    keep "$rate" "$(jq -r ".counters.$counter / .measured_s" "$json")"
    keep "$cost" "$(jq -r --argjson cpu "$(cat "$scratch/cpu")" --argjson unit "$unit" \
        "\$cpu * \$unit / (.counters.$counter + (.outside_measure.counters.$counter // 0))" "$json")"
}

echo_round() {
    local clients=$1
    floor --clients "$clients"
    keep "floor.rate.$clients" "$(value round_trips_per_s)"
    keep "floor.cost.$clients" "$(awk -v n="$(value round_trips)" '{ print $1 * 1e6 / n }' "$scratch/cpu")"
    [ -n "$floor_only" ] && return
    run_wsbench "$url" --clients "$clients" --duration "${seconds}s" --size 64B
    keep_counter "wsbench.rate.$clients" "wsbench.cost.$clients" replies_matched 1e6
}

handshake_round() {
    floor --handshakes-close --parallel $handshakes_parallel
    keep floor.rate.handshakes "$(value handshakes_per_s)"
    keep floor.cost.handshakes "$(awk -v n="$(value handshakes)" '{ print $1 * 1e6 / n }' "$scratch/cpu")"
    [ -n "$floor_only" ] && return
    cat >"$scratch/handshakes.toml" <<TOML
name = "handshakes"
[target]
url = "$url"
[load]
warm_up = "0s"
drain = "1s"
stages = [ { duration = "100ms", clients = $handshakes_parallel }, { duration = "${seconds}s", clients = $handshakes_parallel } ]
[[session]]
name = "open and close"
[[session.step]]
close = { code = 1000 }
TOML
    run_wsbench "$scratch/handshakes.toml"
    keep_counter wsbench.rate.handshakes wsbench.cost.handshakes connections_opened 1e6
}

# Each of many clients sends once a second, whatever is answered. What it takes to be punctual is on both
# sides; beside the floor's exact timer, its timer of whole milliseconds.
schedule_round() {
    local lag
    floor --clients $scheduled --every 1
    keep floor.cost.schedule "$(awk -v cpu="$(value cpu_s)" -v s="$(value seconds)" 'BEGIN { print cpu * 1e3 / s }')"
    keep floor.late_p50.schedule "$(value late_p50_ms)"
    keep floor.late_p99.schedule "$(value late_p99_ms)"
    keep floor.late_p999.schedule "$(value late_p999_ms)"
    floor --clients $scheduled --every 1 --tick 1
    keep floor.cost.ticks "$(awk -v cpu="$(value cpu_s)" -v s="$(value seconds)" 'BEGIN { print cpu * 1e3 / s }')"
    [ -n "$floor_only" ] && return
    cat >"$scratch/schedule.toml" <<TOML
name = "schedule"
[target]
url = "$url"
[load]
warm_up = "4s"
stages = [ { duration = "2s", clients = $scheduled }, { duration = "$((seconds + 2))s", clients = $scheduled } ]
[[session]]
name = "once a second"
[[session.step]]
every = "1s"
send = "{{text 64}}"
reply = { echo = true, timeout = "3s" }
TOML
    run_wsbench "$scratch/schedule.toml"
    keep wsbench.cost.schedule "$(jq '[.timeline.rows[] | select(.phase == "measure").cpu_s * 1e3] | sort | .[length / 2 | floor]' "$json")"
    for lag in p50 p99 p999; do
        keep "wsbench.late_$lag.schedule" "$(summary schedule_lag "$lag")"
    done
    jq -e '.counters | .sends_skipped == 0 and .replies_matched == .messages_sent and .messages_sent > 0' "$json" >/dev/null ||
        die "wsbench skipped sends, or lost replies: $(jq -c '.counters' "$json")"
}

# A statistic of a metric, from the result's table.
summary() {
    awk -F, -v metric="$1" -v column="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i }
        $1 == metric { print $at }' "$(dirname "$json")/summary.csv"
}

# Resident KiB of a client process that holds N connections, once they are open and have beaten some times.
settled_kib() {
    local count=$1 limit=$((SECONDS + 40)) pid
    shift
    taskset -c $client_core "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pid=$!
    started+=("$pid")
    until [ "$(ls "/proc/$pid/fd" 2>/dev/null | wc -l)" -ge "$count" ]; do
        kill -0 "$pid" 2>/dev/null || die "a client ended before it held $count connections: $(tail -n 5 "$scratch/err")"
        [ $SECONDS -lt $limit ] || die "a client did not open $count connections within 40 s"
        sleep 0.2
    done
    sleep $settle_s
    [ "$(ls "/proc/$pid/fd" | wc -l)" -ge "$count" ] || die "a client lost connections while idle"
    kib=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    unset 'started[-1]'
}

# User memory of one more client, in bytes.
keep_idle() {
    local series=$1 few kib
    shift
    "$@" $idle_few
    few=$kib
    "$@" $idle_many
    keep "$series" $(((kib - few) * 1024 / (idle_many - idle_few)))
}

floor_idle() { settled_kib "$1" target/floor/floor_client "$port" --idle --ping 2 --clients "$1" --seconds 120; }

wsbench_idle() {
    cat >"$scratch/idle.toml" <<TOML
name = "idle"
[target]
url = "$url"
[load]
stages = [ { duration = "3s", clients = $1 }, { duration = "120s", clients = $1 } ]
[heartbeat]
style = "ping"
interval = "2s"
timeout = "1s"
TOML
    settled_kib "$1" "$wsbench" run "$scratch/idle.toml" --quiet --out "$scratch/idle"
    rm -rf "$scratch/idle"
}

idle_round() {
    keep_idle floor.idle floor_idle
    [ -n "$floor_only" ] || keep_idle wsbench.idle wsbench_idle
}

# Median and extremes of a series.
spread() {
    sort -n "$scratch/series.$1" | awk -v digits="$2" '{ v[NR] = $1 } END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%.*f (%.*f to %.*f)", digits, m, digits, v[1], digits, v[NR] }'
}

# The ratio is the median of the rounds' own ratios: both sides of a round had the same neighbours.
row() {
    local title=$1 name=$2 digits=$3 wsbench_cell=- ratio=-
    if [ -s "$scratch/series.wsbench.$name" ]; then
        wsbench_cell=$(spread "wsbench.$name" "$digits")
        paste "$scratch/series.wsbench.$name" "$scratch/series.floor.$name" |
            awk '$2 > 0 { print $1 / $2 }' >"$scratch/series.ratio"
        [ ! -s "$scratch/series.ratio" ] || ratio=$(spread ratio 2)
    fi
    echo "| $title | $(spread "floor.$name" "$digits") | $wsbench_cell | $ratio |"
}

table() {
    echo "# wsbench against the floor"
    echo
    echo "- $(date -u +%Y-%m-%dT%H:%MZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo ' with changes')"
    echo "- $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc --all) cores, Linux $(uname -r)"
    echo "- server (\`--wait $wait\`) on core $server_core, clients on core $client_core; $rounds rounds of $seconds s by turns; 64-byte text echoes, closed loop unless said otherwise"
    echo "- load average of the machine: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after (these runs alone make about 2)"
    echo
    if [ $invalid -gt 0 ]; then
        echo "$invalid runs of wsbench called themselves invalid or inconclusive (exit code 4); they count here all the same."
        echo
    fi
    echo "Median (lowest to highest round); ratio = median of wsbench / floor in the same round."
    echo
    echo "| what | floor | wsbench | ratio |"
    echo "|---|---|---|---|"
    for clients in 100 1000; do
        row "$clients connections, round trips/s" "rate.$clients" 0
        row "$clients connections, CPU s per million round trips" "cost.$clients" 2
    done
    row "open and close, $handshakes_parallel at a time, handshakes/s" rate.handshakes 0
    row "open and close, CPU us per handshake" cost.handshakes 1
    row "$scheduled connections, a message a second each, CPU ms per second" cost.schedule 0
    row "the same with a timer of whole milliseconds, not an exact one" cost.ticks 0
    row "how late those messages were sent, p50, ms" late_p50.schedule 3
    row "how late, p99, ms" late_p99.schedule 3
    row "how late, p99.9, ms" late_p999.schedule 3
    row "idle with ping heartbeats, bytes of user memory a client ($idle_few to $idle_many)" idle 0
}

benches/floor/build.sh target/floor
if [ -z "$floor_only" ]; then
    command -v jq >/dev/null || die "jq is needed to read result.json"
    [ -z "$build" ] || [ -n "${WSBENCH:-}" ] || cargo build --release --quiet
    if ! "$wsbench" run --help >/dev/null 2>&1; then
        say "warning: $wsbench has no working \`run\`: measuring the floor alone"
        floor_only=1
    fi
fi
[ "$(nproc --all)" -ge 2 ] || die "two cores are needed: one for the server, one for the client"
[ "$(ulimit -Hn)" -ge $((scheduled + 100)) ] || die "the limit of open files is below $((scheduled + 100)); hint: ulimit -n"
ulimit -n "$(ulimit -Hn)"

load_before=$(cut -d' ' -f1-3 /proc/loadavg)
taskset -c $server_core target/floor/echo_server "$port" --seconds 3600 --wait "$wait" &
server=$!
started+=("$server")
sleep 0.5
kill -0 "$server" 2>/dev/null || die "the echo server did not start on port $port"

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    echo_round 100
    echo_round 1000
    handshake_round
    schedule_round
done
say "idle memory"
idle_round

if [ -n "$save" ]; then
    mkdir -p results/bench
    table | tee "results/bench/$save.md"
else
    table
fi
