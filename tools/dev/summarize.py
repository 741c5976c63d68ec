#!/usr/bin/env python3
"""Adds up the reports of ctest, GoogleTest and lit into one line: N passed, N failed, N skipped.

usage: summarize.py FOLDER, which holds ctest.xml (JUnit), gtest/*.json and lit.json
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def gtest_cases(report):
    """Yields 'passed', 'failed' or 'skipped' for each case of a GoogleTest report."""
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            if case.get("failures"):
                yield "failed"
            elif case.get("result") == "SKIPPED":
                yield "skipped"
            elif case.get("status") == "RUN":
                yield "passed"
            # Else the case is disabled or filtered out.


def main():
    folder = pathlib.Path(sys.argv[1])
    count = {"passed": 0, "failed": 0, "skipped": 0}

    # A program that crashed leaves no report of its own, or an incomplete one; ctest knows that it failed.
    for program in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        failed = program.find("failure") is not None or program.get("status") == "fail"
        name = pathlib.Path(program.get("classname") or program.get("name")).name
        path = folder / "gtest" / (name + ".json")
        if not path.exists():
            skipped = program.find("skipped") is not None
            count["failed" if failed else "skipped" if skipped else "passed"] += 1
            continue
        verdicts = list(gtest_cases(json.loads(path.read_text())))
        for verdict in verdicts:
            count[verdict] += 1
        if failed and "failed" not in verdicts:
            count["failed"] += 1

    for test in json.loads((folder / "lit.json").read_text())["tests"]:
        if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
            count["passed"] += 1
        elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
            count["skipped"] += 1
        else:
            count["failed"] += 1

    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))


main()
