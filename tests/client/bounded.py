#!/usr/bin/env python3
"""Runs a command and measures it with all its children.

  bounded.py LIMIT COMMAND [ARG]...

Prints one JSON object: `code` (negative: the signal that ended it), `seconds`, `late` (it ran longer than LIMIT seconds
and was killed), `largest_mib` (the peak of its largest process, from the kernel), `together_mib` (the peak of all
concurrent processes, shared pages counted once, sampled every few milliseconds), `processes` (the most at any one
time), `stdout` and `stderr`. Uses only Python's standard library.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

PAUSE = 0.01


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def below(pid):
    """All descendants of a process."""
    found, waiting = [], children(pid)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def share_kib(pid):
    """The memory of a process alone, plus its proportion of what it shares."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except (OSError, ValueError):
        return 0


def kill_all(pid):
    for each in [*below(pid), pid]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main():
    limit, command = float(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        together, most, late = 0, 0, False
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if not late and time.monotonic() - started > limit:
                late = True
                kill_all(process.pid)
            living = below(process.pid)
            together = max(together, sum(map(share_kib, living)))
            most = max(most, len(living))
            time.sleep(PAUSE)
        seconds = time.monotonic() - started

        def text(file):
            file.seek(0)
            return file.read(1 << 22).decode(errors="replace")

        print(json.dumps({
            "code": os.waitstatus_to_exitcode(status), "seconds": round(seconds, 2), "late": late,
            "largest_mib": round(usage.ru_maxrss / 1024, 1), "together_mib": round(together / 1024, 1),
            "processes": most, "stdout": text(stdout), "stderr": text(stderr)}))


if __name__ == "__main__":
    main()
