#!/usr/bin/env bash
# What wsbench costs against clients and against message rate: see benches/README.md.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

usage() {
    cat <<'USAGE'
usage: benches/scaling/run.sh [--max-clients N] [--seconds S] [--port P] [--no-build] [--save]

  --max-clients N  leaves out the steps above it (default 18000; steps: 100 to 60,000). There is an echo
                   server on a port of its own for each 9,000
  --seconds S      length of one measurement (default 10, a beat of each idle client)
  --port P         of the first echo server on 127.0.0.1 (default 19100)
  --no-build       the release binary as it is; WSBENCH=PATH names another one
  --save           also writes results/scaling/scaling.md
USAGE
    exit "$1"
}

max_clients=18000 seconds=10 port=19100 build=1 save=
while [ $# -gt 0 ]; do
    case $1 in
        --max-clients) max_clients=${2:?}; shift ;;
        --seconds) seconds=${2:?}; shift ;;
        --port) port=${2:?}; shift ;;
        --no-build) build= ;;
        --save) save=1 ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
whole() { case $2 in '' | *[!0-9]* | 0* | ??????*) echo "error: $1 takes a whole number, not '$2'" >&2; exit 2 ;; esac; }
whole --max-clients "$max_clients"
whole --seconds "$seconds"
whole --port "$port"

server_core=0 client_core=1
# Beyond half of the ephemeral ports (14,116) to one address the kernel searches them one by one at each connect,
# for milliseconds: that would be measured instead.
per_server=9000
client_steps=(100 1000 5000 10000 18000 30000 60000)
# Clients, messages a second of each.
rate_steps=("1000 1" "1000 10" "1000 50" "1000 100" "10000 1")
dials_per_ms=10 warm_up_s=2 settle_s=3 open_limit_s=40
wsbench=${WSBENCH:-target/release/wsbench}
scratch=$(mktemp -d)
started=()
servers=()

clean_up() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
die() { echo "error: $*" >&2; exit 3; }

start_server() {
    local at=$port
    port=$((port + 1))
    taskset -c $server_core target/floor/echo_server "$at" --seconds 3600 >"$scratch/server.$at" &
    started+=("$!")
    servers+=("$! $at")
    sleep 0.5
    kill -0 "$!" 2>/dev/null || die "the echo server did not start on port $at"
}

