#!/usr/bin/env bash
# How true round_trip is under load: wsbench against an independent echo with a known delay, at given
# shares of the generator's core. See benches/README.md.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: benches/truth.sh [--rounds N] [--seconds S] [--clients C] [--port P] [--loads "10 50 90"]
                        [--under COMMAND] [--no-build] [--save NAME]

  --rounds N       rounds of each load that wsbench calls valid, by turns (default 3); at most
                   twice as many are tried
  --seconds S      length of one run (default 10)
  --clients C      connections (default 1000)
  --port P         of the echo server on 127.0.0.1 (default 19092)
  --loads LIST     busy shares of the generator's core to find and to measure, in percent
  --under COMMAND  runs both sides under it, e.g. "chrt -f 5" on a machine that others use
  --no-build       the release binary as it is; WSBENCH=PATH names another one
  --save NAME      also writes results/bench/NAME.md
USAGE
    exit "$1"
}

rounds=3 seconds=10 clients=1000 port=19092 loads="10 50 90" under="" build=1 save=
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=${2:?}; shift ;;
        --seconds) seconds=${2:?}; shift ;;
        --clients) clients=${2:?}; shift ;;
        --port) port=${2:?}; shift ;;
        --loads) loads=${2:?}; shift ;;
        --under) under=${2:?}; shift ;;
        --save) save=${2:?}; shift ;;
        --no-build) build= ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
