# SPDX-License-Identifier: Apache-2.0
"""test_archive - croft-image against archives and trees made by a stranger

Theory of operation: croft-image runs as croft-runtime runs it in what matters here: root of a user
namespace made of one block of ids, with the tree as its "/". The tree stands in a directory with
canaries beside it and above it; after each test they must be what they were.
"""
import ctypes
import gzip
import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile

import pytest

from harness import ID_FIRST, LIB, MIB

PROGRAM = os.environ.get("CROFT_IMAGE", str(LIB / "croft-image"))
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x8000000, 0x10000000, 0x40000000
REPORT = struct.Struct("<4I4Q32s480s")  # struct image_report
DONE = 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Report:
    def __init__(self, raw, status):
        (_version, self.type, self.outcome, _reserved, self.entries, self.bytes,
         self.archive_bytes, self.skipped, digest, text) = REPORT.unpack(raw)
        self.digest = digest.hex()
        self.text = text.split(b"\0")[0].decode("utf-8", "replace")
        self.status = status

    def __repr__(self):
        return f"<{self.outcome}: {self.text} ({self.entries} entries)>"


def in_namespace(tree, verb, archive, output, ready, tmpfs_bytes):
    """The child: never returns."""
    try:
        if LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC):
            os._exit(97)
        os.write(ready[1], b"u")
        os.read(ready[2], 1)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        program = os.open(PROGRAM, os.O_RDONLY | os.O_CLOEXEC)
        if tmpfs_bytes and LIBC.mount(b"none", os.fsencode(tree), b"tmpfs", 0,
                                      b"size=%d" % tmpfs_bytes):
            os._exit(96)
        os.chdir(tree)
        os.chroot(".")
        os.dup2(archive, 0)
        os.dup2(output, 1)
        os.dup2(os.open("/", os.O_RDONLY), 2)
        os.execve(program, ["croft-image", verb], {})
    finally:
        os._exit(98)


def run(verb, tree, data=b"", tmpfs_bytes=0):
    os.chown(tree, ID_FIRST, ID_FIRST)
    up_r, up_w = os.pipe()
    go_r, go_w = os.pipe()
    out_r, out_w = os.pipe()
    with tempfile.TemporaryFile() as archive:
        archive.write(data)
        archive.seek(0)
        pid = os.fork()
        if pid == 0:
            in_namespace(tree, verb, archive.fileno(), out_w, (up_r, up_w, go_r), tmpfs_bytes)
        os.close(out_w)
        os.close(up_w)
        assert os.read(up_r, 1) == b"u"
        for kind in ("uid", "gid"):
            with open(f"/proc/{pid}/{kind}_map", "w", encoding="ascii") as ids:
                ids.write(f"0 {ID_FIRST} 65536")
        os.write(go_w, b"g")
        said = b""
        while piece := os.read(out_r, 65536):
            said += piece
        _, status = os.waitpid(pid, 0)
    for fd in (up_r, go_r, go_w, out_r):
        os.close(fd)
    assert len(said) >= REPORT.size, (status, said)
    report = Report(said[-REPORT.size:], os.waitstatus_to_exitcode(status))
    report.said = said
    assert report.type == DONE
    assert (report.status == 0) == (report.outcome == 0)
    return report


def snapshot(top, without):
    """Everything below @top but @without: what it is, whose, when changed, what it holds."""
    found = {}
    for where, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(where, name) != without]
        for name in folders + files:
            path = os.path.join(where, name)
            what = os.lstat(path)
            held = open(path, "rb").read() if stat.S_ISREG(what.st_mode) else b""
            found[path] = (what.st_mode, what.st_uid, what.st_gid, what.st_nlink, what.st_mtime_ns,
                           held)
    return found


@pytest.fixture
def tree():
    """A directory to fill, canaries around it, gone afterwards."""
    top = tempfile.mkdtemp(prefix="croft-archive-", dir="/var/tmp")
    os.chmod(top, 0o755)
    for name in ("canary", "etc/passwd", "beside/secret"):
        os.makedirs(os.path.dirname(f"{top}/{name}"), exist_ok=True)
        with open(f"{top}/{name}", "w", encoding="ascii") as canary:
            canary.write("untouched\n")
    os.chmod(f"{top}/canary", 0o666)
    os.chmod(f"{top}/beside", 0o777)
    root = f"{top}/tree"
    os.mkdir(root)
    before = snapshot(top, root)
    yield root
    after = snapshot(top, root)
    subprocess.run(["rm", "-rf", top], check=True)
    assert before == after, "something outside of the tree was touched"


