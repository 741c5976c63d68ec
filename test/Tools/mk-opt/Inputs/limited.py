"""limited.py CODE COMMAND...: runs the command with 4 GB of address space; succeeds if it ends with CODE."""

import resource
import subprocess
import sys

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
code = subprocess.run(sys.argv[2:]).returncode
print("exit code", code, flush=True)
sys.exit(code != int(sys.argv[1]))
