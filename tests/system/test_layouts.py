# SPDX-License-Identifier: Apache-2.0
"""test_layouts - images with their layers, OCI layouts and docker save's, by whoever wrote them

Every archive is made here, byte for byte; croft-image is run as in test_archive.py.
"""
import gzip
import hashlib
import io
import json
import os
import platform
import stat
import struct
import subprocess
import tarfile

import pytest

import test_archive
from harness import ID_FIRST, MIB
from test_archive import REPORT, Tar, run

CONFIG = 3
HEAD = struct.Struct("<6I40s")  # struct image_config
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OTHER = "arm64" if ARCH == "amd64" else "amd64"
OCI = "application/vnd.oci.image."


tree = test_archive.tree


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def sha(data):
    return hashlib.sha256(data).hexdigest()


def layer(*entries):
    """A layer of names with contents: None a directory, "->x" a symbolic link, "=x" a hard one."""
    tar = Tar()
    for name, held in entries:
        if held is None:
            tar.add(name, kind=tarfile.DIRTYPE)
        elif isinstance(held, str) and held.startswith("->"):
            tar.add(name, kind=tarfile.SYMTYPE, linkname=held[2:])
        elif isinstance(held, str) and held.startswith("="):
            tar.add(name, kind=tarfile.LNKTYPE, linkname=held[1:])
        else:
            tar.add(name, held if isinstance(held, bytes) else held.encode())
    return tar.end()


BASE = layer(("etc", None), ("etc/passwd", "root"), ("etc/motd", "old"), ("opt/a/b/c", "deep"),
             ("lib", None), ("lib/x", "x"), ("kind", "file"), ("other", None), ("other/in", "in"))


class Image:
    """An image to be written in any of the forms; what is wrong is put in by whoever tests it."""
    def __init__(self, *layers, pack=lambda data: data, **config):
        self.plain = list(layers) or [BASE]
        self.layers = [pack(data) for data in self.plain]
        self.config = {"architecture": ARCH, "os": "linux", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(data)}"
                                                                 for data in self.plain]}}
        self.files = {}

    def blob(self, data, kind):
        self.files[f"blobs/sha256/{sha(data)}"] = data
        return {"mediaType": kind, "digest": f"sha256:{sha(data)}", "size": len(data)}

    def manifest(self):
        return json.dumps({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": self.blob(json.dumps(self.config).encode(), OCI + "config.v1+json"),
            "layers": [self.blob(data, OCI + "layer.v1.tar") for data in self.layers]}).encode()

    def oci(self, index=None):
        """@index: makes the list of manifests from the one there is"""
        one = self.blob(self.manifest(), OCI + "manifest.v1+json")
        self.files["index.json"] = json.dumps(
            {"schemaVersion": 2, "manifests": index(one) if index else [one]}).encode()
        self.files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        return self

    def docker(self):
        """As docker before 25: directories, a link for a layer that comes twice."""
        config = json.dumps(self.config).encode()
        names = []
        for i, data in enumerate(self.layers):
            name = f"{sha(bytes([i]))}/layer.tar"
            self.files[name.replace("layer.tar", "VERSION")] = b"1.0"
            self.files[name] = data
            if data in self.layers[:i]:
                self.files[name] = "->../" + names[self.layers.index(data)]
            names.append(name)
        self.files[f"{sha(config)}.json"] = config
        self.files["manifest.json"] = json.dumps(
            [{"Config": f"{sha(config)}.json", "RepoTags": ["x:y"], "Layers": names}]).encode()
        self.files["repositories"] = b"{}"
        return self

    def tar(self, prefix="", uid=0):
        tar = Tar(tarfile.GNU_FORMAT)
        if prefix:
            tar.add(prefix, kind=tarfile.DIRTYPE, uid=uid, mode=0o700)
        for name, data in self.files.items():
            if isinstance(data, str):
                tar.add(prefix + name, kind=tarfile.SYMTYPE, linkname=data[2:], uid=uid)
            else:
                tar.add(prefix + name, data, uid=uid)
        return tar.end()