# Fresh servers for so many clients, on ports not used before: those of connections just closed are still taken.
start_servers() {
    local server
    for server in "${servers[@]}"; do kill "${server% *}"; done
    servers=() started=()
    while [ $((${#servers[@]} * per_server)) -lt "$1" ]; do start_server; done
}

# Asks every server, and adds up what they say: upgraded open messages; first and last upgrade (us).
counts() {
    local server pid at lines
    for server in "${servers[@]}"; do
        read -r pid at <<<"$server"
        lines=$(wc -l <"$scratch/server.$at")
        kill -USR1 "$pid"
        until [ "$(wc -l <"$scratch/server.$at")" -gt "$lines" ]; do sleep 0.01; done
        tail -n 1 "$scratch/server.$at"
    done | tr '=' ' ' | awk '{ open += $4; messages += $6
        if ($4 > 0 && (!first || $8 < first)) first = $8
        if ($10 > last) last = $10
        now = $12
    } END { printf "%d %d %.0f %.0f %.0f\n", open, messages, first, last, now }'
}

# CPU time in seconds and resident KiB of the client's processes, however many there are.
used() {
    local pid
    for pid in $(ps -o pid= -s "$client"); do
        sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true
    done | awk -v ticks="$(getconf CLK_TCK)" -v page="$(getconf PAGESIZE)" '
        { cpu += $12 + $13 + $14 + $15; pages += $22 } END { printf "%.2f %d\n", cpu / ticks, pages * page / 1024 }'
}

# Starts wsbench on its core with the scenario on stdin, and waits until all clients are connected.
start_wsbench() {
    local clients=$1 limit=$((SECONDS + open_limit_s)) open
    rm -rf "$scratch/result"
    cat >"$scratch/scenario.toml"
    setsid taskset -c $client_core "$wsbench" run "$scratch/scenario.toml" --quiet --no-test-dial \
        --out "$scratch/result" >"$scratch/out" 2>"$scratch/err" </dev/null &
    client=$!
    started+=("$client")
    while read -r open _ < <(counts) && [ "$open" -lt "$clients" ]; do
        kill -0 "$client" 2>/dev/null || die "wsbench ended with $open of $clients connected: $(tail -n 5 "$scratch/err")"
        [ $SECONDS -lt $limit ] || die "wsbench connected $open of $clients within $open_limit_s s"
        sleep 0.1
    done
    sleep $settle_s
}

# Ends the run by a signal, so that however long connecting took the measurement lay inside it; wsbench drains
# and saves. An invalid run is a row too: where the generator cannot keep up is what the table is for.
end_wsbench() {
    local status=0
    kill -TERM "$client" 2>/dev/null || die "wsbench ended before the measurement did: $(tail -n 5 "$scratch/err")"
    wait "$client" || status=$?
    unset 'started[-1]'
    case $status in 143) ;; *) die "wsbench ended with $status: $(tail -n 5 "$scratch/err")" ;; esac
    json=$scratch/result/result.json
    [ -f "$json" ] || die "wsbench saved no result.json"
}

field() { jq -r "$1" "$json"; }
reasons() { field 'if .validity.valid then "yes" else "no: " + ([.validity.reasons[].kind] | join(", ")) end'; }

targets() {
    local server at list=
    for server in "${servers[@]}"; do
        read -r _ at <<<"$server"
        list+="\"ws://127.0.0.1:$at/\", "
    done
    echo "urls = [${list%, }]"
}

# One row: clients that only answer and send heartbeats.
idle_row() {
    local clients=$1 cpu_before cpu_after kib _
    local first last
    start_wsbench "$clients" <<TOML
name = "idle"
[target]
$(targets)
[load]
warm_up = "0s"
drain = "1s"
stages = [ { duration = "$((clients / dials_per_ms))ms", clients = $clients }, { duration = "10m", clients = $clients } ]
[heartbeat]
style = "ping"
interval = "10s"
timeout = "5s"
TOML
    read -r _ _ first last _ < <(counts)
    read -r cpu_before _ < <(used)
    sleep "$seconds"
    read -r cpu_after kib < <(used)
    end_wsbench
    [ -n "${few_kib:-}" ] || { few=$clients few_kib=$kib; }
    awk -v n="$clients" -v kib="$kib" -v few="$few" -v few_kib="$few_kib" -v cpu="$cpu_before $cpu_after" \
        -v seconds="$seconds" -v took="$((last - first))" -v p50="$(field .metrics.handshake.p50)" \
        -v p99="$(field .metrics.handshake.p99)" -v beats="$(field .counters.heartbeats_sent)" \
        -v missed="$(field .counters.heartbeats_missed)" -v valid="$(reasons)" 'BEGIN {
        split(cpu, c, " ")
        memory = n > few ? sprintf("%d", (kib - few_kib) * 1024 / (n - few)) : "-"
        printf "| %d | %.1f | %s | %.1f | %.2f | %.2f | %.2f / %.2f | %d / %d | %s |\n", n, kib / 1024, memory,
            (c[2] - c[1]) * 1e6 / n / seconds, (c[2] - c[1]) / seconds, took / 1e6, p50, p99, beats, missed, valid }'
}

