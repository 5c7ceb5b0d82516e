# SPDX-License-Identifier: Apache-2.0
"""test_images - what an image says about its start, the server's images, image build debian

Images with settings are made here (test_layouts.py); their root is busybox's. What people who come
from Docker expect stands in one table.
"""
import fcntl
import os
import stat
import subprocess

import pytest

import harness
import wire
from harness import (LIB, NOT_FOUND, NOT_PERMITTED, OK, OVER_LIMIT, STATE, USAGE, croft, daemon_pid,
                     ok, refused, until)
from test_archive import Tar
from test_layouts import Image, layer

SERVER = STATE / "images"
PEOPLE = layer(("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:33:44::/srv/www:/bin/sh\n"),
               ("etc/group", "root:x:0:\nweb:x:44:\nadm:x:55:www\n"), ("srv/www", None))
SETTINGS = {"Entrypoint": ["/bin/echo", "entry"], "Cmd": ["cmd", "two words"]}


def base():
    """The image that Croft is installed with."""
    return (LIB / "images/busybox.tar").read_bytes()


def put(user, name, tmp_path, layers=(), **config):
    path = tmp_path / f"{name}.tar"
    path.write_bytes(Image(base(), PEOPLE, *layers, **config).oci().tar())
    done = harness.import_image(user, name, path)
    assert done.status == OK, done
    return name


@pytest.fixture(scope="module")
def user(people):
    """Who has room for a few images and the Debian one."""
    return people.add(disk="1G", memory="512M")


# --- what Docker users expect ------------------------------------------------------------------

