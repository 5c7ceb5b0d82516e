# SPDX-License-Identifier: Apache-2.0
"""Documents cannot lie: limits.md against limits.h, croft(1) against `croft help` and err.h"""
import re

import pytest

from harness import TOP, ok

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def declared():
    """name -> value of each limit of limits.h."""
    text = (TOP / "src/wire/limits.h").read_text()
    units = {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
    found = {}
    for name, value in re.findall(r"^#define (\w+)\s+(\(.+?\)|\S+)", text, re.M):
        if name in units or name in ("CROFT_WIRE_LIMITS_H", "NAME_SIZE") or value[0] == '"':
            continue
        value = re.sub(r"(?<=\d)U?L*\b", "", value)
        found[name] = eval(value, {}, units)  # only our own header's arithmetic
    return found


def test_limits():
    """docs/limits.md has every limit of limits.h with its value, and no other"""
    shown = {}
    for name, value in re.findall(r"^\| `(\w+)` \| (.+?) \|", (TOP / "docs/limits.md").read_text(),
                                  re.M):
        number, _, unit = value.partition(" ")
        shown[name] = int(number) * UNITS[unit or "B"]
    assert shown == declared()


def test_every_verb_has_its_place_in_the_manual():
    """croft(1) names each verb and each option that `croft help` shows"""
    page = (TOP / "man/croft.1").read_text().replace("\\-", "-")
    verbs = re.findall(r"^  croft ([a-z]+(?: [a-z]+)?) ", ok("help").out, re.M)
    assert len(verbs) > 20
    for verb in verbs:
        assert f"croft {verb}" in page, verb
        for option in re.findall(r"--[a-z-]+|(?<![\w-])-[a-z]\b", ok("help", *verb.split()).out):
            assert option in page, f"{verb} {option}"


def test_exit_statuses():
    """croft(1) has the outcomes of err.h with their numbers"""
    page = (TOP / "man/croft.1").read_text()
    table = page[page.index(".SH EXIT STATUS"):]
    words = {"OK": "done", "FAILED": "failed", "USAGE": "usage", "NOT_FOUND": "not found",
             "NOT_PERMITTED": "not permitted", "OVER_LIMIT": "limit", "HOST_CANNOT": "host cannot"}
    outcomes = dict(re.findall(r"OUTCOME_(\w+) = (\d+)", (TOP / "src/base/err.h").read_text()))
    assert set(outcomes) == set(words)
    for name, number in outcomes.items():
        assert re.search(rf"^{number}\t.*{words[name]}", table, re.M), name


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "HACKING.md", "SECURITY.md",
                                  "docs/README.md"])
def test_links_lead_somewhere(name):
    """every relative link and every named path of the tree exists"""
    text = (TOP / name).read_text()
    folder = (TOP / name).parent
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (folder / target).exists(), f"{name} -> {target}"
    for path in re.findall(r"`((?:src|tests|docs|man|tools|bench|packaging)/[\w./-]+)`", text):
        assert (TOP / path).exists(), f"{name} names {path}"
