"""Checks that each operation of mk is tested: usage: operations.py ROUNDTRIP EXAMPLES TD...

Each operation that a .td file defines occurs in ROUNDTRIP, and each line of the `mlir` blocks in the descriptions in
EXAMPLES; both are tests that parse and print what they hold.
"""
import pathlib
import re
import sys

OPERATION = re.compile(r'\bdef\s+(Mk_\w+Op)\s*:\s*Mk_\w+<\s*"([\w.]+)"')
BLOCK = re.compile(r"^[ \t]*```mlir\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)


def main():
    roundtrip, examples, *sources = map(pathlib.Path, sys.argv[1:])
    code = re.sub(r"//.*", "", roundtrip.read_text())
    shown = examples.read_text()
    operations = blocks = errors = 0
    for source in sources:
        text = source.read_text()
        for definition in OPERATION.finditer(text):
            operations += 1
            name = "mk." + definition.group(2)
            if not re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", code):
                errors += 1
                print(f"{source.name}: error: {roundtrip.name} has no {name}; add a case")
            body = text[definition.end():]
            following = OPERATION.search(body)
            if not BLOCK.search(body[:following.start()] if following else body):
                errors += 1
                print(f"{source.name}: error: the description of {name} has no example")
        for block in BLOCK.finditer(text):
            blocks += 1
            for line in block.group(1).splitlines():
                if line.strip() not in shown:
                    errors += 1
                    number = text.count("\n", 0, block.start(1)) + 1
                    print(f"{source.name}:{number}: error: {examples.name} has no line '{line.strip()}' of this example")
    print(f"{operations} operations, {blocks} examples, {errors} errors")
    sys.exit(1 if errors or not operations else 0)


main()