# image's settings, options, words behind the image; what comes out
EXPECTED = {
    "nothing: a shell": ({}, [], ["/bin/echo", "x"], "x"),
    "CMD": ({"Cmd": ["/bin/echo", "cmd"]}, [], [], "cmd"),
    "CMD is replaced": ({"Cmd": ["/bin/false"]}, [], ["/bin/echo", "mine"], "mine"),
    "ENTRYPOINT and CMD": (SETTINGS, [], [], "entry cmd two words"),
    "ENTRYPOINT and words": (SETTINGS, [], ["mine"], "entry mine"),
    "ENTRYPOINT alone": ({"Entrypoint": ["/bin/echo", "e"]}, [], [], "e"),
    "--entrypoint leaves CMD out": (SETTINGS, ["--entrypoint", "/bin/pwd"], [], "/"),
    "--entrypoint and words": (SETTINGS, ["--entrypoint", "/bin/echo"], ["mine"], "mine"),
    "--entrypoint of nothing": (SETTINGS, ["--entrypoint", ""], ["/bin/echo", "bare"], "bare"),
    "ENTRYPOINT found in ENV's PATH": ({"Entrypoint": ["echo"], "Env": ["PATH=/bin"]}, [], ["x"],
                                       "x"),
    "ENV": ({"Env": ["A=image", "B=b c"]}, [], ["/bin/sh", "-c", "echo $A-$B"], "image-b c"),
    "ENV is replaced": ({"Env": ["A=image", "B=b"]}, ["-e", "A=mine"],
                        ["/bin/sh", "-c", "echo $A-$B"], "mine-b"),
    "WORKDIR": ({"WorkingDir": "/srv/www"}, [], ["/bin/pwd"], "/srv/www"),
    "WORKDIR without a slash": ({"WorkingDir": "srv"}, [], ["/bin/pwd"], "/srv"),
    "WORKDIR is replaced": ({"WorkingDir": "/srv"}, ["-w", "/etc"], ["/bin/pwd"], "/etc"),
    "USER": ({"User": "www"}, [], ["/usr/bin/id"], "uid=33(www) gid=44(web) groups=55(adm)"),
    "USER and group": ({"User": "www:adm"}, [], ["/usr/bin/id"],
                       "uid=33(www) gid=55(adm)"),
    "USER by id": ({"User": "33"}, [], ["/usr/bin/id", "-u"], "33"),
    "USER by ids": ({"User": "7:8"}, [], ["/usr/bin/id"], "uid=7 gid=8"),
    "USER is replaced": ({"User": "www"}, ["-u", "root"], ["/usr/bin/id", "-u"], "0"),
    "USER's home": ({"User": "www"}, [], ["/bin/sh", "-c", "echo $HOME"], "/srv/www"),
    "ENV's home": ({"User": "www", "Env": ["HOME=/etc"]}, [], ["/bin/sh", "-c", "echo $HOME"],
                   "/etc"),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_what_docker_users_expect(user, tmp_path, case):
    config, options, words, out = EXPECTED[case]
    name = put(user, "table", tmp_path, **config)
    done = croft("run", "--rm", *options, name, *(["--", *words] if words else []), user=user)
    assert (done.status, done.out.strip()) == (OK, out), done


def test_a_user_that_the_image_does_not_have(user, tmp_path):
    put(user, "table", tmp_path, User="nobody-here")
    done = croft("run", "--rm", "table", "--", "/usr/bin/id", user=user)
    assert done.status in (125, 126, 127) and "nobody-here" in done.err, done


WAITS = "trap 'echo got it; exit 0' {}; echo started; while :; do sleep 0.05; done"


@pytest.mark.parametrize("name,signal", [("SIGQUIT", "QUIT"), ("SIGRTMIN+3", "37"), ("10", "USR1")])
def test_stop_signal(user, tmp_path, name, signal):
    put(user, "stops", tmp_path, Entrypoint=["/bin/sh", "-c", WAITS.format(signal)],
        StopSignal=name)
    ok("launch", "stops", "m", user=user)
    until(lambda: "started" in ok("logs", "m", user=user).out)
    ok("stop", "m", user=user)
    assert "got it" in ok("logs", "m", user=user).out
    ok("rm", "m", user=user)


def test_a_machine_runs_what_its_image_says(user, tmp_path):
    """Without words: the image's own. With: as run. An image that says nothing: croft-init alone."""
    put(user, "says", tmp_path, Entrypoint=["/bin/sh", "-c", "echo $0; exec sleep 1000"],
        Cmd=["from-cmd"], User="www", Env=["A=b"])
    ok("launch", "says", "m", user=user)
    until(lambda: "from-cmd" in ok("logs", "m", user=user).out)
    shown = ok("exec", "m", "--", "/bin/ps", "-o", "user,args", user=user).out
    assert any(line.split() == ["www", "sleep", "1000"] for line in shown.splitlines()), shown
    ok("rm", "--force", "m", user=user)
    ok("launch", "says", "m", "--", "mine", user=user)
    until(lambda: "mine" in ok("logs", "m", user=user).out)
    ok("rm", "--force", "m", user=user)
    ok("launch", "busybox", "m", user=user)
    assert "init" in ok("exec", "m", "--", "/bin/ps", user=user).out
    ok("rm", "--force", "m", user=user)


def test_a_main_process_that_ends_ends_its_machine(user, tmp_path):
    put(user, "ends", tmp_path, Cmd=["/bin/sh", "-c", "exit 7"])
    croft("launch", "ends", "m", user=user)
    shown = until(lambda: [m for m in [harness.machines(user)["m"]] if m["state"] == "stopped"])[0]
    assert shown["exit_code"] == 7
    ok("rm", "m", user=user)


def test_whose_machine(user):
    out = ok("run", "--rm", "busybox", "--", "/bin/sh", "-c", "echo $CROFT_OWNER", user=user).out
    assert out.strip() == user


def test_settings_outlive_croftd(user, tmp_path):
    """They are the monitor's records, of which croftd's view is made again."""
    put(user, "kept", tmp_path, **SETTINGS)
    old = daemon_pid("croftd")
    os.kill(old, 9)
    until(lambda: croft("image", "ls", user=user).status == OK and daemon_pid("croftd") != old)
    assert ok("run", "--rm", "kept", user=user).out.strip() == "entry cmd two words"
    ok("image", "rm", "kept", user=user)


def test_the_same_name_again_has_the_new_settings(user, tmp_path):
    put(user, "again", tmp_path, **SETTINGS)
    put(user, "again", tmp_path, Cmd=["/bin/echo", "new"])
    assert ok("run", "--rm", "again", user=user).out.strip() == "new"
    done = croft("image", "import", "-", "again", user=user, stdin=base())
    assert done.status == OK, done
    assert ok("run", "--rm", "again", "--", "/bin/echo", "none", user=user).out.strip() == "none"
    ok("image", "rm", "again", user=user)


def test_a_bad_image_leaves_nothing(user, tmp_path):
    before = ok("image", "ls", "--json", user=user).json()["images"]
    image = Image(base(), PEOPLE, Env=["A=" + "x" * 4000])
    path = tmp_path / "bad.tar"
    path.write_bytes(image.oci().tar())
    refused(harness.import_image(user, "bad", path), OVER_LIMIT)
    path.write_bytes(image.oci().tar()[:-30000])
    refused(harness.import_image(user, "bad", path), harness.FAILED)
    assert ok("image", "ls", "--json", user=user).json()["images"] == before


# --- the server's ------------------------------------------------------------------------------

@pytest.fixture
def server():
    """Puts images beside those of the server and takes them away again."""
    made = []

    def put_there(name, data, mode=0o644):
        path = SERVER / f"{name}.tar"
        path.write_bytes(data)
        path.chmod(mode)
        made.append(path)
        return path
    yield put_there
    for path in made:
        path.unlink()


def test_images_of_the_server_come_at_first_use(user, server):
    server("t-first", base())
    listed = ok("image", "ls", "--json", user=user).json()
    assert "t-first" in [image["name"] for image in listed["server"]]
    assert "t-first" not in [image["name"] for image in listed["images"]]
    assert ok("run", "--rm", "t-first", "--", "/bin/echo", "came", user=user).out == "came\n"
    listed = ok("image", "ls", user=user).out
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("t-first")] == [
        "yours", "the"]
    ok("image", "rm", "t-first", user=user)
    ok("launch", "t-first", "m", user=user)
    ok("rm", "--force", "m", user=user)
    ok("image", "rm", "t-first", user=user)


