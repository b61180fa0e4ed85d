# The child's side of the protocol in contender.ts: one JSON object per line on stdin, one per line as the answer.
# Whatever else is printed goes to stderr, so that libraries cannot break the protocol.

import json
import os
import sys


def respond(prepare, go):
    """prepare(message) answers all messages but the last two kinds, go(message) {"go": ...}; {"end": true} ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("end"):
            break
        try:
            answer = go(message) if message.get("go") else {"ready": True, **prepare(message)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def reset_peak():
    """Linux: the peak of resident memory is counted from here on."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_rss_mb():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 1024)
