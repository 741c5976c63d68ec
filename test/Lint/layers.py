"""Checks the #include lines against the table of layers in CONTRIBUTING.md: usage: layers.py TABLE.md ROOT"""
import pathlib
import posixpath
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMPILER = re.compile(r"^(?:mlir|llvm|mlir-c|llvm-c|clang|lld)/")


def read_table(path):
    """[(folders, headers of ours that they may include, whether LLVM and MLIR are allowed)], in the order of the table."""
    rows = []
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[2] in ("yes", "no"):
            rows.append((re.findall(r"`([^`]+)`", cells[0]), re.findall(r"`([^`]+)`", cells[1]), cells[2] == "yes"))
    if not rows:
        sys.exit(f"layers.py: error: found no table of layers in {path}: | folders | headers | yes or no |")
    return rows


def below(name, folder):
    """Whether a path is this file or folder, or inside it; a last * takes any name that begins so."""
    if folder.endswith("*"):
        return name.startswith(folder[:-1])
    return name == folder or name.startswith(folder + "/")


def lint(name, text, rows):
    """Yields (line, message) for each include that the row of the file does not allow."""
    matching = [(len(folder), row) for row in rows for folder in row[0] if below(name, folder)]
    if not matching:
        yield 1, "is in no folder of the table; add the folder"
        return
    folders, headers, compiler = max(matching, key=lambda match: match[0])[1]
    for include in INCLUDE.finditer(text):
        line = text.count("\n", 0, include.start(2)) + 1
        header = include.group(2)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), header))
        if ".." in header.split("/") and not any(below(target, folder) for folder in folders):
            yield line, f"includes {header}, which leaves {folders[0]}; include what is in include/"
        elif COMPILER.match(header) and not compiler:
            yield line, f"includes {header}, but {folders[0]} may not use LLVM and MLIR"
        elif re.match(r"mk(-c)?/", header) and not any(below(header, allowed) for allowed in headers):
            yield line, f"includes {header}, but {folders[0]} may include {', '.join(headers)}"


def main():
    table, root = map(pathlib.Path, sys.argv[1:])
    rows = read_table(table)
    files = errors = 0
    for row in rows:
        for folder in row[0]:
            if not (root / folder).exists() and not folder.endswith("*"):
                errors += 1
                print(f"{table.name}: error: there is no {folder}; take it out of the table")
    for top in ("include", "runtime", "dialect", "passes", "jit", "lib", "tools", "test", "examples", "benchmarks"):
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".h", ".cpp", ".c") or re.search(r"/(Inputs|build)/", name):
                continue
            files += 1
            for line, message in lint(name, path.read_text(), rows):
                errors += 1
                print(f"{name}:{line}: error: {message}")
    print(f"{files} files, {errors} errors")
    sys.exit(1 if errors or not files else 0)


main()
