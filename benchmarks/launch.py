"""Run a command and tell what it took, as JSON on stdout; what it says itself goes to stderr.

A process of its own, for it must be small: Linux counts what the parent holds at the start as the
child's peak.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    taken = {
        "wall_s": time.monotonic() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss * unit / 2**20,
    }
    print(json.dumps(taken))
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
