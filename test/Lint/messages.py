"""Checks that each error message of the sources is provoked by a test: usage: messages.py EXEMPTIONS TESTS SOURCES...

A message is a statement that calls one of the functions below. Its longest literal has to occur in a test, in an
expectation or otherwise. EXEMPTIONS has a line for each message that no test can reach: the literal, a tab, the reason.
"""
import pathlib
import re
import sys

CALL = re.compile(r"\b(?:emitOpError|emitError|emitWarning|emitRemark|attachNote|createStringError|makeError)\s*\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
COMMENT = re.compile(r'//[^\n]*|("(?:[^"\\]|\\.)*")')
FORMAT = re.compile(r"%(?:zu|llu|lu|u|d|s)")
# Shorter literals occur anywhere.
LEAST = 6


def statement(text, begin):
    """The text from `begin` to the semicolon that ends the statement; those in literals and lambdas do not."""
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'|[(){};]', text[begin:]):
        if token.group() in "({":
            depth += 1
        elif token.group() in ")}":
            depth -= 1
        if depth < 0 or (token.group() == ";" and depth == 0):
            return text[begin:begin + token.end()]
    return text[begin:]


def unescape(literal):
    return literal.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\").replace("%%", "%")


def messages(text):
    """Yields (line, longest literal) for each message of a source file."""
    text = COMMENT.sub(lambda match: match.group(1) or "", text)
    end = 0
    for call in CALL.finditer(text):
        # The operation before a call, as in `note << ...; diag.attachNote(...)`, is a statement of its own.
        if call.start() < end:
            continue
        whole = statement(text, call.start())
        end = call.start() + len(whole)
        # Literals side by side are one.
        whole = re.sub(r'"\s*"', "", whole)
        pieces = [piece.strip() for literal in LITERAL.findall(whole) for piece in FORMAT.split(unescape(literal))]
        longest = max(pieces, key=len, default="")
        if len(longest) >= LEAST:
            yield text.count("\n", 0, call.start()) + 1, longest


def main():
    exemptions, tests, *sources = map(pathlib.Path, sys.argv[1:])
    exempt = dict(line.split("\t", 1) for line in exemptions.read_text().splitlines() if "\t" in line)
    expected = []
    for path in sorted(tests.rglob("*")):
        if path.suffix in (".mlir", ".test", ".cpp") and "Lint" not in path.relative_to(tests).parts:
            text = path.read_text()
            expected.append(unescape(re.sub(r'"\s*"', "", text)) if path.suffix == ".cpp" else text)
    expected = "\n".join(expected)

    count = errors = 0
    used = set()
    for source in sources:
        for path in sorted(source.rglob("*.cpp")):
            for line, literal in messages(path.read_text()):
                count += 1
                if literal in exempt:
                    used.add(literal)
                elif literal not in expected:
                    errors += 1
                    print(f"{path.relative_to(source.parent)}:{line}: error: no test provokes '{literal}'")
                    continue
                if literal in exempt and literal in expected:
                    errors += 1
                    print(f"{exemptions.name}: error: a test provokes '{literal}'; take it out of the list")
    for literal in sorted(exempt.keys() - used):
        errors += 1
        print(f"{exemptions.name}: error: no source has '{literal}'; take it out of the list")
    print(f"{count} messages, {errors} errors")
    sys.exit(1 if errors or not count else 0)


main()