class Settings:
    def __init__(self, said):
        """What was said before the last report: progress, and one config."""
        self.found = None
        while len(said) > REPORT.size:
            kind = struct.unpack_from("<I", said, 4)[0]
            said = said[REPORT.size:]
            if kind != CONFIG:
                continue
            assert self.found is None
            entry, cmd, env, self.signal, size, _, user = HEAD.unpack(said[:HEAD.size])
            strings = said[HEAD.size:HEAD.size + size].decode().split("\0")
            assert len(strings) == 2 + entry + cmd + env and strings.pop() == ""
            self.found = True
            self.workdir = strings[0]
            self.entrypoint = strings[1:1 + entry]
            self.cmd = strings[1 + entry:1 + entry + cmd]
            self.env = strings[1 + entry + cmd:]
            self.user = user.split(b"\0")[0].decode()
            said = said[HEAD.size + size:]


def unpack(where, data, **how):
    report = run("unpack", where, data, **how)
    report.settings = Settings(report.said)
    return report


def held(where):
    """Every file and link beneath, and what it holds."""
    found = {}
    for folder, folders, files in os.walk(where):
        for name in folders + files:
            path = os.path.join(folder, name)
            short = path[len(where) + 1:]
            if os.path.islink(path):
                found[short] = "->" + os.readlink(path)
            else:
                found[short] = None if os.path.isdir(path) else open(path, encoding="ascii").read()
    return found


# --- what is kept ------------------------------------------------------------------------------

UPPER = layer(("etc/motd", "new"), ("etc/.wh.passwd", ""), ("opt/.wh..wh..opq", ""),
              ("opt/fresh", "yes"), (".wh..wh.plnk/1.2", ""), ("kind", None), ("kind/in", "dir"),
              ("other", "->etc"), ("lib/y", "=lib/x"), (".wh.nothing", ""))
RESULT = {"etc": None, "etc/motd": "new", "opt": None, "opt/fresh": "yes", "lib": None,
          "lib/x": "x", "lib/y": "x", "kind": None, "kind/in": "dir", "other": "->etc"}


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, zstd])
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_layers_lie_over_each_other(tree, form, pack):
    image = Image(BASE, UPPER, pack=pack, Cmd=["/bin/true"])
    data = getattr(image, form)().tar()
    report = unpack(tree, data)
    assert report.outcome == 0, report
    assert report.digest == sha(data) and report.archive_bytes == len(data)
    assert held(tree) == RESULT
    assert report.settings.cmd == ["/bin/true"]
    what = os.lstat(tree)
    assert stat.S_IMODE(what.st_mode) == 0o755 and what.st_uid == ID_FIRST


def test_order_of_files_means_nothing(tree):
    image = Image(BASE, UPPER).oci()
    for turn in (sorted, lambda files: sorted(files, reverse=True)):
        image.files = dict(turn(image.files.items()))
        assert unpack(tree, image.tar()).outcome == 0
        assert held(tree) == RESULT
        run("remove", tree)


def test_whole_archive_compressed_in_a_folder_of_anybody(tree):
    report = unpack(tree, gzip.compress(Image(BASE, UPPER).oci().tar(prefix="./", uid=1234567)))
    assert report.outcome == 0, report
    assert held(tree) == RESULT and stat.S_IMODE(os.lstat(tree).st_mode) == 0o755


def test_docker_since_25_has_both_forms(tree):
    image = Image(BASE, UPPER).oci()
    names = [f"blobs/sha256/{sha(data)}" for data in image.layers]
    config = f"blobs/sha256/{sha(json.dumps(image.config).encode())}"
    image.files["manifest.json"] = json.dumps([{"Config": config, "Layers": names}]).encode()
    assert unpack(tree, image.tar()).outcome == 0 and held(tree) == RESULT
    run("remove", tree)
    del image.files["oci-layout"]
    assert unpack(tree, image.tar()).outcome == 0 and held(tree) == RESULT


