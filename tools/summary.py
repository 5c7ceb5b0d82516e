# SPDX-License-Identifier: Apache-2.0
"""summary - adds up what the suites of test.sh left: JUnit XML, TAP, and their exit statuses

summary.py DIRECTORY
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def of_junit(path):
    """(passed, failed, skipped, names of the failed)"""
    passed, skipped, failed = 0, 0, []
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('classname', '')} {case.get('name')}".strip())
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, len(failed), skipped, failed


def of_tap(path):
    passed, skipped, failed = 0, 0, []
    for line in path.read_text().splitlines():
        if line.startswith("not ok"):
            failed.append(line[len("not ok"):].strip(" -"))
        elif line.startswith("ok"):
            if "# SKIP" in line:
                skipped += 1
            else:
                passed += 1
    return passed, len(failed), skipped, failed


def main(directory):
    total = [0, 0, 0]
    for status in sorted(directory.glob("*.status")):
        suite = status.stem
        counts, failed = [0, 0, 0], []
        for path, reader in ((directory / f"{suite}.xml", of_junit),
                             (directory / f"{suite}.tap", of_tap)):
            if path.exists():
                *found, names = reader(path)
                counts = [a + b for a, b in zip(counts, found)]
                failed += names
        if status.read_text().strip() != "0" and counts[1] == 0:
            counts[1] = 1
            failed.append(f"the suite itself: see {directory}/{suite}.log")
        print(f"{suite}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
        for name in failed:
            print(f"  failed: {name}")
        total = [a + b for a, b in zip(total, counts)]
    skipped = f", {total[2]} skipped" if total[2] else ""
    print(f"{total[0]} passed, {total[1]} failed{skipped}")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
