"""Draws `results/latest.json` as bars: the cost of a known token, by language and by other ways to keep one.

    chart.py RESULTS SVG

The colours are legible on white and on black, without a background.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "wxtoken"

from matplotlib import pyplot  # noqa: E402

TEXT, OURS, THEIRS = "#7a7f87", "#2f81d6", "#a9793a"
BARS = (
    ("C", "c-get", OURS),
    ("Go", "go-token", OURS),
    ("PHP, by FFI", "php-get", OURS),
    ("PHP, by the extension", "php-extension-get", OURS),
    ("Python", "python-token", OURS),
    ("Node", "node-token", OURS),
    ("Java, by foreign functions", "java-ffm-token", OURS),
    ("Java, by JNA", "java-jna-token", OURS),
    ("Go: silenceper/wechat, memory", "silenceper-memory", THEIRS),
    ("Go: silenceper/wechat, Redis", "silenceper-redis", THEIRS),
    ("Python: wechatpy, memory", "wechatpy-memory", THEIRS),
    ("Python: wechatpy, Redis", "wechatpy-redis", THEIRS),
    ("Python: the script that came before, SQLite", "script-sqlite", THEIRS),
    ("PHP: EasyWeChat's file cache", "symfony-file", THEIRS),
    ("PHP: APCu", "php-apcu", THEIRS),
    ("PHP: phpredis", "phpredis", THEIRS),
    ("C: hiredis", "hiredis", THEIRS),
)


def main(results, drawn):
    with open(results) as file:
        latest = json.load(file)
    bars = [(name, latest["benches"][bench], colour) for name, bench, colour in BARS if bench in latest["benches"]]
    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.36 * len(bars)))
    for place, (name, ns, colour) in enumerate(reversed(bars)):
        axes.barh(place, ns["median"], color=colour, height=0.7)
        axes.text(ns["median"] * 1.15, place, said(ns["median"]), va="center", color=TEXT, fontsize=9)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in reversed(bars)])
    axes.set_xscale("log")
    axes.set_xlim(10, max(ns["median"] for _, ns, _ in bars) * 5)
    axes.set_xlabel("nanoseconds per get, median, logarithmic; blue: libwxtoken", color=TEXT)
    machine = latest["machine"]
    axes.set_title(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, {machine['date']}, libwxtoken {machine['wxtoken']}",
        color=TEXT,
        fontsize=9,
    )
    axes.tick_params(colors=TEXT, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(TEXT)
    figure.tight_layout()
    figure.savefig(drawn, transparent=True, metadata={"Date": None, "Creator": None})


def said(ns):
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


if __name__ == "__main__":
    main(*sys.argv[1:])