def test_whiteouts_are_about_the_layers_below(tree):
    """Wherever they stand: what their own layer brings stays."""
    first = layer(("a/old", "1"), ("a/sub/old", "2"), ("b", "3"), ("c/old", "4"))
    for second in (layer(("a/new", "n"), ("a/sub/new", "m"), ("a/.wh..wh..opq", ""), ("b", "new"),
                         (".wh.b", ""), ("c/new", "o"), (".wh.c", "")),
                   layer((".wh.c", ""), (".wh.b", ""), ("a/.wh..wh..opq", ""), ("c/new", "o"),
                         ("b", "new"), ("a/sub/new", "m"), ("a/new", "n"))):
        assert unpack(tree, Image(first, second).oci().tar()).outcome == 0
        assert held(tree) == {"a": None, "a/new": "n", "a/sub": None, "a/sub/new": "m", "b": "new",
                              "c": None, "c/new": "o"}
        run("remove", tree)


def test_a_link_of_a_layer_below_is_broken_by_a_new_file(tree):
    image = Image(layer(("a", "1"), ("b", "=a")), layer(("a", "2")))
    assert unpack(tree, image.oci().tar()).outcome == 0
    assert held(tree) == {"a": "2", "b": "1"}


def test_a_directory_replaced_while_its_files_come(tree):
    """The directory that was open when it was replaced is not written to any more."""
    image = Image(layer(("a/b/c", "1")), layer(("a/b/d", "2"), ("a", "file"), ("e", "3"),
                                                ("a", None), ("a/b/f", "4")))
    assert unpack(tree, image.oci().tar()).outcome == 0
    assert held(tree) == {"a": None, "a/b": None, "a/b/f": "4", "e": "3"}


def test_the_same_layer_twice_and_an_empty_one(tree):
    empty = Tar().end()
    for form in ("oci", "docker"):
        image = getattr(Image(BASE, empty, layer((".wh.etc", "")), empty, BASE), form)()
        report = unpack(tree, image.tar())
        assert report.outcome == 0, report
        assert "etc/passwd" in held(tree)
        run("remove", tree)


def test_many_layers(tree):
    layers = [layer((f"f{i}", str(i)), ("last", str(i))) for i in range(256)]
    assert unpack(tree, Image(*layers).oci().tar()).outcome == 0
    assert len(os.listdir(tree)) == 257 and open(f"{tree}/last", encoding="ascii").read() == "255"


def test_deep_and_wide_things_are_taken_away(tree):
    deep = layer(("/".join(["d"] * 1000) + "/x", "1"), *((f"w/{i}", "") for i in range(2000)))
    image = Image(deep, layer((".wh.d", ""), ("w/.wh..wh..opq", "")))
    assert unpack(tree, image.oci().tar()).outcome == 0
    assert held(tree) == {"w": None}


def test_nothing_is_left_of_what_was_put_aside(tree):
    """Six layers of 4 MiB each: the disk holds little more than one of them and the files."""
    layers = [layer((f"f{i}", os.urandom(4 * MIB))) for i in range(6)]
    report = unpack(tree, Image(*layers).oci().tar(), tmpfs_bytes=30 * MIB)
    assert report.outcome == 0, report
    report = unpack(tree, Image(*layers).oci().tar(), tmpfs_bytes=26 * MIB)
    assert report.outcome == 5 and "disk is full" in report.text, report


