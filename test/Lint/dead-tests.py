"""Finds tests that do not test what they seem to: usage: dead-tests.py FOLDER

A line that FileCheck or the diagnostic verifier does not read passes whatever the tool does, so it is an error here.
Files below folders named Inputs are material of tests, and are left out.
"""
import pathlib
import re
import sys

# What lit reads: a command, or a value for a substitution. Either may go on in the next line after a backslash.
RUN = re.compile(r"(?:(?://|#|;)\s*|^)(RUN|DEFINE|REDEFINE):\s*(.*)")
RUN_WITHOUT_COLON = re.compile(r"^\s*(?:(?://|#|;)\s*)?RUN\s+\S|^\s*(?:(?://|#|;)\s*)?RUN\s+:")
SUFFIX = r"(?:-(?:LABEL|NEXT|SAME|NOT|DAG|EMPTY|COUNT-\d+))?(?:\{[A-Z]+\})?"
# What looks like a check: a word in capitals, then a colon. FileCheck reads those of its prefixes.
CHECK = re.compile(r"^\s*(?://|#|;)\s*([A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*?)" + SUFFIX + r":")
LIT_KEYWORDS = {"RUN", "REQUIRES", "UNSUPPORTED", "XFAIL", "DEFINE", "REDEFINE", "END", "ALLOW_RETRIES", "COM"}
EXPECTED = re.compile(r"expected-([\w-]*)\s*(\S*)")
EXPECTED_KINDS = {kind + form for kind in ("error", "warning", "remark", "note") for form in ("", "-re")}
# What makes a RUN line able to fail for another reason than the exit code of the tool under test.
JUDGES = re.compile(r"\b(?:FileCheck|verify-diagnostics|verify-roundtrip|not|diff|cmp|test|grep|count|assemble|python)\b")


def expand(lines):
    """The commands that lit runs, with the substitutions that the test defines itself."""
    directives = [match.groups() for line in lines if (match := RUN.search(line))]
    values, commands, pending = {}, [], ""
    for kind, text in directives:
        text = pending + text
        pending = text[:-1] if text.endswith("\\") else ""
        if pending:
            continue
        if kind == "RUN":
            while (whole := re.sub(r"%\{\w+\}", lambda m: values.get(m.group(), ""), text)) != text:
                text = whole
            commands.append(text)
        else:
            name, _, value = text.partition("=")
            values[name.strip()] = value.strip()
    return commands


def prefixes(command):
    """The prefixes that the calls of FileCheck in a command read."""
    found = set()
    for call in re.findall(r"\bFileCheck\b([^|&]*)", command):
        named = re.findall(r"--?check-prefix(?:es)?[= ](\S+)", call)
        found.update(prefix for names in named or ["CHECK"] for prefix in names.split(","))
    return found


def lint(text):
    """Yields (line number, message)."""
    lines = text.splitlines()
    commands = expand(lines)
    judges = "\n".join(commands)
    if not commands:
        yield 1, "has no RUN line, so nothing is run"
    elif not JUDGES.search(judges):
        yield 1, "checks nothing; pass the output to FileCheck, or use --verify-diagnostics"
    read = {prefix for command in commands for prefix in prefixes(command)}
    without_colon = re.compile(r"^\s*(?://|#|;)\s*(?:" + "|".join(sorted(read) or ["CHECK"]) + r")" + SUFFIX + r"(?=\s|$)")

    for number, line in enumerate(lines, 1):
        if RUN_WITHOUT_COLON.match(line):
            yield number, "RUN has no colon right after it, so lit does not read it"
        if RUN.search(line):
            continue
        check = CHECK.match(line)
        if check and check.group(1) not in LIT_KEYWORDS and check.group(1) not in read:
            yield number, f"no FileCheck of a RUN line reads the prefix {check.group(1)}"
        elif check and check.group(1) in read and re.search(r"%\d+\b", line):
            yield number, "names an SSA value by its number; capture it: %[[NAME:.*]]"
        if without_colon.match(line):
            yield number, "check has no colon right after it, so FileCheck does not read it"
        # In a program, in a shell command or in prose the words may mean something else.
        for kind, place in EXPECTED.findall(line) if re.match(r"\s*//\s*expected-", line) else ():
            if kind not in EXPECTED_KINDS or not re.match(r"@|\{\{", place):
                yield number, f"'expected-{kind}' is not read; use expected-error, -warning, -remark or -note, then @below {{{{...}}}}"
            elif re.match(r"@[+-]?\d", place):
                yield number, f"counts lines ({place}); use @below or @above"
            elif "verify-diagnostics" not in judges:
                yield number, "expects a diagnostic, but no RUN line has --verify-diagnostics"


def main():
    root = pathlib.Path(sys.argv[1])
    if not root.is_dir():
        sys.exit(f"dead-tests.py: error: {root} is no folder")
    files = errors = 0
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.suffix not in (".mlir", ".test") or "Inputs" in name.parts[:-1] or name.parts[0] in ("Unit", "Data"):
            continue
        files += 1
        for number, message in lint(path.read_text()):
            errors += 1
            print(f"{name}:{number}: error: {message}")
    if files == 0:
        sys.exit(f"dead-tests.py: error: found no tests below {root}")
    print(f"{files} tests, {errors} errors")
    sys.exit(1 if errors else 0)


main()
