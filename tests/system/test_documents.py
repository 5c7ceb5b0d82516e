# SPDX-License-Identifier: Apache-2.0
"""Documents cannot lie: croft(1) against `croft help` and err.h, SECURITY.md against the tests and
the proof, links against the tree"""
import re

import pytest

from harness import LIB, TOP, ok, run


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


def test_promises_have_their_tests_and_rows():
    """each test and each row of the proof that SECURITY.md's table names is there"""
    text = (TOP / "SECURITY.md").read_text()
    table = "\n".join(re.findall(r"^\|.*\|$", text, re.M))
    rows = set(re.findall(r"\b[A-Z]-\d\d\b", table))
    listed = run([LIB / "croft-prove", "--list"]).out
    missing = {row for row in rows if not re.search(rf"^{row} ", listed, re.M)}
    assert rows and not missing, missing
    for module in re.findall(r"`(test_\w+)`", text):
        assert (TOP / f"tests/system/{module}.py").exists(), module


def promised_tests():
    """(module, words) of the column "test" of SECURITY.md; what stands in () is a remark."""
    for line in (TOP / "SECURITY.md").read_text().splitlines():
        cells = line.split("|")
        if len(cells) == 5 and "`test_" in cells[2]:
            for found in re.finditer(r"`(test_\w+)`([^`]*)", re.sub(r"\(.*?\)", "", cells[2])):
                yield found[1], [w.strip() for w in re.split("[,;]", found[2]) if w.strip()]


def test_promises_name_tests_by_their_words():
    """the words behind a module in SECURITY.md are in the name of a test of that module"""
    promised = list(promised_tests())
    assert len(promised) > 15
    missing = []
    for module, words in promised:
        source = (TOP / f"tests/system/{module}.py").read_text()
        names = re.findall(r"^def (test_\w+)", source, re.M)
        assert names, module
        missing += [f"{module} {word}" for word in words
                    if not any(word.replace(" ", "_") in name for name in names)]
    assert not missing, missing
