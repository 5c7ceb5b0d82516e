# SPDX-License-Identifier: Apache-2.0
"""test_source - the text of the source: calls, includes, heads, lengths, limits, READMEs

Every test comes in two: the tree keeps the rule, and a planted violation is seen.
"""
import pytest

import rules
from rules import SRC, TOP, name_of

FILES = rules.c_files()
FOLDERS = sorted({p.parent.name for p in FILES})
PROGRAM_FOLDERS = sorted(p.parent.name for p in SRC.glob("*/main.c"))
ELSEWHERE = rules.c_files(below=TOP / "tests") + rules.c_files(below=TOP / "tools") + \
    rules.c_files(below=TOP / "bench")
LAYERS = rules.layers_of_build()


def of_folder(folder):
    return [p for p in FILES if p.parent.name == folder]


def every(rule, paths, *more):
    return [line for path in paths for line in rule(path, path.read_text(), *more)]


# --- calls ---

@pytest.mark.parametrize("folder", FOLDERS)
def test_no_banned_call(folder):
    assert not every(rules.banned_calls, of_folder(folder))


@pytest.mark.parametrize("where, line", [
    ("monitor/planted.c", 'strcpy(to, from);'),
    ("cli/planted.c", 'sprintf(to, "%d", 1);'),
    ("linux/path.c", 'system("mount");'),
    ("base/str.c", 'value = strtoul(text, NULL, 10);'),
    ("prove/planted.c", 'n = atoi (text);'),
    ("monitor/planted.c", 'fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);'),
    ("monitor/planted.c", 'fd = openat(dir, name, O_RDONLY | O_CLOEXEC);'),
    ("setup/planted.c", 'mkdir(path, 0700);'),
    ("runtime/planted.c", 'mount("/dev", "dev", NULL, MS_BIND, NULL);'),
    ("linux/planted.c", 'if (chown(path, 0, 0) < 0 ||\n    rename(a, b) < 0)'),
    ("monitor/planted.c", 'unlink(path);'),
    ("runtime/planted.c", 'chdir(path);'),
    ("linux/path.c", 'fd = open(path, O_RDONLY);'),
    ("linux/path.c", 'int flags = O_RDONLY;\n    fd = open(path, flags);'),
    ("monitor/planted.c", 's = socket(AF_UNIX, SOCK_SEQPACKET, 0);'),
    ("monitor/planted.c", 's = accept(door, NULL, NULL);'),
    ("monitor/planted.c", 's = accept4(door, NULL, NULL, SOCK_NONBLOCK);'),
    ("wire/planted.c", 'n = recvmsg(sock, &message, 0);'),
    ("base/planted.c", 'pipe(fds);'),
    ("monitor/planted.c", 'fd = path_root(order->name, O_RDONLY);'),
    ("setup/planted.c", 'fd = path_root(path, O_RDONLY);'),
    ("base/planted.c", 'copy = fcntl(fd, F_DUPFD, 3);'),
    ("daemon/planted.c", 'pthread_create(&t, NULL, run, NULL);'),
])
def test_a_banned_call_is_seen(where, line):
    assert rules.banned_calls(SRC / where, f"void f(void)\n{{\n    {line}\n}}\n")


@pytest.mark.parametrize("where, line", [
    ("monitor/planted.c", '/* strcpy(to, from); */ // system("x")'),
    ("monitor/planted.c", 'say("open(2) of %s", name);'),
    ("monitor/planted.c", 'path_open(dir, name, O_RDONLY);'),
    ("monitor/planted.c", 'chdir("/");'),
    ("monitor/planted.c", 'fd = path_root(CROFT_STATE_DIR "/records", O_RDONLY);'),
    ("monitor/planted.c", 's = socket(AF_UNIX,\n    SOCK_SEQPACKET | SOCK_CLOEXEC, 0);'),
    ("base/planted.c", 'copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);'),
    ("linux/path.c", 'unlinkat(dir, name, 0);'),
    ("linux/path.c", 'int flags = O_RDONLY | O_CLOEXEC;\n    fd = open(path, flags);'),
])
def test_what_only_looks_like_a_banned_call_passes(where, line):
    assert not rules.banned_calls(SRC / where, f"void f(void)\n{{\n    {line}\n}}\n")


