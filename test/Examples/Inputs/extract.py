"""extract.py FILE.md FOLDER: writes the fenced blocks of a page to FOLDER/0.mlir, FOLDER/0.json, FOLDER/0.sh, FOLDER/1.mlir, ..."""
import os
import re
import sys

page, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
count = {}
for kind, text in re.findall(r"^```(mlir|json|sh|c|cmake)\n(.*?)^```$", open(page).read(), re.MULTILINE | re.DOTALL):
    number = count.setdefault(kind, 0)
    count[kind] += 1
    with open(os.path.join(folder, "%d.%s" % (number, kind)), "w") as file:
        file.write(text)
