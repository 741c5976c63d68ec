"""Makes a link to a shared library that every system has: usage: link-library.py LINK"""
import ctypes
import os
import sys

ctypes.CDLL("libm.so.6")
with open("/proc/self/maps") as maps:
    library = next(line.split()[-1] for line in maps if "/libm" in line)
os.symlink(library, sys.argv[1])
