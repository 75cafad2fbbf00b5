"""Measures calls in turns, many short rounds of each, and prints a line of JSON per round."""

import json
import os
import sys
from time import perf_counter_ns

ROUNDS = 100


def measure(peers):
    """Each peer is a name, a call that returns the token, and the number of calls in a round."""
    for name, get, _ in peers:
        if get() != os.environ["WXBENCH_TOKEN"]:
            sys.exit(f"{name}: this is not the token of $WXBENCH_TOKEN: run this under warm.py")
    for _ in range(ROUNDS):
        for name, get, calls in peers:
            start = perf_counter_ns()
            for _ in range(calls):
                get()
            print(json.dumps({"bench": name, "ns": (perf_counter_ns() - start) / calls}))
