"""Makes and shows .npy files without numpy, malformed ones too.

npy.py make FILE DTYPE SHAPE FORMAT VALUE...   a good file; FORMAT is struct's letter for one element
npy.py raw FILE FORMAT VALUE...                the elements only
npy.py header FILE VERSION TEXT [BYTES]        any header, followed by a number of zero bytes
npy.py bytes FILE HEX                          any bytes
npy.py show FILE FORMAT                        prints dtype, shape and values
"""
import ast
import struct
import sys


def header(text, version=1):
    text = text.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


def elements(letter, values):
    numbers = [float(v) if letter in "efd" else int(v) for v in values]
    return struct.pack("<%d%s" % (len(numbers), letter), *numbers)


command, file, *rest = sys.argv[1:]
if command == "make":
    dtype, shape, letter, *values = rest
    text = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (dtype, shape)
    data = header(text) + elements(letter, values)
elif command == "raw":
    data = elements(rest[0], rest[1:])
elif command == "header":
    data = header(rest[1], int(rest[0])) + bytes(int(rest[2]) if len(rest) > 2 else 0)
elif command == "bytes":
    data = bytes.fromhex(rest[0])
elif command == "show":
    data = open(file, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    end = 10 + struct.unpack("<H", data[8:10])[0]
    assert end % 64 == 0 and data[end - 1 : end] == b"\n"
    fields = ast.literal_eval(data[10:end].decode())
    values = struct.unpack("<%d%s" % ((len(data) - end) // struct.calcsize(rest[0]), rest[0]), data[end:])
    print(fields["descr"], fields["shape"], *values)
    sys.exit()
open(file, "wb").write(data)
