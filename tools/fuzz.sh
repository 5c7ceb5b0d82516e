#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh - each fuzz target for FUZZ_SECONDS (10) with libFuzzer, ASan and UBSan; TAP on stdout
set -eu

cd "$(dirname "$0")/.."
build=build-fuzz
seconds=${FUZZ_SECONDS:-10}
targets=$(ls tests/fuzz/corpus)

if [ ! -f $build/build.ninja ]; then
    CC=clang-14 meson setup $build -Dfuzz=true -Db_pie=false -Db_lundef=false >/dev/null
fi
ninja -C $build --quiet >&2

status=0
number=0
for target in $targets; do
    number=$((number + 1))
    mkdir -p $build/corpus/$target
    if $build/tests/fuzz/fuzz_$target -max_total_time="$seconds" -max_len=66000 -timeout=5 \
        -rss_limit_mb=1024 -artifact_prefix=$build/crash-$target- -print_final_stats=1 \
        $build/corpus/$target tests/fuzz/corpus/$target >$build/$target.log 2>&1; then
        echo "ok $number fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' \
            $build/$target.log) runs in $seconds s"
    else
        status=1
        echo "not ok $number fuzz $target: see $build/$target.log"
        tail -n 30 $build/$target.log >&2
    fi
done
echo "1..$number"
exit $status