def test_every_exemption_is_still_needed():
    unused = []
    for name, (allowed, _) in rules.PATH_EXEMPT.items():
        path = SRC / name
        used = {call for _, call, _ in rules.calls(rules.code_only(path.read_text()))} \
            if path.exists() else set()
        if not used & allowed:
            unused.append(name)
    assert not unused


# --- includes ---

@pytest.mark.parametrize("folder", FOLDERS)
def test_includes_keep_the_layers(folder):
    assert not every(rules.bad_includes, of_folder(folder), LAYERS)


@pytest.mark.parametrize("where, line", [
    ("base/planted.c", '#include "wire/order.h"'),
    ("gate/planted.c", '#include "wire/order.h"'),
    ("init/planted.c", '#include "linux/path.h"'),
    ("cli/planted.c", '#include "linux/path.h"'),
    ("daemon/planted.c", '#include "monitor/orders.h"'),
    ("monitor/planted.c", '#include "../daemon/view.h"'),
    ("monitor/planted.c", '#include "planted.h"'),
    ("monitor/planted.c", '#include <jansson.h>'),
    ("monitor/planted.c", '#include "wire/control.h"'),
    ("daemon/planted.c", '#include <archive.h>'),
    ("base/fd.c", '#include "base/attrs.h"\n#include "base/fd.h"'),
])
def test_a_forbidden_include_is_seen(where, line):
    assert rules.bad_includes(SRC / where, f"/* x */\n{line}\n", LAYERS)


def test_build_and_architecture_say_the_same_layers():
    written = {folder: sorted(set(allowed) | {folder})
               for folder, (allowed, _) in rules.layers_of_architecture().items()}
    built = {folder: sorted(set(allowed + [folder]) - {"croft-paths.h"})
             for folder, allowed in LAYERS.items()}
    assert built == written


# --- heads, words, lengths ---

@pytest.mark.parametrize("folder", FOLDERS)
def test_heads_and_guards(folder):
    assert not every(rules.bad_head, of_folder(folder))


@pytest.mark.parametrize("where, text", [
    ("base/x.c", "/* x - a thing */\n"),
    ("base/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\n#include <stdio.h>\n"),
    ("base/x.h", "/* SPDX-License-Identifier: Apache-2.0 */\n/* x - a thing */\n#pragma once\n"),
    ("base/x.h", "/* SPDX-License-Identifier: Apache-2.0 */\n/* x - a thing */\n"
                 "#ifndef X_H\n#define X_H\n#endif\n"),
])
def test_a_bad_head_is_seen(where, text):
    assert rules.bad_head(SRC / where, text)


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_left_unfinished(folder):
    assert not every(rules.bad_words, of_folder(folder))


def test_an_unfinished_place_is_seen():
    assert rules.bad_words(SRC / "base/x.c", "/* TODO: later */\n")
    assert rules.bad_words(SRC / "base/x.c", "return -1; /* not implemented */\n")
    assert not rules.bad_words(SRC / "base/x.c", "/* TODO #12: with v2 */\n")


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_and_functions_are_short(folder):
    assert not every(rules.too_long, of_folder(folder))


def test_what_is_long_is_seen():
    body = "    x++;\n" * rules.FUNCTION_LINES_MAX
    assert rules.too_long(SRC / "base/x.c", f"static int\nf(int x)\n{{\n{body}}}\n")
    assert rules.too_long(SRC / "base/x.c", "int x;\n" * (rules.FILE_LINES_MAX + 1))


@pytest.mark.parametrize("path", FILES + ELSEWHERE, ids=lambda p: str(p.relative_to(TOP)))
def test_format(path):
    assert not rules.bad_format(path)


def test_bad_format_is_seen(tmp_path):
    planted = tmp_path / "x.c"
    planted.write_text("int f( void ){return 1;}\n")
    assert rules.bad_format(planted)


# --- documents ---

