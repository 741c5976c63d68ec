"""Runs the model checker Spin: usage: check.py MODEL FOLDER [--liveness] [--no-deadlocks] [-DNAME[=VALUE]...]

Builds the checker of MODEL in FOLDER, with the macros, and lets it search all states: for failed assertions and
deadlocks, or, with --liveness, for fair executions that go on for ever without what the formula of the model promises.
--no-deadlocks looks at assertions alone. Prints what it found; exits with 1 for a violation, with 2 when the search was
not complete. After a violation `spin -t -p -g` in FOLDER (with the same macros) shows how it comes about.
"""
import pathlib
import re
import subprocess
import sys

# Steps to the deepest state, and memory in MiB: more than a model of this folder may take.
DEPTH = 100000
MEMORY = 2048
KINDS = {"assertion violated": "an assertion failed", "invalid end state": "a deadlock",
         "acceptance cycle": "it may go on for ever"}


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"check.py: error: {command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    model, folder, *options = sys.argv[1:]
    model, folder = pathlib.Path(model).resolve(), pathlib.Path(folder)
    macros = [option for option in options if option.startswith("-D")]
    liveness, deadlocks = "--liveness" in options, "--no-deadlocks" not in options
    folder.mkdir(parents=True, exist_ok=True)

    run("spin", "-Pclang -E -x c", *macros, "-a", str(model), cwd=folder)
    mode = ["-DNFAIR=3"] if liveness else ["-DSAFETY", "-DNOCLAIM"]
    run("clang", "-O1", "-w", *mode, "-DCOLLAPSE", f"-DMEMLIM={MEMORY}", "-o", "pan", "pan.c", cwd=folder)
    output = run("./pan", f"-m{DEPTH}", *(["-a", "-f"] if liveness else []), *([] if deadlocks else ["-E"]), cwd=folder)

    violation = re.search(r"^pan:1: (" + "|".join(KINDS) + r")(.*) \(at depth \d+\)$", output, re.MULTILINE)
    if violation:
        print(f"violated: {KINDS[violation.group(1)]}{violation.group(2)}")
        sys.exit(1)
    states = re.search(r"^\s*(\S+) states, stored", output, re.MULTILINE)
    if not re.search(r"errors: 0$", output, re.MULTILINE) or not states or "max search depth too small" in output \
            or "reached -DMEMLIM" in output:
        print(f"check.py: error: the search was not complete:\n{output}")
        sys.exit(2)
    print(f"holds in {float(states.group(1)):.0f} states")


main()