def test_her_own_goes_first(user, server, tmp_path):
    server("t-own", base())
    put(user, "t-own", tmp_path, Cmd=["/bin/echo", "hers"])
    assert ok("run", "--rm", "t-own", user=user).out == "hers\n"
    ok("image", "rm", "t-own", user=user)


def test_what_on_the_server_is_no_image(user, server):
    """What nobody may read is not there; what is no image is refused in a sentence."""
    server("t-closed", base(), mode=0o600)
    server("t-broken", b"hello\n" * 1000)
    refused(croft("launch", "t-closed", "m", user=user), NOT_FOUND)
    refused(croft("launch", "t-broken", "m", user=user), harness.FAILED)
    os.symlink("/etc/shadow", SERVER / "t-link.tar")
    try:
        refused(croft("launch", "t-link", "m", user=user), NOT_FOUND)
        assert "t-link" not in ok("image", "ls", user=user).out
    finally:
        (SERVER / "t-link.tar").unlink()


# --- image build debian ------------------------------------------------------------------------

BAD_BUILDS = {
    "a shell word": (["--include", "sudo;reboot"], USAGE),
    "an option": (["--include", "-oDir::Etc=/tmp"], USAGE),
    "a removal": (["--include", "sudo-"], USAGE),
    "a pattern": (["--include", "?essential"], USAGE),
    "an upper case": (["--include", "Sudo"], USAGE),
    "a path": (["--include", "../x"], USAGE),
    "a blank": (["--include", "a b"], USAGE),
    "nothing between commas": (["--include", "less,,sudo"], USAGE),
    "too many": (["--include", ",".join(["a" * 90] * 60)], USAGE),
    "a suite that is a path": (["--suite", "../x"], USAGE),
    "a suite that is an option": (["--suite", "-x"], USAGE),
    "a name that is a path": (["--name", "../../etc/passwd"], USAGE),
    "Croft's own name": (["--name", "busybox"], USAGE),
}


@pytest.mark.parametrize("case", BAD_BUILDS)
def test_bad_builds(case):
    words, status = BAD_BUILDS[case]
    refused(croft("image", "build", *words, "debian"), status)


def test_who_builds(user):
    refused(croft("image", "build", "debian", user=user), NOT_PERMITTED)
    refused(croft("image", "build", "windows"), USAGE)


@pytest.fixture(scope="module")
def system_user(people):
    """The user _build is gone with the module, as every other."""
    there = "_build" in harness.users()
    yield
    if not there and "_build" in harness.users():
        ok("user", "rm", "--purge", "_build", stdin=b"yes\n", timeout=60)


@pytest.fixture
def build(system_user, tmp_path):
    """Builds an image whose packages are busybox and the layers that are given."""
    fetch = LIB / "debian-image/fetch.sh"
    kept = tmp_path / "fetch.sh"
    kept.write_bytes(fetch.read_bytes())

    def build(*layers, timeout=60):
        seed = tmp_path / "seed.tar"
        seed.write_bytes(Image(base(), *layers).docker().tar())
        fetch.write_text(f'#!/bin/sh\nmkdir -p "$1/work" && cp {seed} "$1/work/seed.tar"\n')
        return croft("image", "build", "--name", "t-made", "debian", timeout=timeout)
    yield build
    fetch.write_bytes(kept.read_bytes())
    (SERVER / "t-made.tar").unlink(missing_ok=True)


