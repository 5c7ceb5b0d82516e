#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mkbusybox - builds the built-in image from the host's static busybox
#
#   tools/mkbusybox.sh BUSYBOX OUT.tar
#
# The same busybox gives the same bytes: names are sorted, ids are 0, times are fixed, modes do not
# depend on the umask. Every applet is a symbolic link to /bin/busybox at its usual place.
set -eu

[ $# -eq 2 ] || { echo "usage: $0 BUSYBOX OUT.tar" >&2; exit 2; }
busybox=$1
out=$2
epoch=1700000000

[ -x "$busybox" ] || { echo "$0: $busybox: no such program (Debian: busybox-static)" >&2; exit 6; }

umask 022
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

mkdir -p "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/usr/local/bin" \
    "$root/etc" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/home" "$root/root" \
    "$root/tmp" "$root/var/tmp" "$root/var/log" "$root/mnt" "$root/srv"
chmod 0700 "$root/root"
chmod 1777 "$root/tmp" "$root/var/tmp"
ln -s ../run "$root/var/run"

cp "$busybox" "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"

# Stops here rather than in a machine when the program cannot run at all.
if ! env -i "$root/bin/busybox" true; then
    echo "$0: $busybox does not run" >&2
    exit 6
fi

"$busybox" --list-full | while IFS= read -r applet; do
    case $applet in bin/busybox | linuxrc) continue ;; esac
    mkdir -p "$root/${applet%/*}"
    ln -s /bin/busybox "$root/$applet"
done
for needed in bin/sh bin/sleep bin/true; do
    [ -L "$root/$needed" ] || { echo "$0: $busybox has no $needed" >&2; exit 6; }
done

cat > "$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
END
cat > "$root/etc/group" <<'END'
root:x:0:
daemon:x:1:
tty:x:5:
www-data:x:33:
users:x:100:
nogroup:x:65534:
END
cat > "$root/etc/shadow" <<'END'
root:*:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
www-data:*:19000:0:99999:7:::
nobody:*:19000:0:99999:7:::
END
chmod 0600 "$root/etc/shadow"
cat > "$root/etc/hosts" <<'END'
127.0.0.1 localhost
::1 localhost
END
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
cat > "$root/etc/shells" <<'END'
/bin/sh
/bin/ash
END
cat > "$root/etc/profile" <<'END'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$(id -u)" -eq 0 ]; then PS1='\u@\h:\w# '; else PS1='\u@\h:\w$ '; fi
export PS1
END
cat > "$root/etc/os-release" <<'END'
ID=busybox
NAME=busybox
PRETTY_NAME="Croft busybox"
END

tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$epoch" --file="$work/out.tar" --directory="$root" .
mv "$work/out.tar" "$out"
