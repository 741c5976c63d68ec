"""batch.py LIBRARY ISA: runs a batch through the C API with ctypes and numpy, as a program in another language would."""
import ctypes
import sys
from ctypes import POINTER, Structure, Union, byref, c_bool, c_char_p, c_double, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

mk = ctypes.CDLL(sys.argv[1])
mk.mkErrorGetMessage.restype = c_char_p
mk.mkErrorGetMessage.argtypes = mk.mkErrorFree.argtypes = mk.mkErrorGetCode.argtypes = [c_void_p]


class Error(Exception):
    pass


def check(error, function, arguments):
    if error:
        message = mk.mkErrorGetMessage(error).decode()
        mk.mkErrorFree(error)
        raise Error(message)


def fallible(name, *types):
    function = getattr(mk, name)
    function.restype, function.argtypes, function.errcheck = c_void_p, types, check
    return function


class View(Structure):
    _fields_ = [("buffer", c_uint32), ("offset", c_uint32), ("count", c_uint32)]


class Value(Union):
    _fields_ = [("view", View), ("unsigned", c_uint64), ("signed", c_int64), ("float", c_double)]


class Arg(Structure):
    _fields_ = [("kind", c_uint32), ("value", Value)]


class EngineOptions(Structure):
    _fields_ = [("structSize", c_size_t), ("device", c_char_p), ("optLevel", c_uint32), ("prelude", c_bool),
                ("guard", c_bool), ("autotune", c_bool), ("memoryBudget", c_uint64), ("heatHalfLife", c_double),
                ("maxWindows", c_uint32), ("observables", c_uint32), ("debugRecords", c_uint32),
                ("tenantRights", POINTER(c_uint32)), ("tenantRightCount", c_size_t), ("policy", c_void_p),
                ("promotion", c_void_p), ("jit", c_void_p)]


class ResultInfo(Structure):
    _fields_ = [("ticket", c_uint64), ("slots", c_uint64), ("faultCount", c_size_t)]


init = fallible("mkEngineOptionsInit", POINTER(EngineOptions), c_size_t)
open_file = fallible("mkEngineOpenFile", c_char_p, POINTER(EngineOptions), POINTER(c_void_p))
get_isa = fallible("mkEngineGetIsa", c_void_p, POINTER(c_void_p))
allocate = fallible("mkEngineAllocate", c_void_p, c_uint32, c_uint64, c_uint32, c_uint32, POINTER(c_uint32))
write = fallible("mkEngineWrite", c_void_p, c_uint32, c_uint64, c_void_p, c_size_t)
read = fallible("mkEngineRead", c_void_p, c_uint32, c_uint64, c_void_p, c_size_t)
create = fallible("mkBatchCreate", c_void_p, POINTER(c_void_p))
add = fallible("mkBatchAdd", c_void_p, c_char_p, POINTER(Arg), c_size_t, c_uint32)
submit = fallible("mkEngineSubmit", c_void_p, c_void_p, c_void_p, POINTER(c_uint64))
wait = fallible("mkEngineWait", c_void_p, c_uint64, POINTER(c_void_p))
get_info = fallible("mkResultGetInfo", c_void_p, POINTER(POINTER(ResultInfo)))
for release in ("mkResultFree", "mkBatchFree", "mkEngineClose"):
    getattr(mk, release).argtypes, getattr(mk, release).restype = [c_void_p], None

F32, READ_WRITE, EVERYBODY = 7, 3, 0xFFFFFFFF
COUNT = 1000

options = EngineOptions()
init(byref(options), ctypes.sizeof(options))
assert (options.optLevel, options.guard, options.debugRecords) == (2, True, 64)
options.device = b"host"
engine, isa, batch, result = c_void_p(), c_void_p(), c_void_p(), c_void_p()
try:
    open_file(b"/nowhere/isa.mlir", byref(options), byref(engine))
except Error as error:
    print("error:", error)
open_file(sys.argv[2].encode(), byref(options), byref(engine))
get_isa(engine, byref(isa))

x, y = np.arange(COUNT, dtype=np.float32), np.ones(COUNT, dtype=np.float32)
handles = []
for array in (x, y):
    handle = c_uint32()
    allocate(engine, F32, COUNT, READ_WRITE, EVERYBODY, byref(handle))
    write(engine, handle, 0, array.ctypes.data, array.nbytes)
    handles.append(handle.value)

create(isa, byref(batch))
arguments = (Arg * 3)(Arg(3, Value(float=3)), *(Arg(0, Value(view=View(handle, 0, COUNT))) for handle in handles))
add(batch, b"axpy", arguments, len(arguments), 0)
ticket = c_uint64()
submit(engine, batch, None, byref(ticket))
wait(engine, ticket, byref(result))
info = POINTER(ResultInfo)()
get_info(result, byref(info))
print(f"{info.contents.slots} slots, {info.contents.faultCount} faults")
found = np.empty_like(y)
read(engine, handles[1], 0, found.ctypes.data, found.nbytes)
np.testing.assert_array_equal(found, y + 3 * x)
print("y is 1 + 3 x")
mk.mkResultFree(result)
mk.mkBatchFree(batch)
mk.mkEngineClose(engine)
