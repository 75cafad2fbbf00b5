"""What a token that the process knows costs in Python, against what no binding by ctypes can do without.

Run it under warm.py, with bindings/python in $PYTHONPATH.
"""

import json
import os
import sys
from time import perf_counter_ns

from wxtoken import Store
from wxtoken._library import LIBRARY, CToken

ROUNDS = 100
CALLS = 200  # in a round of each


def main():
    expected = os.environ["WXBENCH_TOKEN"]
    store = Store()
    out = CToken(length=len(expected), value=expected.encode())

    def token():
        return store.token("shop").value

    # An empty call: freeing no handle is a no-op. The copy: the struct's characters, as bytes.
    def floor(nothing=LIBRARY.wxtoken_free):
        nothing(None)
        return out.value

    if token() != expected or floor() != expected.encode():
        sys.exit("python: this is not the token of $WXBENCH_TOKEN: run this under warm.py")
    for _ in range(ROUNDS):
        report(bench="python-token", ns=nanoseconds(token))
        report(bench="python-floor", ns=nanoseconds(floor))


def nanoseconds(call):
    """What one call takes, on average of a round."""
    start = perf_counter_ns()
    for _ in range(CALLS):
        call()
    return (perf_counter_ns() - start) / CALLS


def report(**line):
    print(json.dumps(line))


main()
