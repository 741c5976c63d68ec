"""exit-code.py N [one-cpu] COMMAND...: runs a command and succeeds when it ends with exit code N."""
import os
import subprocess
import sys

wanted, *command = sys.argv[1:]
if command[0] == "one-cpu":
    command = command[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
code = subprocess.call(command)
if code != int(wanted):
    sys.exit("exit code %d, expected %s: %s" % (code, wanted, " ".join(command)))
