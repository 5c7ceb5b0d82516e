#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh - clang-format, clang-tidy and gcc's analyzer over the sources; TAP on stdout
#
# lint.sh [FILE...]   default: every .c of src/
set -eu

cd "$(dirname "$0")/.."
build=build-clang
[ -f $build/build.ninja ] || CC=clang-14 meson setup $build >/dev/null
# The generated headers and include trees.
ninja -C $build --quiet src/libbase.a >&2

[ $# -gt 0 ] || set -- $(find src -name '*.c' | sort)
number=0
status=0
report() {
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number $1"
    else
        status=1
        echo "not ok $number $1"
        echo "$2" | sed 's/^/# /'
    fi
}

for file; do
    folder=$(basename "$(dirname "$file")")
    report "format $file" "$(clang-format-14 --dry-run -Werror "$file" 2>&1 | head -n 3)"
    report "tidy $file" "$(clang-tidy-14 -p $build --quiet "$file" 2>/dev/null | head -n 20)"
    report "analyze $file" "$(gcc -std=gnu17 -D_GNU_SOURCE -O1 -fanalyzer \
        -I $build/src/layers/"$folder" -c "$file" -o /dev/null 2>&1 | head -n 20)"
done
echo "1..$number"
exit $status
