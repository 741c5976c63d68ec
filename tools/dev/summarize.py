#!/usr/bin/env python3
"""Says what was skipped and why, then adds up the reports of ctest, GoogleTest and lit: N passed, N failed, N skipped.

usage: summarize.py FOLDER, which holds ctest.xml (JUnit), gtest/*.xml (GoogleTest) and lit.json
"""
import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def gtest_cases(report, reasons):
    """Yields 'passed', 'failed' or 'skipped' for each case of a GoogleTest report, and counts why cases were skipped."""
    for case in report.iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            yield "failed"
        elif skipped is not None:
            # The place in the source comes first.
            lines = (skipped.get("message") or "").strip().splitlines()
            reasons[lines[-1] if lines else "no reason given"] += 1
            yield "skipped"
        elif case.get("status") == "run":
            yield "passed"
        # Else the case is disabled or filtered out.


def main():
    folder = pathlib.Path(sys.argv[1])
    count = {"passed": 0, "failed": 0, "skipped": 0}
    reasons = collections.Counter()

    # A program that crashed leaves no report of its own, or an incomplete one; ctest knows that it failed.
    for program in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        failed = program.find("failure") is not None or program.get("status") == "fail"
        name = pathlib.Path(program.get("classname") or program.get("name")).name
        path = folder / "gtest" / (name + ".xml")
        if not path.exists():
            skipped = program.find("skipped") is not None
            count["failed" if failed else "skipped" if skipped else "passed"] += 1
            continue
        verdicts = list(gtest_cases(ElementTree.parse(path).getroot(), reasons))
        for verdict in verdicts:
            count[verdict] += 1
        if failed and "failed" not in verdicts:
            count["failed"] += 1

    for test in json.loads((folder / "lit.json").read_text())["tests"]:
        if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
            count["passed"] += 1
        elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
            count["skipped"] += 1
            reasons["lit: " + (test.get("output", "").strip().splitlines() or ["no reason given"])[-1]] += 1
        else:
            count["failed"] += 1

    for reason, times in sorted(reasons.items()):
        print(f"skipped {times}: {reason}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))


main()
