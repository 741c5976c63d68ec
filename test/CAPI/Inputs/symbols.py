"""symbols.py LIBRARY HEADERS...: compares what a library exports with what headers declare with MK_API or MK_FALLIBLE."""
import re
import subprocess
import sys

library, *headers = sys.argv[1:]
listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
exported = {line.split()[-1] for line in listing.splitlines()}
declared = set()
for header in headers:
    text = re.sub(r"//[^\n]*|^#.*(?:\\\n.*)*", "", open(header).read(), flags=re.MULTILINE)
    declared.update(re.findall(r"\bMK_(?:API|FALLIBLE)\b[^;(]*?(\w+)\(", text))
for name in sorted(exported - declared):
    print(f"{name} is exported, but no header declares it")
for name in sorted(declared - exported):
    print(f"{name} is declared, but not exported")
print(f"{len(exported & declared)} functions, {len(exported ^ declared)} errors")
