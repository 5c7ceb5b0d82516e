#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test.sh - every suite; the last line is "N passed, N failed[, N skipped]"
#
# FUZZ_SECONDS   of each fuzz target (10)
# CROFT_SUITES   which to run (all): builds unit sanitized boundary fuzz system
set -eu

cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
results=build-test
suites=${CROFT_SUITES:-builds unit sanitized boundary fuzz system}
rm -rf $results
mkdir -p $results

wanted() {
    case " $suites " in *" $1 "*) return 0 ;; esac
    return 1
}

# A suite that dies before it says anything is one failure of its own.
suite() {
    name=$1
    shift
    wanted "$name" || return 0
    echo "== $name"
    if "suite_$name" >$results/"$name".log 2>&1; then
        echo 0 >$results/"$name".status
    else
        echo 1 >$results/"$name".status
        tail -n 40 $results/"$name".log
    fi
}

configured() {
    directory=$1
    shift
    [ -f "$directory"/build.ninja ] || meson setup "$directory" "$@" >/dev/null
}

tap() {
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi >>$results/builds.tap
    return "$1"
}

# Both compilers without a warning, and the build that can leave a control out.
suite_builds() {
    status=0
    CC=gcc configured build-gcc -Dwerror=true
    CC=clang-14 configured build-clang -Dwerror=true
    CC=gcc configured build-ablate -Dablate=true
    for directory in build-gcc build-clang build-ablate; do
        if ninja -C $directory; then tap 0 $directory; else tap 1 $directory || status=1; fi
    done
    return $status
}

unit_tests() {
    ninja -C "$1"
    status=0
    meson test -C "$1" --no-rebuild --print-errorlogs || status=1
    cp "$1"/meson-logs/testlog.junit.xml $results/"$2".xml
    return $status
}

suite_unit() {
    CC=gcc configured build-gcc -Dwerror=true
    unit_tests build-gcc unit
}

# Static programs are left out of this build: the sanitizers' libraries are dynamic.
suite_sanitized() {
    CC=gcc configured build-asan -Db_sanitize=address,undefined -Db_lundef=false
    unit_tests build-asan sanitized
}

suite_boundary() {
    CC=gcc configured build-gcc -Dwerror=true
    ninja -C build-gcc
    $python -m pytest -q -p no:cacheprovider tests/boundary --build build-gcc \
        --junitxml=$results/boundary.xml
}

suite_fuzz() {
    status=0
    tools/fuzz.sh >$results/fuzz.tap || status=1
    cat $results/fuzz.tap
    return $status
}

suite_system() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "ok - system # SKIP not root" >$results/system.tap
        return 0
    fi
    $python -m pytest -q -p no:cacheprovider tests/system --junitxml=$results/system.xml
}

for name in builds unit sanitized boundary fuzz system; do
    suite $name
done
exec $python tools/summary.py $results
