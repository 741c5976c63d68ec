"""headers.py HEADERS... -- COMPILER...: compiles each header by itself, with warnings as errors."""
import os
import subprocess
import sys

split = sys.argv.index("--")
headers, compiler = sys.argv[1:split], sys.argv[split + 1:]
errors = 0
for header in headers:
    folder, name = os.path.split(header)
    # An included file: functions that a file of its own leaves unused are fine.
    program = f'#include "mk-c/{name}"\n#include "mk-c/{name}"\nextern int unit;\n'
    command = [*compiler, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", os.path.dirname(folder), "-"]
    errors += subprocess.run(command, input=program, text=True).returncode != 0
print(f"{len(headers)} headers, {errors} errors")
