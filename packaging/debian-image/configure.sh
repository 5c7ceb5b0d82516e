#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# configure.sh - `croft image build debian`, the half in a machine: files become installed packages
#
# Runs as root of a machine of the user _build, without network. Its root is the packages' files,
# laid over each other; no package is installed, none of their scripts has run. They are installed
# here over themselves by the dpkg that is among them. This root then is the image: it goes to
# standard output as a tar. Nothing is chrooted or mounted, so the machine needs no more rights than
# any other.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
umask 022
packages=/croft-build
cd $packages
exec 3>&1 1>&2

say() { echo "$*" >&2; }

# Packages of before trixie still have files in /bin: made /usr/bin as the installer does. One perl
# does the last step, because no program could be started in the middle of it; and it deletes, since
# a directory of a lower layer cannot be renamed.
merge_usr() {
    for name in bin sbin lib lib32 lib64 libx32; do
        if [ -d /$name ] && [ ! -L /$name ]; then
            mkdir -p /usr/$name
            cp -a /$name/. /usr/$name/
        fi
    done
    perl -e 'sub take_away {
        my $path = shift;
        return unlink($path) || die "$path: $!\n" if -l $path || !-d $path;
        opendir(my $dir, $path) or die "$path: $!\n";
        for (readdir $dir) { take_away("$path/$_") unless /^\.\.?$/ }
        rmdir($path) or die "$path: $!\n";
    }
    for (qw(/bin /sbin /lib /lib32 /lib64 /libx32)) {
        next if -l $_ || !-d $_;
        take_away($_);
        symlink("usr$_", $_) or die "$_: $!\n";
    }'
}

# Their order: accounts and directories first, then all files, then whatever dpkg finds right.
install_packages() {
    mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates
    : > /var/lib/dpkg/status
    : > /var/lib/dpkg/available
    cp /usr/share/base-passwd/passwd.master /etc/passwd
    cp /usr/share/base-passwd/group.master /etc/group
    set -- dpkg --force-unsafe-io --force-depends --force-confnew
    "$@" --install base-passwd_*.deb base-files_*.deb
    "$@" --unpack ./*.deb
    dpkg --force-unsafe-io --configure -a
    [ -z "$(dpkg --audit)" ]
}

# What was not asked for by name goes when nothing needs it any more.
mark_asked() {
    dpkg-query -W -f '${Package} ${Essential} ${Priority}\n' |
        while read -r name essential priority; do
            if [ "$essential" = yes ] || [ "$priority" = required ]; then continue; fi
            case " $(cat asked) " in *" $name "*) ;; *) echo "$name" ;; esac
        done | xargs -r apt-mark auto > /dev/null
}

set_up() {
    cp sources.list /etc/apt/sources.list
    [ ! -s proxy ] || cp proxy /etc/apt/apt.conf.d/90proxy
    mkdir -p /usr/lib/croft
    cp first-start /usr/lib/croft/first-start
    chmod 755 /usr/lib/croft/first-start
    echo 'LANG=C.UTF-8' > /etc/default/locale
    : > /etc/machine-id
    rm -f /var/lib/dbus/machine-id /etc/hostname /etc/ssh/ssh_host_* /var/lib/dpkg/*-old \
        /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/apt/* \
        /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /tmp/* /var/tmp/*
}

say "merging /usr"
merge_usr
set -- ./*.deb
say "installing $# packages"
# Not in the condition itself, where set -e is off: a step that fails would be passed over.
set +e
(set -e; install_packages) > $packages/log 2>&1
status=$?
set -e
if [ $status -ne 0 ]; then
    tail -n 40 $packages/log >&2
    say "the packages could not be installed"
    exit 1
fi
mark_asked
set_up
say "writing the image"
# What is mounted over changes meanwhile, and belongs to nobody here: empty directories instead.
mkdir -p empty/proc empty/sys empty/dev empty/run/lock
chmod 1777 empty/run/lock
cd /
tar --one-file-system --numeric-owner --sort=name --xattrs --xattrs-include=security.capability \
    --transform='s,^croft-build/empty,.,' --anchored --exclude=./croft-build --exclude=./proc \
    --exclude=./sys --exclude=./dev --exclude=./run --exclude=./etc/hosts \
    --exclude=./etc/resolv.conf -cf - . croft-build/empty/proc croft-build/empty/sys \
    croft-build/empty/dev croft-build/empty/run >&3
