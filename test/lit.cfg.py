"""lit configuration: which files are tests, what they may use, and what this machine has."""

import os
import shutil
import sys

import lit.formats

config.name = "megakernel"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Unit", "Data", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.mk_binary_dir, "test")

path = [os.path.join(config.mk_binary_dir, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
# A variable that a test captures is forgotten at the next label, so that tests do not lean on each other.
config.environment["FILECHECK_OPTS"] = "-enable-var-scope"
for name in ("HOME", "XDG_DATA_HOME", "MK_CUDA_HOME", "CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
# What one test compiled is no help to another; those of the code cache name a folder.
config.environment["MK_CACHE_DIR"] = "off"

# Under the preset asan: LLVM's allocator marks memory in our code, but not in the packaged libraries, so the marks mislead.
config.environment.setdefault("ASAN_OPTIONS", "allow_user_poisoning=0")

config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%examples", os.path.join(config.mk_source_dir, "examples")))


def find_ptxas():
    # As mk::CudaToolkit::find().
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda", "/usr/lib/cuda",
             os.path.join(data, "megakernel", "cuda")]
    if os.environ.get("MK_CUDA_HOME"):
        homes = [os.environ["MK_CUDA_HOME"]]
    candidates = [os.path.join(home, "bin", "ptxas") for home in homes if home]
    return next((c for c in candidates if os.access(c, os.X_OK)), None) or shutil.which("ptxas")


# %assemble CHIP FILE: ptxas takes the PTX. Where it is not installed, tests still check the text.
ptxas = find_ptxas()
if ptxas:
    config.available_features.add("ptxas")
    config.substitutions.append(("%assemble", f"{ptxas} -o /dev/null --gpu-name"))
else:
    lit_config.note("ptxas is not installed: the PTX of the tests is not assembled")
    config.substitutions.append(("%assemble", ": assemble"))

if os.path.exists("/dev/nvidiactl"):
    config.available_features.add("cuda")
else:
    lit_config.note("no GPU: tests that need one are unsupported here")

# LDBG() prints nothing in optimised builds.
if getattr(config, "mk_build_type", None) == "Debug":
    config.available_features.add("assertions")

# A sanitizer reserves address space without end, so a test cannot limit it.
if getattr(config, "mk_sanitize", ""):
    config.available_features.add("sanitizer")

# %mlir_opt is the stock mlir-opt with our plugin. Static and sanitized builds have no plugin.
mlir_opt = os.path.join(config.llvm_tools_dir, "mlir-opt")
plugin = os.path.join(config.mk_binary_dir, "lib", "MegakernelPlugin.so")
if os.access(mlir_opt, os.X_OK) and os.path.exists(plugin):
    config.available_features.add("mlir-opt")
    config.substitutions.append(("%mk_plugin", plugin))
    config.substitutions.append(("%mk_test_plugin", os.path.join(config.mk_binary_dir, "lib", "MkTestPlugin.so")))
    config.substitutions.append(("%mlir_opt", f"{mlir_opt} --load-dialect-plugin={plugin} --load-pass-plugin={plugin}"))
