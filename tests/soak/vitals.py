"""The resources of a process, sampled over time: memory, descriptors, threads; and whether they have grown."""

import os
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# The share by which a heap may still settle. Each thread of Go takes some of the library's memory when it leads for the
# first time.
ALLOWED_SHARE = 0.05
ALLOWED_KIB = 1024
ALLOWED_KIB_IN_A_SHORT_RUN = 2048
LONG_S = 120


@dataclass(frozen=True)
class Sample:
    at: float
    rss_kib: int
    descriptors: int
    threads: int


class Vitals:
    """The samples of one process after its start-up. The medians of the first and the last tenth are compared,
    because a fetch takes descriptors and a thread for a moment."""

    def __init__(self, pid, spare_threads=0):
        """`spare_threads` are threads that its runtime may start and keep at will."""
        self._process = Path("/proc", str(pid))
        self._spare_threads = spare_threads
        self._samples = []
        self._open_files = ""

    def take(self):
        # This counts pages. The VmRSS in `status` may be off by some for each CPU.
        memory = (self._process / "smaps_rollup").read_text()
        rss_kib = int(re.search(r"^Rss: +(\d+) kB", memory, re.M)[1])
        counts = [len(os.listdir(self._process / what)) for what in ("fd", "task")]
        self._samples.append(Sample(time.monotonic(), rss_kib, *counts))

    def list_open_files(self):
        """For readers of the output, if there are too many."""
        names = Counter()
        for link in (self._process / "fd").iterdir():
            try:
                names[re.sub(r":\[\d+\]", "", os.readlink(link)).rpartition("/")[2]] += 1
            except FileNotFoundError:
                continue
        self._open_files = ", ".join(f"{count} {name}" for name, count in sorted(names.items()))

    def count(self):
        return len(self._samples)

    def growth(self):
        """The resources that have grown."""
        grown = []
        before, after = self._ends("rss_kib")
        is_short = self._samples[-1].at - self._samples[0].at < LONG_S
        allowed = max(ALLOWED_KIB_IN_A_SHORT_RUN if is_short else ALLOWED_KIB, ALLOWED_SHARE * before)
        if after > before + allowed:
            grown.append(f"memory from {before:.0f} to {after:.0f} KiB")
        before, after = self._at_rest("descriptors")
        if before != after:
            grown.append(f"descriptors from {before:.0f} to {after:.0f}: {self._open_files}")
        before, after = self._at_rest("threads")
        if after > before + self._spare_threads:
            grown.append(f"threads from {before:.0f} to {after:.0f}")
        return grown

    def summary(self):
        rss = self._ends("rss_kib")
        descriptors, threads = (self._at_rest(what) for what in ("descriptors", "threads"))
        return {
            "rss_kib_first": f"{rss[0]:.0f}",
            "last": f"{rss[1]:.0f}",
            "most": max(one.rss_kib for one in self._samples),
            "per_hour": f"{self._slope_kib_per_hour():+.0f}",
            "descriptors": f"{descriptors[0]:.0f} {descriptors[1]:.0f}",
            "threads": f"{threads[0]:.0f} {threads[1]:.0f}",
        }

    def _ends(self, what, typical=median):
        tenth = max(5, len(self._samples) // 10)
        values = [getattr(one, what) for one in self._samples]
        return typical(values[:tenth]), typical(values[-tenth:])

    def _at_rest(self, what):
        """A sample may fall into a fetch, which has a socket and a thread for the look-up. A leak is in every
        sample."""
        return self._ends(what, min)

    def _slope_kib_per_hour(self):
        """The slope by least squares."""
        hours = [one.at / 3600 for one in self._samples]
        sizes = [one.rss_kib for one in self._samples]
        hour, size = sum(hours) / len(hours), sum(sizes) / len(sizes)
        return sum((at - hour) * (kib - size) for at, kib in zip(hours, sizes)) / sum((at - hour) ** 2 for at in hours)
