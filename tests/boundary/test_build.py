# SPDX-License-Identifier: Apache-2.0
"""test_build - what came out of the build: links, hardening, headers alone, the include trees"""
import pytest

import rules
from rules import SRC, run

HEADERS = rules.c_files(".h")
LAYERS = rules.layers_of_build()
FOLDER_OF = {"croftd": "daemon", "croft": "cli"}


def program_path(build, program):
    folder = FOLDER_OF.get(program, program.removeprefix("croft-"))
    if not (SRC / folder / "main.c").exists():
        pytest.skip(f"{folder}/ has no main.c")
    return build / "src" / program


def plant(tmp_path, *flags, text="int main(void) { return 0; }\n"):
    source = tmp_path / "planted.c"
    source.write_text(text)
    status, output = run("gcc", source, "-o", tmp_path / "planted", *flags)
    assert status == 0, output
    return tmp_path / "planted"


@pytest.mark.parametrize("program", rules.PROGRAMS)
def test_links_what_it_may(build, program):
    assert not rules.bad_links(program, program_path(build, program))


@pytest.mark.parametrize("program", rules.PROGRAMS)
def test_is_hardened(build, program):
    assert not rules.bad_hardening(program, program_path(build, program))


def test_a_link_too_many_is_seen(tmp_path):
    planted = plant(tmp_path, "-Wl,--no-as-needed", "-ljansson")
    assert rules.bad_links("croft-monitor", planted)
    assert not rules.bad_links("croftd", planted)


def test_a_dynamic_program_that_must_be_static_is_seen(tmp_path):
    assert rules.bad_links("croft-init", plant(tmp_path))
    assert not rules.bad_links("croft-super", plant(tmp_path))


def test_a_library_inside_a_static_program_is_seen(tmp_path):
    text = "int archive_read_new(void);\nint archive_read_new(void) { return 0; }\n" \
           "int main(void) { return archive_read_new(); }\n"
    planted = plant(tmp_path, "-static-pie", text=text)
    assert rules.bad_links("croft-runtime", planted)
    assert not rules.bad_links("croft-image", planted)


@pytest.mark.parametrize("flags", [
    ("-no-pie",), ("-Wl,-z,norelro",), ("-Wl,-z,lazy",), ("-Wl,-z,execstack",),
    ("-Wl,-rpath,/tmp",),
])
def test_a_soft_program_is_seen(tmp_path, flags):
    hard = () if "-no-pie" in flags else ("-pie",)
    assert rules.bad_hardening("x", plant(tmp_path, "-Wl,-z,relro,-z,now", *hard, *flags))
    assert not rules.bad_hardening("x", plant(tmp_path, "-pie", "-Wl,-z,relro,-z,now"))


@pytest.mark.parametrize("compiler", ["gcc", "clang-14"])
@pytest.mark.parametrize("header", HEADERS, ids=rules.name_of)
def test_header_compiles_alone(build, compiler, header):
    assert not rules.header_alone(compiler, build, header)


@pytest.mark.parametrize("text", [
    "size_t planted(void);\n",  # its type comes from nowhere
    "struct planted { int x; };\n",  # no guard
])
def test_a_header_that_does_not_is_seen(build, text):
    status, _ = rules.compile_text("gcc", build, "base", text + text)
    assert status != 0


@pytest.mark.parametrize("folder, header", [
    ("base", "wire/limits.h"), ("wire", "linux/path.h"), ("linux", "wire/order.h"),
    ("gate", "wire/order.h"), ("init", "linux/path.h"), ("cli", "linux/path.h"),
    ("daemon", "super/super.h"), ("image", "wire/order.h"),
    ("monitor", "super/super.h"), ("runtime", "init/user.h"),
])
def test_the_build_itself_refuses_a_forbidden_include(build, folder, header):
    assert (SRC / header).exists()
    status, output = rules.compile_text("gcc", build, folder, f'#include "{header}"\n')
    assert status != 0 and "No such file" in output
    status, output = rules.compile_text("gcc", build, folder, '#include "base/fd.h"\n')
    assert status == 0, output


def test_include_trees_hold_what_the_table_says_and_no_more(build):
    for folder, allowed in LAYERS.items():
        tree = build / "src" / "layers" / folder
        present = sorted(str(p.relative_to(tree)) for p in tree.rglob("*")
                         if p.is_symlink() and not any(q.is_symlink() for q in p.parents))
        assert present == sorted(allowed)


def test_each_compile_has_one_include_tree(build):
    """No -I of the whole source slipped into a program of src/."""
    text = (build / "build.ninja").read_text()
    wrong = []
    for block in text.split("\nbuild ")[1:]:
        if not block.startswith("src/") or "c_COMPILER" not in block.split("\n")[0]:
            continue
        args = next((line for line in block.splitlines() if line.strip().startswith("ARGS =")), "")
        for word in args.replace('"', "").split():
            if word.startswith("-I") and "/layers/" not in word and not word.endswith(".p"):
                wrong.append(f"{block.split(':')[0]}: {word}")
    assert not wrong