whole() { case $2 in '' | *[!0-9]* | 0* | ??????*) echo "error: $1 takes whole numbers, not '$2'" >&2; exit 2 ;; esac; }
whole --rounds "$rounds"
whole --seconds "$seconds"
whole --clients "$clients"
whole --port "$port"
for load in $loads; do whole --loads "$load"; done
case $save in */* | .*) echo "error: --save takes a name, not a path" >&2; exit 2 ;; esac

server_core=0 client_core=1 delay_ms=20
quantiles="p50 p90 p99 p999"
# The series that brackets the loads; then at most so many runs for each, or until this close.
ramp="1000 4000 16000 64000 128000" most_refined=5 close_enough=2 probe_seconds=3
wsbench=${WSBENCH:-target/release/wsbench}
url=ws://127.0.0.1:$port/
scratch=$(mktemp -d)
server=

clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
die() { echo "error: $*" >&2; exit 3; }

# Starts the echo server on its core; what it says at its end goes to $scratch/server.
start_server() {
    # shellcheck disable=SC2086 # a command with its arguments
    $under taskset -c $server_core target/floor/echo_server "$port" --seconds 3600 "$@" >"$scratch/server" &
    server=$!
    sleep 0.3
    kill -0 "$server" 2>/dev/null || die "the echo server did not start on port $port"
}

stop_server() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

# One run of wsbench on its core against a fresh server: RATE SECONDS. An invalid run (4) counts, and is counted.
run() {
    local status=0
    rm -rf "$scratch/result"
    start_server --delay-ms $delay_ms
    # shellcheck disable=SC2086 # a command with its arguments
    $under timeout -k 5 $(($2 + 60)) taskset -c $client_core "$wsbench" run "$url" --clients "$clients" \
        --rate "$1" --duration "${2}s" --set load.shards=1 --no-test-dial --quiet --out "$scratch/result" \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    stop_server
    json=$scratch/result/result.json
    case $status in 0 | 4) ;; *) die "wsbench ended with $status: $(tail -n 5 "$scratch/err")" ;; esac
    [ -s "$json" ] || die "wsbench saved no result.json"
}

# Mean busy share of the generator's thread in the measured phase, in percent.
busy() {
    jq -r '[.timeline.rows[] | select(.phase == "measure")]
        | 100 * (map(.busy * (.end_s - .start_s)) | add) / (map(.end_s - .start_s) | add)' "$json"
}

# Adds a run to the curve of busy over rate.
probe() {
    run "$1" $probe_seconds
    echo "$1 $(busy)" >>"$scratch/curve"
    say "  $1 messages/s: busy $(busy | cut -c 1-5) %"
}

# The next rate to try for LOAD between its neighbours on the curve; with `best` the nearest one tried.
rate_for() {
    sort -n "$scratch/curve" | awk -v wanted="$1" -v what="${2:-next}" -v near=$close_enough '
        function off(busy) { return busy > wanted ? busy - wanted : wanted - busy }
        NR == 1 || off($2) < off(best_busy) { best = $1; best_busy = $2 }
        $2 <= wanted { low = $1; low_busy = $2 }
        $2 > wanted && !high { high = $1; high_busy = $2 }
        END {
            if (what == "best") { print best; exit }
            if (off(best_busy) <= near) exit
            if (!low) { print int(high / 3); exit }
            if (!high) exit                    # the whole series does not keep it so busy
            if (high <= low * 1.02) exit
            share = (wanted - low_busy) / (high_busy - low_busy)
            share = share < 0.1 ? 0.1 : share > 0.9 ? 0.9 : share
            print int(low * exp(share * log(high / low)))
        }'
}

keep() { echo "$2" >>"$scratch/series.$1"; }

# How many rounds of LOAD wsbench called valid (true) or not (false).
called() {
    local series=$scratch/series.$1.$2.busy
    if [ -e "$series" ]; then wc -l <"$series"; else echo 0; fi
}

# The rounds of LOAD that count: the valid ones, or else all that there are.
counting() { if [ "$(called "$1" true)" -gt 0 ]; then echo "$1.true"; else echo "$1.false"; fi; }

# Keeps the quantiles of one run, in us: truth = delay + the server's own lateness + the floor's way there and back.
keep_run() {
    local load q late
    load=$1.$(jq -r '.validity.valid' "$json")
    keep "$load.busy" "$(busy)"
    keep "$load.rate" "$(jq -r '.counters.messages_sent / .measured_s' "$json")"
    for q in $quantiles; do
        late=$(tr ' ' '\n' <"$scratch/server" | awk -F= -v name="late_us_$q" '$1 == name { print $2 }')
        [ -n "$late" ] || die "the echo server did not say how late it was"
        jq -r --argjson truth "$(awk "BEGIN { print 1000 * $delay_ms + $late + $floor_us }")" --arg q "$q" '
            .metrics | [$truth, .round_trip[$q] * 1000, .round_trip[$q] * 1000 - $truth,
                .service_time[$q] * 1000 - $truth, .schedule_lag[$q] * 1000] | map(tostring) | join(" ")' \
            "$json" >"$scratch/figures"
        read -r truth round_trip error service_error lag <"$scratch/figures"
        keep "$load.truth.$q" "$truth"
        keep "$load.round_trip.$q" "$round_trip"
        keep "$load.error.$q" "$error"
        keep "$load.service_error.$q" "$service_error"
        keep "$load.lag.$q" "$lag"
    done
}

# Median of a series; with a second argument its extremes too; in its unit x FACTOR, with DIGITS.
median() { spread "$1" "$2" "$3" '%s'; }
spread() {
    sort -n "$scratch/series.$1" | awk -v factor="$2" -v digits="$3" -v form="${4:-%s (%s to %s)}" '
        function number(n) { return sprintf("%.*f", digits, n * factor) }
        { v[NR] = $1 }
        END {
            m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
            if (form == "%s") printf form, number(m)
            else printf form, number(m), number(v[1]), number(v[NR])
        }'
}

row() {
    local load=$1 head=$2 title=$3 name=$4 form=$5 q
    printf '| %s | %s ' "$head" "$title"
    for q in $quantiles; do printf '| %s ' "$($form "$load.$name.$q" 1e-3 3)"; done
    echo '|'
}

table() {
    echo "# How true round_trip is under load"
    echo
    echo "- $(date -u +%Y-%m-%dT%H:%MZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo ' with changes')"
    echo "- $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc --all) cores, Linux $(uname -r)"
    echo "- an independent echo (\`benches/floor/echo_server.cpp\`) that answers $delay_ms ms after it read, on core $server_core; wsbench, one shard, on core $client_core${under:+; both under \`$under\`}"
    echo "- $clients connections, 64-byte text, open schedule; $rounds rounds of $seconds s by turns"
    echo "- load average of the machine: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after"
    echo "- floor: $floor_us us there and back without a delay, one connection, both sides awake (mean of \`floor_client --clients 1\`)"
    echo
    echo "Truth = $delay_ms ms + how late the echo's sends really were (its own figures) + the floor. Error ="
    echo "measured - truth, quantile by quantile: it holds the waking of both sides, so it is an upper bound."
    echo "Times in ms, median of the rounds that wsbench called valid; of errors also the lowest and the highest"
    echo "round. A time of 20 ms is recorded in steps of 0.016 ms (3 significant digits)."
    echo
    echo "| generator load | what | p50 | p90 | p99 | p99.9 |"
    echo "|---|---|---|---|---|---|"
    for load in $loads; do
        of=$(counting "$load")
        row "$of" "$load % asked, $(median "$of.busy" 1 0) % busy, $(median "$of.rate" 1 0) messages/s" truth truth median
        row "$of" "" round_trip round_trip median
        row "$of" "" "**error of round_trip**" error spread
        row "$of" "" "error of service_time" service_error spread
        row "$of" "" "schedule_lag" lag median
    done
    echo
    for load in $loads; do
        valid=$(called "$load" true) invalid=$(called "$load" false)
        note="those figures count"
        [ "$invalid" != 0 ] || note="all of them"
        [ "$valid" != 0 ] || note="the figures above are of runs that nobody should believe"
        echo "- $load %: wsbench called $valid of $((valid + invalid)) runs valid; $note."
    done
}

command -v jq >/dev/null || die "jq is needed to read result.json"
[ "$(nproc --all)" -ge 2 ] || die "two cores are needed: one for the server, one for the client"
[ "$(ulimit -Hn)" -ge $((clients + 200)) ] || die "the limit of open files is below $((clients + 200)); hint: ulimit -n"
ulimit -n "$(ulimit -Hn)"
benches/floor/build.sh target/floor
[ -z "$build" ] || [ -n "${WSBENCH:-}" ] || cargo build --release --quiet
"$wsbench" run --help >/dev/null || die "$wsbench does not run"
load_before=$(cut -d' ' -f1-3 /proc/loadavg)

start_server
# shellcheck disable=SC2086 # a command with its arguments
$under taskset -c $client_core target/floor/floor_client "$port" --clients 1 --seconds 2 >"$scratch/floor"
stop_server
floor_us=$(awk -F= '$1 == "round_trips_per_s" { printf "%.0f", 1e6 / $2 }' "$scratch/floor")
say "floor: $floor_us us there and back"

say "finding the rates"
for rate in $ramp; do
    probe "$rate"
    # Beyond saturation there is nothing to find.
    awk -v busy="$(busy)" 'BEGIN { exit !(busy > 97) }' && break
done
for load in $loads; do
    for ((refined = 0; refined < most_refined; refined++)); do
        next=$(rate_for "$load")
        [ -n "$next" ] || break
        probe "$next"
    done
done

for ((round = 1; round <= 2 * rounds; round++)); do
    for load in $loads; do
        [ "$(called "$load" true)" -lt "$rounds" ] || continue
        say "round $round: $load %"
        rate=$(rate_for "$load" best)
        run "$rate" "$seconds"
        keep_run "$load"
    done
done

# Whole before it is put among what it calls changes.
table >"$scratch/table"
cat "$scratch/table"
if [ -n "$save" ]; then
    mkdir -p results/bench
    cp "$scratch/table" "results/bench/$save.md"
fi