class Tar:
    """A tar archive, entry by entry."""
    def __init__(self, form=tarfile.PAX_FORMAT):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=form,
                                encoding="utf-8", errors="surrogateescape")

    def add(self, name, data=None, kind=tarfile.REGTYPE, **fields):
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        info.size = len(data or b"")
        for key, value in fields.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data or b""))
        return self

    def end(self):
        self.tar.close()
        return self.buffer.getvalue()


def rooted():
    return Tar().add("etc", kind=tarfile.DIRTYPE).add("etc/passwd", b"root:x:0:0::/:/bin/sh\n")


NET_BIND_SERVICE, NET_RAW = 1 << 10, 1 << 13


def capability(rootid=None, which=NET_BIND_SERVICE):
    """security.capability with which=ep, version 2 or 3."""
    version = 0x02000001 if rootid is None else 0x03000001
    value = struct.pack("<5I", version, which, 0, 0, 0)
    return value if rootid is None else value + struct.pack("<I", rootid)


# --- what is kept ------------------------------------------------------------------------------

def good_archive():
    tar = rooted()
    tar.add("bin", kind=tarfile.DIRTYPE, mode=0o750, mtime=1000000000.25, uid=3, gid=4)
    tar.add("bin/su", b"x" * 5000, mode=0o6755, mtime=1234567890.5, uid=7, gid=65535,
            pax_headers={"SCHILY.xattr.user.note": "hello",
                         "SCHILY.xattr.user.overlay.opaque": "y",
                         "SCHILY.xattr.trusted.overlay.opaque": "y",
                         "SCHILY.xattr.security.selinux": "x"})
    tar.add("bin/sudo", kind=tarfile.LNKTYPE, linkname="bin/su")
    tar.add("bin/sh", kind=tarfile.SYMTYPE, linkname="/../../canary", mtime=5)
    tar.add("run/deep/er/fifo", kind=tarfile.FIFOTYPE, mode=0o620)
    tar.add("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)
    tar.add("dev/sda", kind=tarfile.BLKTYPE, devmajor=8, devminor=0)
    tar.add("/abs/olute", b"1")
    tar.add("./dot/./ted//x", b"2")
    tar.add("-rf", b"3").add("new\nline", b"4").add("ünï", b"5").add("\udcff\udcfe", b"6")
    tar.add("n" * 255, b"7")
    tar.add("/".join(["d" * 200] * 20), b"8")
    return tar.end()


def test_everything_is_kept_that_should_be(tree):
    data = good_archive()
    report = run("unpack", tree, data)
    assert report.outcome == 0, report
    assert report.digest == hashlib.sha256(data).hexdigest()
    assert report.archive_bytes == len(data)
    assert report.skipped == 2 and not os.path.exists(f"{tree}/dev")

    su = os.lstat(f"{tree}/bin/su")
    assert stat.S_IMODE(su.st_mode) == 0o6755 and su.st_nlink == 2 and su.st_size == 5000
    assert (su.st_uid, su.st_gid) == (ID_FIRST + 7, ID_FIRST + 65535)
    assert su.st_mtime_ns == 1234567890500000000
    assert os.lstat(f"{tree}/bin/sudo").st_ino == su.st_ino
    assert sorted(os.listxattr(f"{tree}/bin/su")) == ["user.note"]
    folder = os.lstat(f"{tree}/bin")
    assert stat.S_IMODE(folder.st_mode) == 0o750 and folder.st_mtime_ns == 1000000000250000000
    assert (folder.st_uid, folder.st_gid) == (ID_FIRST + 3, ID_FIRST + 4)
    assert os.readlink(f"{tree}/bin/sh") == "/../../canary"
    assert os.lstat(f"{tree}/bin/sh").st_mtime == 5
    fifo = os.lstat(f"{tree}/run/deep/er/fifo")
    assert stat.S_ISFIFO(fifo.st_mode) and stat.S_IMODE(fifo.st_mode) == 0o620
    for name, held in (("abs/olute", b"1"), ("dot/ted/x", b"2"), ("-rf", b"3"), ("new\nline", b"4"),
                       ("ünï", b"5"), ("\udcff\udcfe", b"6"), ("n" * 255, b"7"),
                       ("/".join(["d" * 200] * 20), b"8")):
        with open(f"{tree}/{name}", "rb") as file:
            assert file.read() == held
    for where, folders, files in os.walk(tree):
        for name in folders + files:
            assert ID_FIRST <= os.lstat(os.path.join(where, name)).st_uid < ID_FIRST + 65536

    report = run("remove", tree)
    assert report.outcome == 0 and os.listdir(tree) == []


def marked(name, value):
    """an archive with a file whose security.capability is value"""
    header = b"SCHILY.xattr.security.capability=" + value + b"\n"
    size = len(header) + 1
    size += len(str(size + len(str(size))))
    return with_pax(b"%d " % size + header, name, b"x")


def test_capabilities_that_no_instance_has_are_left_out(tree):
    """nobody could execute a file with them: ping without NET_RAW finds another way"""
    assert run("unpack", tree, marked("ping", capability(None, NET_RAW))).outcome == 0
    with pytest.raises(OSError):
        os.getxattr(f"{tree}/ping", "security.capability")


@pytest.mark.parametrize("rootid", [None, 0, 5, 4294967295])
def test_capabilities_mean_this_namespace(tree, rootid):
    """Whatever root id the archive names: the kernel puts that of the user's namespace."""
    assert run("unpack", tree, marked("ping", capability(rootid))).outcome == 0
    got = os.getxattr(f"{tree}/ping", "security.capability")
    assert len(got) == 24 and struct.unpack("<I", got[20:])[0] == ID_FIRST


@pytest.mark.parametrize("pack", [gzip.compress,
                                  lambda data: subprocess.run(["zstd", "-c"], input=data,
                                                              capture_output=True,
                                                              check=True).stdout])
def test_compressed(tree, pack):
    data = pack(good_archive())
    report = run("unpack", tree, data)
    assert report.outcome == 0 and report.digest == hashlib.sha256(data).hexdigest()
    assert os.path.exists(f"{tree}/bin/su")


@pytest.mark.parametrize("named", [False, True])
def test_the_root_itself(tree, named):
    """Who is not root inside gets through "/" also when the archive does not name it."""
    tar = rooted()
    if named:
        tar.add("./", kind=tarfile.DIRTYPE, mode=0o751, uid=5)
    os.chmod(tree, 0o700)
    assert run("unpack", tree, tar.end()).outcome == 0
    what = os.lstat(tree)
    assert stat.S_IMODE(what.st_mode) == (0o751 if named else 0o755)
    assert what.st_uid == ID_FIRST + (5 if named else 0)


def test_the_root_takes_nothing_of_the_next_entry(tree):
    tar = Tar().add("./", kind=tarfile.DIRTYPE, mode=0o755)
    tar.add("etc", kind=tarfile.DIRTYPE, pax_headers={"SCHILY.xattr.user.note": "of etc"})
    report = run("unpack", tree, tar.end())
    assert (report.outcome, report.entries) == (0, 2), report
    assert os.listxattr(f"{tree}/etc") == ["user.note"], "the positive control"
    assert os.listxattr(tree) == []


def test_sparse(tree):
    """Holes stay holes; the end of the file may be one."""
    with tempfile.TemporaryDirectory() as made:
        with open(f"{made}/file", "wb") as file:
            file.seek(5 * MIB)
            file.write(b"middle")
            file.truncate(50 * MIB)
        data = subprocess.run(["tar", "-C", made, "--sparse", "-c", "file"], capture_output=True,
                              check=True).stdout
    report = run("unpack", tree, data)
    assert report.outcome == 0, report
    what = os.stat(f"{tree}/file")
    assert what.st_size == 50 * MIB and what.st_blocks * 512 < MIB
    with open(f"{tree}/file", "rb") as file:
        file.seek(5 * MIB)
        assert file.read(6) == b"middle"


def test_later_replaces_earlier(tree):
    tar = rooted().add("a", b"first").add("b", kind=tarfile.LNKTYPE, linkname="a")
    tar.add("a", b"second").add("b", kind=tarfile.SYMTYPE, linkname="a").add("b", b"third")
    tar.add("etc", kind=tarfile.DIRTYPE, mode=0o700)
    tar.add("a", kind=tarfile.LNKTYPE, linkname="a")
    report = run("unpack", tree, tar.end())
    assert report.outcome == 0, report
    assert open(f"{tree}/a", encoding="ascii").read() == "second"
    assert open(f"{tree}/b", encoding="ascii").read() == "third"
    assert stat.S_IMODE(os.lstat(f"{tree}/etc").st_mode) == 0o700
    assert os.path.exists(f"{tree}/etc/passwd")


# --- what is refused ---------------------------------------------------------------------------

def with_pax(header, name, held):
    """An archive whose entry has @header, byte for byte, as its extended header."""
    def block(kind, size, entry):
        info = tarfile.TarInfo(entry)
        info.type, info.size = kind, size
        return info.tobuf(tarfile.USTAR_FORMAT)

    def padded(data):
        return data + b"\0" * (-len(data) % 512)
    return (block(b"x", len(header), "pax") + padded(header) +
            block(b"0", len(held), name) + padded(held) + b"\0" * 1024)


def link(name, target, kind=tarfile.LNKTYPE):
    return rooted().add(name, kind=kind, linkname=target)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:]


