#!/bin/sh
# Builds the yardsticks into target/floor with plain g++.
set -eu
here=$(dirname "$0")
out=${1:-$here/../../target/floor}
mkdir -p "$out"
for name in echo_server floor_client; do
    if [ ! "$out/$name" -nt "$here/$name.cpp" ]; then
        g++ -std=c++17 -O3 -Wall -Wextra -o "$out/$name" "$here/$name.cpp"
    fi
done