def leaves_nothing():
    """Of a build that failed."""
    assert not (SERVER / "t-made.tar").exists() and not (SERVER / ".new").exists()
    assert harness.listed(ok("ls", "--user", "_build", "--json").json(), "machines") == []
    images = wire.call("Images", {"user": "_build"})["parameters"]["images"]
    assert "seed" not in [image["name"] for image in images]


def script(*lines):
    return layer(("croft-build/configure.sh", "\n".join(lines)))


def test_packages_have_no_network(build, user):
    """Whose interfaces there are, as the image that comes out says them."""
    names = "cut -d: -f1 /proc/net/dev | tr -d ' '"
    done = build(script(names))
    assert done.status == OK, done
    found = (SERVER / "t-made.tar").read_text().split("\n")
    assert "lo" in found and "eth0" not in found, found
    assert "eth0" in ok("run", "--rm", "busybox", "--", "/bin/sh", "-c", names, user=user).out


def test_an_image_is_no_longer_than_its_disk(build):
    """What a script writes lands on the host's disk, where she has none."""
    done = build(script("dd if=/dev/zero bs=1M count=2049"), timeout=110)
    assert done.status == harness.FAILED, done
    leaves_nothing()


def test_a_step_that_fails_ends_the_build(build):
    """busybox's dpkg takes no step of ours; the first that fails is the last that is tried."""
    files = layer(
        ("croft-build/configure.sh", (LIB / "debian-image/configure.sh").read_bytes()),
        ("croft-build/a.deb", ""), ("croft-build/base-passwd_1.deb", ""),
        ("croft-build/base-files_1.deb", ""),
        ("usr/share/base-passwd/passwd.master", "root:x:0:0::/root:/bin/sh\n"),
        ("usr/share/base-passwd/group.master", "root:x:0:\n"))
    perl = Tar().add("usr/sbin/perl", b"#!/bin/sh\n", mode=0o755).end()
    done = build(files, perl)
    assert done.status == harness.FAILED and "could not be installed" in done.err, done
    assert done.err.count("unrecognized option") == 1, done
    leaves_nothing()


def test_what_the_host_signs_in_with_stays_there(tmp_path):
    """A proxy with a password in it is for who knows the password, not for every user."""
    config = tmp_path / "apt-config"
    config.write_text("#!/bin/sh\n"
                      "echo Acquire::http::Proxy http://who:secret@proxy.example:3128\n"
                      "echo Acquire::https::Proxy http://proxy.example:3129\n")
    config.chmod(0o755)
    function = subprocess.run(["sed", "-n", "/^write_proxy()/,/^}/p", LIB / "debian-image/fetch.sh"],
                              capture_output=True, check=True).stdout.decode()
    done = subprocess.run(["sh", "-euc", f'say() {{ echo "$*" >&2; }}\n{function}\nwrite_proxy'],
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "work": str(tmp_path)},
                          capture_output=True, check=True)
    assert (tmp_path / "proxy").read_text() == 'Acquire::https::Proxy "http://proxy.example:3129";\n'
    assert b"Acquire::http::Proxy" in done.stderr and b"secret" not in done.stderr


@pytest.fixture(scope="module")
def debian(system_user):
    """A built image."""
    done = ok("image", "build", "--include", "netcat-openbsd", "--name", "t-debian", "debian",
              timeout=110)
    yield done
    (SERVER / "t-debian.tar").unlink()


@pytest.fixture
def machine(user, debian):
    ok("launch", "t-debian", "d", user=user, timeout=60)
    yield "d"
    ok("rm", "--force", "d", user=user)


def inside(user, script):
    return ok("exec", "d", "--", "/bin/sh", "-c", script, user=user).out


def test_the_built_image(user, debian, machine):
    what = os.stat(SERVER / "t-debian.tar")
    assert (what.st_uid, what.st_gid, stat.S_IMODE(what.st_mode)) == (0, 0, 0o644)
    assert not (SERVER / ".new").exists()
    assert inside(user, "dpkg --audit; dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u") == "ii \n"
    assert inside(user, "readlink /bin /lib /sbin") == "usr/bin\nusr/lib\nusr/sbin\n"
    assert "/nc" in inside(user, "command -v nc")
    assert inside(user, "ls /etc/ssh/ssh_host_* /croft-build 2>/dev/null; cat /etc/machine-id") == ""
    assert "deb" in inside(user, "grep ^deb /etc/apt/sources.list")
    assert inside(user, "stat -c %a /tmp /usr/bin/sudo /root") == "1777\n4755\n700\n"
    # The first start may be adding the account meanwhile: what useradd renames is no error.
    assert inside(user, "find / -ignore_readdir_race -xdev -nouser -o -xdev -nogroup") == ""
    # Whatever a script wrote to or read of a device, it was one.
    assert inside(user, "find / -xdev -name null -path '*dev*' -type f") == ""


