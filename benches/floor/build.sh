#!/bin/sh
# Builds the yardsticks into target/floor with plain g++.
set -eu
here=$(dirname "$0")
out=${1:-$here/../../target/floor}
mkdir -p "$out"
names="echo_server floor_client"
# Only where the headers of the kernel know multishot receive (6.0).
if echo '#include <linux/io_uring.h>' | g++ -E -dM -x c++ - 2>/dev/null | grep -q IORING_RECV_MULTISHOT; then
    names="$names uring_client"
fi
for name in $names; do
    if [ ! "$out/$name" -nt "$here/$name.cpp" ]; then
        g++ -std=c++17 -O3 -Wall -Wextra -o "$out/$name" "$here/$name.cpp"
    fi
done