def platforms(one):
    foreign = {"mediaType": one["mediaType"], "digest": "sha256:" + "0" * 64, "size": 5}
    return [{**foreign, "platform": {"os": "linux", "architecture": OTHER}},
            {**foreign, "platform": {"os": "windows", "architecture": ARCH}},
            {**foreign, "platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {**one, "platform": {"os": "linux", "architecture": ARCH, "variant": "v8"}},
            {**foreign, "mediaType": "application/vnd.in-toto+json"}]


def test_the_platform_of_this_host_is_taken(tree):
    report = unpack(tree, Image(BASE, UPPER).oci(platforms).tar())
    assert report.outcome == 0 and held(tree) == RESULT, report


def test_an_index_in_an_index(tree):
    image = Image(BASE, UPPER)
    image.oci(lambda one: [image.blob(json.dumps({"manifests": platforms(one)}).encode(),
                                      OCI + "index.v1+json")])
    assert unpack(tree, image.tar()).outcome == 0
    assert held(tree) == RESULT


def test_one_image_of_two_names(tree):
    image = Image(BASE, UPPER).oci(lambda one: [{**one, "annotations": {"x": "1"}}, one])
    assert unpack(tree, image.tar()).outcome == 0


# --- settings ----------------------------------------------------------------------------------

def test_settings(tree):
    image = Image(Entrypoint=["/entry", "-x"], Cmd=["a b", ""], Env=["A=1", "PATH=/x", "none", "=no"],
                  WorkingDir="srv/www", User="www-data:adm", StopSignal="SIGRTMIN+3",
                  Volumes={"/data": {}}, ExposedPorts={"80/tcp": {}}, Labels={"a": "b"},
                  Healthcheck={"Test": ["CMD", "true"]})
    for form in ("oci", "docker"):
        got = unpack(tree, getattr(image, form)().tar()).settings
        assert (got.entrypoint, got.cmd) == (["/entry", "-x"], ["a b", ""])
        assert got.env == ["A=1", "PATH=/x"] and got.workdir == "/srv/www"
        assert (got.user, got.signal) == ("www-data:adm", 37)
        run("remove", tree)


@pytest.mark.parametrize("config", [None, {}, {"Entrypoint": None, "Cmd": None, "Env": None,
                                               "WorkingDir": "", "User": "", "StopSignal": ""}])
def test_no_settings(tree, config):
    image = Image()
    image.config["config"] = config
    got = unpack(tree, image.oci().tar()).settings
    assert got.found and (got.entrypoint, got.cmd, got.env, got.workdir) == ([], [], [], "")
    assert (got.user, got.signal) == ("", 0)


def test_a_root_file_system_has_no_settings(tree):
    report = unpack(tree, BASE)
    assert report.outcome == 0 and report.settings.found is None


# --- what is refused ---------------------------------------------------------------------------

def image_with(**parts):
    """An OCI image whose parts are replaced: a function of the part there is."""
    image = Image(BASE, UPPER)
    image.config = parts.get("config", lambda config: config)(image.config)
    image.oci(parts.get("index"))
    parts.get("files", lambda files: None)(image.files)
    return image.tar()


def remake(change):
    """An OCI image whose manifest is changed."""
    image = Image(BASE, layer(("one", "1")))
    made = json.loads(image.manifest())
    change(made, image)
    image.manifest = lambda: json.dumps(made).encode()
    return image.oci().tar()


def drop(name):
    return lambda files: files.pop(name(files) if callable(name) else name)


def largest(files):
    return max((name for name in files if name.startswith("blobs/")), key=lambda n: len(files[n]))


def spoil(files):
    name = largest(files)
    files[name] = files[name][:-1] + b"x"


def settings(**config):
    return lambda whole: {**whole, "config": config}


def docker_with(change):
    image = Image(BASE, UPPER).docker()
    change(image.files)
    return image.tar()


def two_images(files):
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) * 2).encode()


def renamed(key, value):
    def change(files):
        made = json.loads(files["manifest.json"])
        made[0][key] = value
        files["manifest.json"] = json.dumps(made).encode()
    return change


def circle(files):
    name = json.loads(files["manifest.json"])[0]["Layers"][0]
    files[name] = "->../again"
    files["again"] = "->" + name


def nested(depth):
    image = Image()

    def index(one):
        for _ in range(depth):
            one = image.blob(json.dumps({"manifests": [one]}).encode(), OCI + "index.v1+json")
        return [one]
    return image.oci(index).tar()


