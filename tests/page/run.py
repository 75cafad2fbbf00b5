"""Tests the page of `wxtoken serve` in Debian's Chromium: its appearance and its actions.

Run under `wechat-sim exec`, with the command in WXTOKEN_TOOL. Arguments: the stories to run; all by default.
"""

import os
import signal
import sys

from desk import Failure

import stories


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, detail=""):
        self.passed += bool(good)
        self.failed += not good
        # The details of a good result take one line.
        shown = detail if not good or len(detail) < 60 and "\n" not in detail else ""
        print(f"{'ok' if good else 'not ok'} - {name}" + (f": {shown}" if shown else ""), flush=True)


def main(names):
    unknown = set(names) - set(stories.ALL)
    if unknown or not {"WXSIM_CONTROL", "WXTOKEN_TOOL"} <= set(os.environ):
        print("usage: WXTOKEN_TOOL=… wechat-sim exec --quiet -- /usr/bin/python3 tests/page/run.py [" + "|".join(stories.ALL) + "]…")
        return 2
    # Everything is then ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    checks = Checks()
    for name in names or stories.ALL:
        try:
            stories.ALL[name](lambda what, good, detail="": checks(f"{name}: {what}", good, detail))
        except (Failure, OSError, stories.BrowserFailure) as reason:
            checks(f"{name}: the story gets to its end", False, f"{type(reason).__name__}: {str(reason).splitlines()[0]}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