# One row: clients that send on an open schedule and match every reply.
rate_row() {
    local clients=$1 rate=$2 cpu_before cpu_after from to from_us to_us _
    start_wsbench "$clients" <<TOML
name = "rate"
[target]
$(targets)
[load]
warm_up = "${warm_up_s}s"
drain = "1s"
stages = [ { duration = "1s", clients = $clients }, { duration = "10m", clients = $clients } ]
[[session]]
name = "echo"
[[session.step]]
every = "$((1000000 / rate))us"
send = "{{text 64}}"
reply = { echo = true, timeout = "5s" }
TOML
    read -r _ from _ _ from_us < <(counts)
    read -r cpu_before _ < <(used)
    sleep "$seconds"
    read -r _ to _ _ to_us < <(counts)
    read -r cpu_after _ < <(used)
    end_wsbench
    awk -v n="$clients" -v rate="$rate" -v cpu="$cpu_before $cpu_after" -v messages=$((to - from)) \
        -v us=$((to_us - from_us)) -v lag="$(field '.metrics.schedule_lag | "\(.p50) / \(.p99) / \(.p999)"')" \
        -v trip="$(field '.metrics.round_trip | "\(.p50) / \(.p99)"')" \
        -v skipped="$(field .counters.sends_skipped)" -v valid="$(reasons)" 'BEGIN {
        split(cpu, c, " ")
        achieved = messages * 1e6 / us
        printf "| %d | %d | %d | %d (%.1f %%) | %.1f | %s | %s | %d | %s |\n", n, rate, n * rate, achieved,
            achieved * 100 / (n * rate), (messages ? (c[2] - c[1]) * 1e6 / messages : 0), lag, trip, skipped, valid }'
}

page() {
    local clients step
    echo "# What wsbench costs as it grows"
    echo
    echo "- $(date -u +%Y-%m-%dT%H:%MZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo ' with changes')"
    echo "- $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc --all) cores, Linux $(uname -r)"
    echo "- servers on core $server_core, wsbench on core $client_core; one run a row, $seconds s a measurement"
    echo "- made by \`benches/scaling/run.sh --max-clients $max_clients --seconds $seconds\`; load average of the machine: $load_before before"
    echo
    echo "CPU is user + system time of every process of wsbench over the measurement, memory what is resident at its end: seen"
    echo "from outside, start-up and connecting not included. Valid is wsbench's own word for the whole run."
    echo
    echo "## Clients that are idle, with a ping heartbeat every 10 s"
    echo
    echo "$((dials_per_ms * 1000)) are dialled a second; connected is what the server saw, from the first upgrade to the last. Memory a client"
    echo "is the growth from the first row."
    echo
    echo "| clients | MiB resident | bytes a client | CPU us a client a second | CPU cores | connected in s | handshake p50 / p99 ms | beats sent / missed | valid |"
    echo "|---|---|---|---|---|---|---|---|---|"
    for clients in "${client_steps[@]}"; do
        [ "$clients" -le "$max_clients" ] || continue
        say "$clients idle clients"
        start_servers "$clients"
        idle_row "$clients"
    done
    echo
    echo "## Messages: an open schedule of 64-byte echoes, every reply matched"
    echo
    echo "Asked and achieved are messages a second; achieved is what the server read. Times are of the measured phase, in ms. Skipped are those due when SIGTERM ended the run."
    echo
    echo "| clients | each/s | asked | achieved | CPU s per million | schedule_lag p50 / p99 / p99.9 | round_trip p50 / p99 | skipped | valid |"
    echo "|---|---|---|---|---|---|---|---|---|"
    for step in "${rate_steps[@]}"; do
        [ "${step% *}" -le "$max_clients" ] || continue
        say "${step% *} clients x ${step#* }/s"
        start_servers "${step% *}"
        rate_row ${step}
    done
    echo
    echo "Took $((SECONDS / 60)) min $((SECONDS % 60)) s; load average at the end: $(cut -d' ' -f1-3 /proc/loadavg) (these runs alone make about 1)."
}

benches/floor/build.sh target/floor
command -v jq >/dev/null || die "jq is needed to read result.json"
[ -z "$build" ] || [ -n "${WSBENCH:-}" ] || cargo build --release --quiet
[ "$(nproc --all)" -ge 2 ] || die "two cores are needed: one for the server, one for wsbench"
ulimit -n "$(ulimit -Hn)"
SECONDS=0
load_before=$(cut -d' ' -f1-3 /proc/loadavg)

page >"$scratch/page"
cat "$scratch/page"
if [ -n "$save" ]; then
    mkdir -p results/scaling
    cp "$scratch/page" results/scaling/scaling.md
fi
