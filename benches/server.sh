#!/usr/bin/env bash
# The built-in server against the floor's echo server, side by side on this machine: the same client
# (the floor's) drives both by turns. See benches/README.md.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: benches/server.sh [--rounds N] [--seconds S] [--port P] [--no-build] [--save NAME]

  --rounds N     rounds of each row, both servers by turns (default 5)
  --seconds S    length of one run (default 5)
  --port P       of the echo server on 127.0.0.1; the built-in one takes the next (default 19190)
  --no-build     the release binary as it is; WSBENCH=PATH names another one
  --save NAME    also writes results/bench/NAME.md
USAGE
    exit "$1"
}

rounds=5 seconds=5 port=19190 build=1 save=
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=${2:?}; shift ;;
        --seconds) seconds=${2:?}; shift ;;
        --port) port=${2:?}; shift ;;
        --save) save=${2:?}; shift ;;
        --no-build) build= ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
whole() { case $2 in '' | *[!0-9]* | 0* | ?????*) echo "error: $1 takes a whole number, not '$2'" >&2; exit 2 ;; esac; }
whole --rounds "$rounds"
whole --seconds "$seconds"
case $save in */* | .*) echo "error: --save takes a name, not a path" >&2; exit 2 ;; esac

server_core=0 client_core=1
handshakes_parallel=64
idle_few=100 idle_many=5000 settle_s=6
wsbench=${WSBENCH:-target/release/wsbench}
scratch=$(mktemp -d)
started=()

clean_up() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
die() { echo "error: $*" >&2; exit 3; }

# Starts a server on its core and waits until it listens; its process goes to $pid.
start_server() {
    local at=$1 limit=$((SECONDS + 10))
    shift
    taskset -c $server_core "$@" >"$scratch/server" 2>&1 </dev/null &
    pid=$!
    started+=("$pid")
    until (: <"/dev/tcp/127.0.0.1/$at") 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || die "a server did not start: $(tail -n 3 "$scratch/server")"
        [ $SECONDS -lt $limit ] || die "a server does not listen after 10 s"
        sleep 0.1
    done
}

start_floor() { start_server "$port" target/floor/echo_server "$port" --seconds 3600; }
start_wsbench() { start_server $((port + 1)) "$wsbench" serve --listen "127.0.0.1:$((port + 1))" --threads 1; }

stop_server() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

port_of() { case $1 in floor) echo "$port" ;; *) echo $((port + 1)) ;; esac; }

# CPU time of all threads of a process, in microseconds.
cpu_us() { cat "/proc/$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d\n", sum / 1000 }'; }

# Adds a number to a series: one file a series, one line a round.
keep() { echo "$2" >>"$scratch/series.$1"; }

value() { awk -F= -v name="$1" '$1 == name { print $2 }' "$scratch/out"; }

# Drives a server with the floor's client; what the server spent goes to $spent, in microseconds.
drive() {
    local side=$1 pid=$2 before
    shift 2
    before=$(cpu_us "$pid")
    timeout -k 5 $((seconds + 60)) taskset -c $client_core target/floor/floor_client "$(port_of "$side")" \
        --seconds "$seconds" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || die "client: $(cat "$scratch/err")"
    spent=$(($(cpu_us "$pid") - before))
}

echo_round() {
    local side=$1 pid=$2 clients=$3
    drive "$side" "$pid" --clients "$clients"
    keep "$side.rate.$clients" "$(value round_trips_per_s)"
    # The opening of the connections is in it, a few hundredths of a second.
    keep "$side.cost.$clients" "$(awk -v n="$(value round_trips)" -v us="$spent" 'BEGIN { print us / n }')"
}

handshake_round() {
    local side=$1 pid=$2
    drive "$side" "$pid" --handshakes-close --parallel $handshakes_parallel
    keep "$side.rate.handshakes" "$(value handshakes_per_s)"
    keep "$side.cost.handshakes" "$(awk -v n="$(value handshakes)" -v us="$spent" 'BEGIN { print us / n }')"
}

# Resident KiB of a fresh server that holds N connections, once they have beaten some times.
settled_kib() {
    local side=$1 count=$2 limit=$((SECONDS + 40)) client
    "start_$side"
    taskset -c $client_core target/floor/floor_client "$(port_of "$side")" --idle --ping 2 \
        --clients "$count" --seconds 120 >"$scratch/out" 2>"$scratch/err" </dev/null &
    client=$!
    started+=("$client")
    until [ "$(ls "/proc/$pid/fd" 2>/dev/null | wc -l)" -ge "$count" ]; do
        kill -0 "$client" 2>/dev/null || die "the client ended early: $(cat "$scratch/err")"
        [ $SECONDS -lt $limit ] || die "the server did not hold $count connections within 40 s"
        sleep 0.2
    done
    sleep $settle_s
    [ "$(ls "/proc/$pid/fd" | wc -l)" -ge "$count" ] || die "the server lost connections while idle"
    kib=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")
    kill -KILL "$client"
    wait "$client" 2>/dev/null || true
    stop_server "$pid"
    unset 'started[-1]' 'started[-1]'
}

# User memory of one more connection, in bytes.
idle_round() {
    local side=$1 few
    settled_kib "$side" $idle_few
    few=$kib
    settled_kib "$side" $idle_many
    keep "$side.idle" $(((kib - few) * 1024 / (idle_many - idle_few)))
}

# Median and extremes of a series.
spread() {
    sort -n "$scratch/series.$1" | awk -v digits="$2" '{ v[NR] = $1 } END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%.*f (%.*f to %.*f)", digits, m, digits, v[1], digits, v[NR] }'
}

# The ratio is the median of the rounds' own ratios: both sides of a round had the same neighbours.
row() {
    local title=$1 name=$2 digits=$3 ratio=-
    paste "$scratch/series.wsbench.$name" "$scratch/series.floor.$name" |
        awk '$2 > 0 { print $1 / $2 }' >"$scratch/series.ratio"
    [ ! -s "$scratch/series.ratio" ] || ratio=$(spread ratio 2)
    echo "| $title | $(spread "floor.$name" "$digits") | $(spread "wsbench.$name" "$digits") | $ratio |"
}

table() {
    echo "# The built-in server against the floor's"
    echo
    echo "- $(date -u +%Y-%m-%dT%H:%MZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo ' with changes')"
    echo "- $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc --all) cores, Linux $(uname -r)"
    echo "- \`benches/server.sh --rounds $rounds --seconds $seconds\`"
    echo "- the server (one thread) on core $server_core, the floor's client on core $client_core; $rounds rounds of $seconds s by turns; 64-byte text echoes, closed loop"
    echo "- load average of the machine: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after (these runs alone make about 2)"
    echo
    echo "Median (lowest to highest round); ratio = median of wsbench / floor in the same round."
    echo
    echo "| what | floor | wsbench serve | ratio |"
    echo "|---|---|---|---|"
    for clients in 100 1000; do
        row "$clients connections, echoes/s" "rate.$clients" 0
        row "$clients connections, server CPU us per echo" "cost.$clients" 2
    done
    row "open and close, $handshakes_parallel at a time, handshakes/s" rate.handshakes 0
    row "open and close, server CPU us per handshake" cost.handshakes 1
    row "idle with ping heartbeats, bytes of user memory a connection ($idle_few to $idle_many)" idle 0
}

benches/floor/build.sh target/floor
[ -z "$build" ] || [ -n "${WSBENCH:-}" ] || cargo build --release --quiet
[ "$(nproc --all)" -ge 2 ] || die "two cores are needed: one for the server, one for the client"
[ "$(ulimit -Hn)" -ge $((idle_many + 100)) ] || die "the limit of open files is below $((idle_many + 100)); hint: ulimit -n"
ulimit -n "$(ulimit -Hn)"

load_before=$(cut -d' ' -f1-3 /proc/loadavg)
start_floor
floor=$pid
start_wsbench
built_in=$pid

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for clients in 100 1000; do
        echo_round floor "$floor" $clients
        echo_round wsbench "$built_in" $clients
    done
    handshake_round floor "$floor"
    handshake_round wsbench "$built_in"
done
stop_server "$floor"
stop_server "$built_in"
started=()
say "idle memory"
idle_round floor
idle_round wsbench

if [ -n "$save" ]; then
    mkdir -p results/bench
    table | tee "results/bench/$save.md"
else
    table
fi
