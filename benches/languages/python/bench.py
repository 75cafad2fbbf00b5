"""The cost in Python of a token that the process knows, against the minimum for any binding.

Run it under warm.py, with bindings/python and the directory of the extension empty.c in $PYTHONPATH.
"""

import json
import os
import sys
import threading
from contextlib import contextmanager
from time import perf_counter_ns

import wxtoken
from empty import Empty
from wxtoken._library import LIBRARY, CToken

ROUNDS = 100
CALLS = 200  # in a round of each


class Method(Empty):
    """A Python class with a base in C, like the extension's Store."""


def main():
    expected = os.environ["WXBENCH_TOKEN"]
    if wxtoken.implementation != "native":
        sys.exit("python: the extension is not built: make native")
    store, empty = wxtoken.Store(), Method()
    known = store.token("shop")
    out = CToken(length=len(expected), value=expected.encode())

    def token():
        return store.token("shop").value

    # An empty call that releases the interpreter's lock, as a get does when it may wait.
    def floor():
        return empty.released(known).value

    def held():
        return empty.held(known).value

    # The way of the binding before it had an extension.
    def by_ctypes():
        return store._token("shop").value

    # The floor is an empty call, because freeing no handle is a no-op, and a copy of the struct's characters as bytes.
    def ctypes_floor(nothing=LIBRARY.wxtoken_free):
        nothing(None)
        return out.value

    subjects = {
        "python-token": token,
        "python-floor": floor,
        "python-floor-held": held,
        "python-ctypes-token": by_ctypes,
        "python-ctypes-floor": ctypes_floor,
    }
    for bench, call in subjects.items():
        if call() not in (expected, expected.encode()):
            sys.exit(f"{bench}: this is not the token of $WXBENCH_TOKEN: run this under warm.py")
    for _ in range(ROUNDS):
        for bench, call in subjects.items():
            report(bench=bench, ns=nanoseconds(call))
    with computing():
        # A turn of the lock is milliseconds long, so the result of a round is a matter of luck.
        for bench in ("python-token", "python-ctypes-token"):
            report(fact=f"{bench}-beside-thread-us", value=nanoseconds(subjects[bench], 100_000) / 1000)


@contextmanager
def computing():
    """Measures next to a thread that computes without a pause and thus always waits for the interpreter's lock."""
    ended = threading.Event()

    def compute():
        while not ended.is_set():
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def nanoseconds(call, calls=CALLS):
    """The time of one call, averaged over a round."""
    start = perf_counter_ns()
    for _ in range(calls):
        call()
    return (perf_counter_ns() - start) / calls


def report(**line):
    print(json.dumps(line))


main()