def test_limits_stand_in_the_page():
    assert not rules.limit_differences((SRC / "wire/limits.h").read_text(),
                                       (TOP / "docs/limits.md").read_text())


def test_a_different_limit_is_seen():
    header = "#define KIB 1024ULL\n/* why */\n#define A_MAX (2U * KIB) /* b */\n"
    assert not rules.limit_differences(header, "| `A_MAX` | 2,048 | why |\n")
    assert rules.limit_differences(header, "| `A_MAX` | 2,049 | why |\n")
    assert rules.limit_differences(header, "")
    assert rules.limit_differences(header, "| `A_MAX` | 2048 | x |\n| `B_MAX` | 1 | y |\n")


@pytest.mark.parametrize("folder", PROGRAM_FOLDERS)
def test_readme_of_each_program(folder):
    readme = SRC / folder / "README"
    assert not rules.bad_readme(folder, readme.read_text() if readme.exists() else None)


def test_a_missing_readme_is_seen():
    assert rules.bad_readme("x", None)
    assert rules.bad_readme("x", "Runs as root\nMay open everything\nTrusts all\n")


# A folder's sets of capabilities, and the programs of wire/README that wear them.
CAPABILITY_SETS = {"monitor": {"croft-monitor"}, "runtime": {"croft-runtime", "croft-image"},
                   "doctor": {"croft-doctor"}, "net": {"croft-net"},
                   # which it hands on to croft-net, and has no set of its own
                   "super": {"croft-net"}}


def folder_text(folder):
    return "".join(p.read_text() for p in of_folder(folder))


@pytest.mark.parametrize("folder", CAPABILITY_SETS)
def test_capabilities_stand_in_the_readme(folder):
    written = rules.capabilities_of_readme((SRC / "wire/README").read_text(),
                                           CAPABILITY_SETS[folder])
    assert rules.capabilities_of_code(folder_text(folder)) == written


def test_only_these_folders_have_capabilities():
    assert {f for f in FOLDERS if rules.capabilities_of_code(folder_text(f))} - {"prove", "linux"} \
        == set(CAPABILITY_SETS)


def test_a_capability_too_many_is_seen():
    readme = "What each process holds\n  croft-x   words\n    CHOWN KILL   why\n  croft-y\n    BPF\n"
    assert rules.capabilities_of_readme(readme, {"croft-x"}) == {"CHOWN", "KILL"}
    assert rules.capabilities_of_code("/* CAPS_BIT(CAP_BPF) */ CAPS_BIT(CAP_CHOWN) | "
                                      "CAPS_BIT(\n CAP_SYS_ADMIN)") == {"CHOWN", "SYS_ADMIN"}


def test_every_message_stands_in_the_readme():
    readme = (SRC / "wire/README").read_text()
    assert not [p.name for p in of_folder("wire") if p.suffix == ".h" and p.name not in readme]


def test_links_of_architecture():
    for folder, (_, links) in rules.layers_of_architecture().items():
        program = {"daemon": "croftd", "cli": "croft"}.get(folder, f"croft-{folder}")
        if program not in rules.PROGRAMS:
            continue
        libraries, static = rules.PROGRAMS[program]
        assert ("static" in links) == static
        held = rules.STATIC_MAY_HOLD.get(program, ())
        assert ("jansson" in links) == ("libjansson.so.4" in libraries or "jansson" in held)
        assert ("libarchive" in links) == ("libarchive" in held)
        assert ("libmnl" in links) == ("libmnl.so.0" in libraries)


def test_every_source_is_built():
    """A file that no meson.build names is compiled by nobody and checked by nobody."""
    for folder in FOLDERS:
        named = (SRC / folder / "meson.build").read_text()
        missing = [name_of(p) for p in of_folder(folder)
                   if p.suffix == ".c" and p.name != "main.c" and f"'{p.name}'" not in named]
        assert not missing


def test_no_setuid_and_no_binary_in_the_tree():
    found = [str(p) for p in SRC.rglob("*") if p.is_file() and p.stat().st_mode & 0o6111]
    assert not found