def over(*upper):
    return lambda: Image(BASE, layer(*upper)).oci().tar()


def swapped(made, _image):
    made["layers"].reverse()


def sized(made, _image):
    made["layers"][0]["size"] += 1


def digested(text):
    def change(made, _image):
        made["layers"][0]["digest"] = text
    return change


REFUSED = {
    "no layout file": (lambda: image_with(files=drop("oci-layout")), "neither"),
    "no index": (lambda: image_with(files=drop("index.json")), "neither"),
    "only a layout file": (lambda: Tar().add("oci-layout", b"{}").end(), "neither"),
    "missing blob": (lambda: image_with(files=drop(largest)), "does not have it"),
    "wrong digest": (lambda: image_with(files=spoil), "damaged"),
    "wrong size": (lambda: remake(sized), "bytes, not"),
    "digest of another kind": (lambda: remake(digested("sha512:" + "0" * 128)), "digest"),
    "digest as a path": (lambda: remake(digested("sha256:" + "../" * 21 + "x")), "digest"),
    "layers in another order": (lambda: remake(swapped), "not the one"),
    "no layers": (lambda: remake(lambda made, _: made.update(layers=[])), "no layers"),
    "too many layers": (lambda: remake(lambda made, _: made.update(layers=made["layers"] * 129)),
                        "258 layers"),
    "other platform": (lambda: image_with(config=lambda whole: {**whole, "architecture": OTHER}),
                       f"linux/{OTHER}"),
    "other system": (lambda: image_with(config=lambda whole: {**whole, "os": "windows"}), "windows"),
    "no platform": (lambda: image_with(config=lambda whole: {"config": {}}), "nothing"),
    "no image for this host": (lambda: image_with(index=lambda one: platforms(one)[:3]),
                               f"no image for linux/{ARCH}"),
    "two platforms of this host": (
        lambda: image_with(index=lambda one: [one, {**one, "digest": "sha256:" + "1" * 64}]),
        "several images"),
    "nothing in the index": (lambda: image_with(index=lambda one: []), "no image"),
    "indexes without end": (lambda: nested(9), "one in the other"),
    "index is no JSON": (lambda: image_with(files=lambda f: f.update({"index.json": b"{"})),
                         "malformed"),
    "index is a list": (lambda: image_with(files=lambda f: f.update({"index.json": b"[1]"})),
                        "no manifests"),
    "index says it twice": (lambda: image_with(
        files=lambda f: f.update({"index.json": b'{"manifests":[],"manifests":[]}'})), "malformed"),
    "deep JSON": (lambda: image_with(
        files=lambda f: f.update({"index.json": b"[" * 100000 + b"]" * 100000})), "too deep"),
    "large JSON": (lambda: image_with(
        files=lambda f: f.update({"index.json": b" " * (MIB + 1)})), "at most"),
    "too few diffs": (lambda: image_with(
        config=lambda whole: {**whole, "rootfs": {"diff_ids": whole["rootfs"]["diff_ids"][:1]}}),
        "has 2 layers and its configuration 1"),
    "no diffs": (lambda: image_with(config=lambda whole: {**whole, "rootfs": {}}), "diff_ids"),
    "settings too large": (lambda: image_with(config=settings(Env=[f"A{i}=" + "x" * 90
                                                                   for i in range(40)])),
                           "at most 3000"),
    "entry point is a text": (lambda: image_with(config=settings(Entrypoint="/bin/sh")), "list"),
    "command of numbers": (lambda: image_with(config=settings(Cmd=[1])), "list of texts"),
    "long user": (lambda: image_with(config=settings(User="u" * 40)), "longer"),
    "strange user": (lambda: image_with(config=settings(User="a b")), "malformed"),
    "no stop signal": (lambda: image_with(config=settings(StopSignal="SIGFOO")), "stop signal"),
    "whiteout of dot dot": (over(("etc/.wh...", "")), "names no file"),
    "whiteout of dot": (over(("etc/.wh..", "")), "names no file"),
    "whiteout of nothing": (over((".wh.", "")), "names no file"),
    "whiteout with a way": (over((".wh.etc/passwd", "")), "names no file"),
    "whiteout through a link": (lambda: Image(layer(("out", "->/var/tmp")),
                                              layer(("out/.wh.x", ""))).oci().tar(),
                                "no directory"),
    "file through a link": (lambda: Image(layer(("out", "->..")),
                                          layer(("out/canary", "x"))).oci().tar(), "no directory"),
    "layer with dot dot": (over(("../canary", "x")), "'..'"),
    "hard link to a whiteout": (over((".wh.lib", ""), ("y", "=lib/x")), "before it"),
    "layer that is none": (lambda: Image(b"hello\n" * 200).oci().tar(), "no tar archive"),
    "layer cut off": (lambda: Image(BASE[:1024]).oci().tar(), "damaged"),
    "layer empty": (lambda: Image(b"").oci().tar(), "empty"),
    "layer of a foreign id": (lambda: Image(Tar().add("x", b"x", uid=70000).end()).oci().tar(),
                              "70000"),
    "the same name twice": (lambda: Tar().add("oci-layout", b"{}").add("./oci-layout", b"").end(),
                            "twice"),
    "too many files": (lambda: layer(("oci-layout", "{}"), *((f"f{i}", "") for i in range(1024))),
                       "more than 1024"),
    "docker: missing layer": (lambda: docker_with(drop(lambda files: max(
        files, key=lambda n: len(files[n])))), "does not have it"),
    "docker: several images": (lambda: docker_with(two_images), "2 images"),
    "docker: no image": (lambda: docker_with(lambda f: f.update({"manifest.json": b"[]"})),
                         "0 images"),
    "docker: layer elsewhere": (lambda: docker_with(renamed("Layers", ["../../canary"] * 2)),
                                "does not have it"),
    "docker: layer is a number": (lambda: docker_with(renamed("Layers", [1, 2])), "malformed name"),
    "docker: other layer": (lambda: docker_with(lambda f: f.update(
        {n: d.replace(b"root", b"r00t") for n, d in f.items() if n.endswith("layer.tar")})),
                            "not the one"),
    "docker: links in a circle": (lambda: docker_with(circle), "does not have it"),
    "docker: link out": (lambda: docker_with(lambda f: f.update(x="->../../canary")),
                         "leads out"),
    "docker: absolute link": (lambda: docker_with(lambda f: f.update(x="->/canary")), "leads out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tree, name):
    make, says = REFUSED[name]
    report = unpack(tree, make())
    assert report.outcome != 0, report
    assert says in report.text, report
    assert "\n" not in report.text and len(report.text) < 400
    assert report.settings.found is None


def test_cut_anywhere(tree):
    data = Image(BASE, UPPER).oci().tar()
    for size in range(512, len(data) - 20480, 512):
        report = unpack(tree, data[:size])
        assert report.outcome != 0 and report.settings.found is None, (size, report)
        assert os.listdir(tree) == []


def bomb_layer():
    packed = io.BytesIO()
    info = tarfile.TarInfo("zeroes")
    info.size = 256 * MIB
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(256):
            out.write(b"\0" * MIB)
        out.write(b"\0" * 10240)
    return packed.getvalue()


def test_a_bomb_in_a_layer_stops_at_the_disk(tree):
    image = Image(BASE)
    image.layers = [bomb_layer()]
    report = unpack(tree, image.oci().tar(), tmpfs_bytes=16 * MIB)
    assert report.outcome == 5 and "disk is full" in report.text, report


def test_layers_that_fill_the_disk_before_they_are_unpacked(tree):
    image = Image(layer(("x", os.urandom(20 * MIB))))
    report = unpack(tree, image.oci().tar(), tmpfs_bytes=16 * MIB)
    assert report.outcome == 5 and "disk is full" in report.text, report
