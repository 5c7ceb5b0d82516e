#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fetch.sh - `croft image build debian`, the half on the host: packages by the host's own apt
#
#   fetch.sh DIRECTORY SUITE "PACKAGE..."   SUITE "": the host's
#
# Runs as root, started by the croft of an admin. What is installed is chosen and fetched by apt
# with the host's sources of Debian, the host's keys and the host's proxy, into directories of its
# own: of the host's packages nothing is read or changed. The outcome, DIRECTORY/work/seed.tar, is
# an image as `docker save` writes it, each package's files one layer, the packages themselves the
# last: nothing is unpacked on the host, and no maintainer script runs here. Those run in a machine
# of the user _build, which has no network (configure.sh).
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 022

here=$(dirname "$0")
top=$1 suite=$2 include=$3
key=/usr/share/keyrings/debian-archive-keyring.gpg
work=$top/work

say() { echo "$*" >&2; }
fail() { say "croft: image build: $*"; exit 1; }

# Which are Debian's of the host's sources: URI, code name, component.
host_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)' |
        sed -n 's/^Packages|Debian|//p' | sort -u
}

# The same for another suite: bookworm-security becomes trixie-security.
write_sources() {
    native=$(host_sources | cut -d'|' -f2 | grep -v -- - | head -n 1)
    [ -n "$native" ] ||
        fail "this host's apt has no source of Debian, or its lists are empty: apt-get update"
    [ -n "$suite" ] || suite=$native
    option=''
    [ ! -r $key ] || option="[signed-by=$key] "
    host_sources | while IFS='|' read -r uri name component; do
        case $name in
            "$native") name=$suite ;;
            "$native"-security | "$native"-updates)
                case $suite in sid | unstable | experimental) continue ;; esac
                name=$suite${name#"$native"} ;;
            *) continue ;;
        esac
        echo "deb $option$uri $name $component"
    done > "$work/sources.list"
}

apt() {
    command=$1
    shift
    "apt-$command" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o "Dir::State::lists=$top/lists" -o "Dir::State::status=$work/status" \
        -o "Dir::State::extended_states=$work/states" -o "Dir::Cache::archives=$top/archives" \
        -o "Dir::Cache::pkgcache=$top/packages.bin" -o Dir::Cache::srcpkgcache= \
        -o Acquire::Languages=none -o APT::Install-Recommends=0 "$@"
}

# A proxy on the host's own loopback is out of a machine's reach; who may use one, as
# user:password@proxy says it, is not for everybody who has the image.
write_proxy() {
    apt-config dump --format '%f %v%n' Acquire::http::Proxy Acquire::https::Proxy 2> /dev/null |
        while read -r name value; do
            case $value in
                *@*) say "warning: the host's $name holds a user or password: the image is made without it" ;;
                '' | DIRECT | *//localhost* | *//127.* | *//\[::1\]*) ;;
                *) echo "$name \"$value\";" ;;
            esac
        done > "$work/proxy"
}

choose() {
    say "reading the package lists of $suite"
    apt get -qq update || fail "apt-get update failed"
    # By its whole name: apt-get would take one that it does not know for a pattern.
    # shellcheck disable=SC2086
    apt cache show --no-all-versions usr-is-merged $include 2> /dev/null |
        sed -n 's/^Package: //p' > "$work/known" || true
    for name in $include; do
        grep -qxF -- "$name" "$work/known" || fail "$suite has no package named $name"
    done
    wanted='?essential ?priority(required) apt'
    ! grep -qx usr-is-merged "$work/known" || wanted="$wanted usr-is-merged"
    # shellcheck disable=SC2086
    apt get -s install $wanted $include > "$work/plan" || fail "apt cannot choose the packages"
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/\1 \2 \3/p' "$work/plan" > "$work/list"
    say "fetching $(wc -l < "$work/list") packages"
    # shellcheck disable=SC2086
    apt get -qq -y --download-only install $wanted $include > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "apt-get could not fetch the packages"; }
}

# apt's name of a package's file has the version's colon as %3a.
collect() {
    mkdir "$work/croft-build"
    while read -r name version arch; do
        echo "${name}_${version}_${arch}.deb"
    done < "$work/list" | sed 's/:/%3a/' > "$work/files"
    while read -r file; do
        ln "$top/archives/$file" "$work/croft-build/" || fail "apt did not fetch $file"
    done < "$work/files"
    # What no build needs any more goes.
    for file in "$top"/archives/*.deb; do
        grep -qxF "${file##*/}" "$work/files" || rm "$file"
    done
    cp "$here/configure.sh" "$here/first-start" "$work/proxy" "$work/croft-build/"
    # As with a proxy: what the host signs in with stays the host's.
    sed 's,//[^/ ]*@,//,' "$work/sources.list" > "$work/croft-build/sources.list"
    echo "apt usr-is-merged $include" > "$work/croft-build/asked"
}

add_layer() {
    digest=$(sha256sum < "$work/seed/$1")
    layers=$layers${layers:+,}\"$1\"
    diffs=$diffs${diffs:+,}\"sha256:${digest%% *}\"
}

write_seed() {
    say "putting them together"
    mkdir "$work/seed"
    layers=''
    diffs=''
    count=0
    for file in "$work"/croft-build/*.deb; do
        count=$((count + 1))
        dpkg-deb --fsys-tarfile "$file" > "$work/seed/$count.tar"
        add_layer $count.tar
    done
    tar -C "$work" --owner=0 --group=0 -cf "$work/seed/packages.tar" croft-build
    add_layer packages.tar
    case $(dpkg --print-architecture) in
        i386) platform=386 ;;
        armhf | armel) platform=arm ;;
        ppc64el) platform=ppc64le ;;
        *) platform=$(dpkg --print-architecture) ;;
    esac
    printf '[{"Config":"config.json","Layers":[%s]}]' "$layers" > "$work/seed/manifest.json"
    printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"diff_ids":[%s]}}' \
        "$platform" "$diffs" > "$work/seed/config.json"
    (cd "$work/seed" && tar -cf ../seed.tar manifest.json config.json ./*.tar)
    rm -r "$work/seed"
}

rm -rf "$work"
mkdir -p "$work" "$top/lists/partial" "$top/archives/partial"
: > "$work/status"
write_sources
write_proxy
choose
collect
write_seed