REFUSED = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"hello\n" * 1000, "no tar archive"),
    "zip": (lambda: b"PK\3\4" + b"\0" * 5000, "no tar archive"),
    "gzip of text": (lambda: gzip.compress(b"hello\n" * 1000), "no tar archive"),
    "only an end mark": (lambda: b"\0" * 10240, "no files"),
    "dot dot": (lambda: rooted().add("../canary", b"x").end(), "'..'"),
    "dot dot inside": (lambda: rooted().add("etc/../../canary", b"x").end(), "'..'"),
    "dot dot at the end": (lambda: rooted().add("etc/..", kind=tarfile.DIRTYPE).end(), "'..'"),
    "absolute dot dot": (lambda: rooted().add("/../canary", b"x").end(), "'..'"),
    "pax dot dot": (lambda: with_pax(b"18 path=../canary\n", "x", b"x"), "'..'"),
    "through a link": (lambda: link("out", "..", tarfile.SYMTYPE).add("out/canary", b"x").end(),
                       "no directory"),
    "through an absolute link": (lambda: link("out", "/var/tmp", tarfile.SYMTYPE)
                                 .add("out/x", b"x").end(), "no directory"),
    "directory over a link": (lambda: link("out", "..", tarfile.SYMTYPE)
                              .add("out", kind=tarfile.DIRTYPE).end(), "twice"),
    "link over a directory": (lambda: link("etc", "/", tarfile.SYMTYPE).end(), "twice"),
    "file over a directory": (lambda: rooted().add("etc", b"x").end(), "twice"),
    "directory over a file": (lambda: rooted().add("a", b"x").add("a", kind=tarfile.DIRTYPE).end(),
                              "twice"),
    "below a file": (lambda: rooted().add("a", b"x").add("a/b", b"x").end(), "no directory"),
    "root as a file": (lambda: rooted().add(".", b"x").end(), "root"),
    "root as a link": (lambda: link("./", "/etc", tarfile.SYMTYPE).end(), "root"),
    "hard link out": (lambda: link("x", "../canary").end(), "bad target"),
    "hard link to what is not there": (lambda: link("x", "nothing").end(), "before it"),
    "hard link to what comes later": (lambda: link("x", "y").add("y", b"x").end(), "before it"),
    "hard link to a link": (lambda: link("l", "/etc/passwd", tarfile.SYMTYPE)
                            .add("x", kind=tarfile.LNKTYPE, linkname="l").end(), "before it"),
    "hard link through a link": (lambda: link("l", "etc", tarfile.SYMTYPE)
                                 .add("x", kind=tarfile.LNKTYPE, linkname="l/passwd").end(),
                                 "before it"),
    "hard link to a directory": (lambda: link("x", "etc").end(), "before it"),
    "hard link to the root": (lambda: link("x", "/").end(), "bad target"),
    "foreign uid": (lambda: rooted().add("x", b"x", uid=65536).end(), "65536"),
    "foreign gid": (lambda: rooted().add("x", b"x", gid=100000).end(), "100000"),
    "uid -1": (lambda: rooted().add("x", b"x", uid=4294967295).end(), "4294967295"),
    "long component": (lambda: rooted().add("n" * 256, b"x").end(), "too long"),
    "long path": (lambda: rooted().add("/".join(["d" * 250] * 17), b"x").end(), "too long"),
    "whiteout": (lambda: rooted().add("etc/.wh.passwd", b"").end(), "whiteout"),
    "opaque": (lambda: rooted().add(".wh..wh..opq", b"").end(), "whiteout"),
    "whiteout of dot dot": (lambda: rooted().add(".wh...", b"").end(), "whiteout"),
    "whiteout folder": (lambda: rooted().add(".wh.x/y", b"").end(), "whiteout"),
    "two archives": (lambda: rooted().end() + rooted().end(), "follows the end"),
    "garbage behind": (lambda: rooted().end() + b"x", "follows the end"),
    "garbage behind gzip": (lambda: gzip.compress(rooted().end()) + b"x" * 100, "follows the end"),
    "archive behind gzip": (lambda: gzip.compress(rooted().end()) + rooted().end(),
                            "follows the end"),
    "two in one gzip": (lambda: gzip.compress(rooted().end()) * 2, "follows the end"),
    "wrong checksum": (lambda: flipped(rooted().end(), 512 + 3), "damaged"),
    "gzip damaged": (lambda: flipped(gzip.compress(good_archive()), 300), "damaged"),
    "pax without a length": (lambda: with_pax(b"path=x\n", "x", b"x"), "damaged"),
    "pax with a wrong length": (lambda: with_pax(b"99 path=x\n", "x", b"x"), "damaged"),
    "pax without a line end": (lambda: with_pax(b"10 path=xx", "x", b"x"), "damaged"),
    "pax size over the archive": (lambda: with_pax(b"16 size=9999999\n", "x", b"x"), "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tree, name):
    make, says = REFUSED[name]
    report = run("unpack", tree, make())
    assert report.outcome != 0, report
    assert says in report.text, report
    assert "\n" not in report.text and len(report.text) < 400


def test_unknown_kinds(tree):
    """tar has no letter for it; whatever an unknown letter makes, it is a plain file at most."""
    for kind in (b"s", b"Z", b"D"):
        report = run("unpack", tree, rooted().add("x", b"", kind=kind).end())
        assert report.outcome != 0 or stat.S_IFMT(os.lstat(f"{tree}/x").st_mode) in (
            stat.S_IFREG, stat.S_IFDIR), (kind, report)
        run("remove", tree)


def test_cut_at_every_block(tree):
    """No archive that was cut off passes, wherever: not even at the border of an entry."""
    data = rooted().add("a", b"\0" * 3000).add("b", b"").end()
    end = len(data.rstrip(b"\0"))
    end += -end % 512
    end = max(end, data.rfind(b"ustar") - 257 + 512)
    for size in range(0, end + 1024, 512):
        report = run("unpack", tree, data[:size])
        assert report.outcome != 0, (size, report)
        run("remove", tree)
    assert run("unpack", tree, data[:end + 1024]).outcome == 0


def test_cut_gzip(tree):
    data = gzip.compress(good_archive())
    for size in range(1, len(data), max(1, len(data) // 40)):
        assert run("unpack", tree, data[:size]).outcome != 0, size
        run("remove", tree)


# --- bombs -------------------------------------------------------------------------------------

def bomb(size, level=9):
    """A file of zeroes, @size bytes, packed as small as gzip can."""
    info = tarfile.TarInfo("zeroes")
    info.size = size
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0) as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size // MIB):
            out.write(b"\0" * MIB)
        out.write(b"\0" * 10240)
    return packed.getvalue()


def test_bomb_stops_at_the_disk(tree):
    data = bomb(256 * MIB)
    assert len(data) < MIB
    report = run("unpack", tree, data, tmpfs_bytes=16 * MIB)
    assert report.outcome == 5 and "disk is full" in report.text, report


def test_bomb_of_small_files_stops_at_the_disk(tree):
    tar = Tar(tarfile.USTAR_FORMAT)
    for i in range(20000):
        tar.add(f"f{i}", b"x")
    report = run("unpack", tree, gzip.compress(tar.end()), tmpfs_bytes=8 * MIB)
    assert report.outcome == 5 and "disk is full" in report.text, report


def test_large_window_is_refused(tree):
    data = subprocess.run(["zstd", "-c", "--long=30", "-1"], input=b"\0" * (MIB * 160),
                          capture_output=True, check=True).stdout
    report = run("unpack", tree, data)
    assert report.outcome != 0 and "damaged" in report.text, report


def test_huge_header_is_refused(tree):
    """An extended header of a gigabyte does not become memory."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = b"x", 1 << 30
    report = run("unpack", tree, info.tobuf(tarfile.GNU_FORMAT) + b"1" * MIB)
    assert report.outcome != 0 and "damaged" in report.text, report


# --- what runs -----------------------------------------------------------------------------------

def test_libraries_in_the_tree_are_not_looked_at(tree):
    """Converting names must not load converters that an earlier import put into the tree."""
    for path in ("usr/lib/x86_64-linux-gnu/gconv", "usr/lib/gconv", "usr/lib/locale"):
        os.makedirs(f"{tree}/{path}")
        os.mkfifo(f"{tree}/{path}/gconv-modules.cache")
        os.mkfifo(f"{tree}/{path}/gconv-modules")
        os.mkfifo(f"{tree}/{path}/locale-archive")
    # Whoever opened one of the FIFOs would wait for ever.
    report = run("unpack", tree, good_archive())
    assert report.outcome == 0, report


# --- deleting ----------------------------------------------------------------------------------

def make_deep(tree, levels):
    at = os.open(tree, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.fchown(below, ID_FIRST, ID_FIRST)
        os.close(at)
        at = below
    with os.fdopen(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at), "w") as file:
        file.write("x")
    os.close(at)


def test_remove_deep(tree):
    make_deep(tree, 100000)
    report = run("remove", tree)
    assert report.outcome == 0 and os.listdir(tree) == []
    assert report.entries == 100001


def test_remove_strange(tree):
    """Wide, links to everywhere, names that look like options or like its own, no permissions."""
    for i in range(3000):
        os.close(os.open(f"{tree}/{i}\n-rf", os.O_CREAT | os.O_WRONLY))
    os.symlink("/", f"{tree}/root")
    os.symlink("../canary", f"{tree}/canary")
    os.symlink("../beside", f"{tree}/beside")
    os.makedirs(f"{tree}/deep-0/{'/'.join('x' * 60)}")
    os.makedirs(f"{tree}/deep-1/{'/'.join('x' * 60)}")
    os.makedirs(f"{tree}/closed/inner")
    os.mkfifo(f"{tree}/closed/fifo")
    subprocess.run(["chown", "-R", "-h", f"{ID_FIRST}:{ID_FIRST}", tree], check=True)
    os.chmod(f"{tree}/closed", 0)
    report = run("remove", tree)
    assert report.outcome == 0, report
    assert os.listdir(tree) == []


def test_remove_says_what_stays(tree):
    """What is not hers stays and is counted; the rest goes."""
    os.mkdir(f"{tree}/mine")
    os.chown(f"{tree}/mine", ID_FIRST, ID_FIRST)
    os.mkdir(f"{tree}/theirs")
    os.chmod(f"{tree}/theirs", 0o700)
    os.close(os.open(f"{tree}/theirs/file", os.O_CREAT | os.O_WRONLY))
    for i in range(10):
        os.close(os.open(f"{tree}/{i}", os.O_CREAT | os.O_WRONLY))
    report = run("remove", tree)
    assert report.outcome == 1 and report.skipped == 1, report
    assert os.listdir(tree) == ["theirs"]
    shutil.rmtree(f"{tree}/theirs")