def test_packages_are_installed_inside(user, machine):
    """apt-get in a machine, with its own root, over its own network"""
    ok("exec", "d", "--", "/bin/sh", "-c", "apt-get -q update && DEBIAN_FRONTEND=noninteractive "
       "apt-get -qy --no-install-recommends install hello", user=user, timeout=100)
    assert inside(user, "hello") == "Hello, world!\n"


def test_a_login_waits_for_her_account(user, debian):
    """Who comes in the moment of a machine's first start is herself, not its root."""
    ok("launch", "t-debian", "early", user=user, timeout=60)
    done = croft("shell", "early", user=user, stdin=b"id -un\n")
    ok("rm", "--force", "early", user=user)
    assert user in done.out.split(), done


def test_her_account_in_it(user, machine):
    until(lambda: croft("exec", "d", "--", "id", user, user=user).status == OK)
    until(lambda: f"({user})" in inside(user, f"id {user}") and "(sudo)" in inside(user, f"id {user}"))
    assert f"uid=1000({user})" in inside(user, f"id {user}")
    assert f"{user}:/bin/bash" in inside(user, f"getent passwd {user} | cut -d: -f1,7")
    assert ok("exec", "-u", user, "d", "--", "sudo", "-n", "id", "-u", user=user).out == "0\n"
    done = croft("exec", "-u", user, "d", "--", "cat", "/etc/shadow", user=user)
    assert done.status != 0
    ok("stop", "d", user=user)
    ok("start", "d", user=user)
    assert ok("exec", "-u", user, "d", "--", "sudo", "-n", "id", "-u", user=user).out == "0\n"


def test_a_name_that_the_image_has_is_no_road_to_root(people, debian):
    """A user who is called like an account of the image's does not make that root of her machine."""
    script = LIB / "debian-image/first-start"
    made = people.add(disk="512M", memory="256M")
    ok("launch", "t-debian", "d", user=made, timeout=60)
    with open(script, "rb") as given:
        ok("exec", "-i", "d", "--", "/bin/sh", "-c", "rm -f /etc/sudoers.d/croft-owner; cat > /fs; "
           "CROFT_OWNER=www-data sh /fs", user=made, stdin=given)
    assert "sudo" not in ok("exec", "d", "--", "id", "www-data", user=made).out
    ok("rm", "--force", "d", user=made)


def test_what_a_build_leaves(debian):
    """No machine, no image; an entry for each step; no network was ever there."""
    assert harness.listed(ok("ls", "--user", "_build", "--json").json(), "machines") == []
    said = ok("audit", "--user", "_build", "--json").out
    assert "seed" in said and "run" in said
    assert not (STATE / "build/work/seed.tar").exists()
    assert "machines     0\n" in ok("user", "info", "_build").out


def test_a_second_build_fetches_nothing_again(debian):
    """A name that is there is replaced whole; packages are not fetched twice."""
    def held():
        return {path.name: path.stat().st_ino for path in (STATE / "build/archives").glob("*.deb")}
    before = held()
    inode = os.stat(SERVER / "t-debian.tar").st_ino
    ok("image", "build", "--include", "netcat-openbsd", "--name", "t-debian", "debian", timeout=110)
    assert held() == before
    assert os.stat(SERVER / "t-debian.tar").st_ino != inode


def test_a_package_that_does_not_exist(debian):
    before = (SERVER / "t-debian.tar").read_bytes()[:4096]
    done = croft("image", "build", "--include", "no-such-package-at-all", "--name", "t-debian",
                 "debian", timeout=60)
    assert done.status == harness.FAILED and "no package named no-such-package-at-all" in done.err
    assert (SERVER / "t-debian.tar").read_bytes()[:4096] == before


def test_two_builds_at_once(debian):
    lock = os.open(STATE / "build", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    refused(croft("image", "build", "debian"), harness.FAILED)
    os.close(lock)
