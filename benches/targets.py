"""The targets of the benchmarks, and whether they are met."""

from dataclasses import dataclass


@dataclass
class Ratio:
    """The ratio of one bench's median to another's, or to the sum of two others."""

    of: str
    to: str
    and_to: str = None
    unit: str = "×"

    def value(self, benches, _facts):
        floor = sum(benches[to]["median"] for to in (self.to, self.and_to) if to)
        return benches[self.of]["median"] / floor


@dataclass
class Time:
    """The median of a bench, in microseconds."""

    of: str
    unit = " µs"

    def value(self, benches, _facts):
        return benches[self.of]["median"] / 1000


@dataclass
class Fact:
    of: str
    unit: str = ""
    times: float = 1

    def value(self, _benches, facts):
        return facts[self.of] * self.times


@dataclass
class Target:
    what: str
    measure: object
    reach: float
    beyond: float = None
    at_least: bool = False


MB = 1e-6
TARGETS = (
    Target("a hit, against clock_gettime + memcpy", Ratio("c-get", "c-floor"), 2.0, 1.3),
    # The machine decides how well two threads run on two processors, so they are compared with two threads of the
    # floor.
    Target("a hit on 2 threads, against clock_gettime + memcpy on 2", Ratio("c-get-2-threads", "c-floor-2-threads"), 2.0, 1.3),
    Target("  hits a second on 2 threads, against 1", Ratio("c-get", "c-get-2-threads"), None),
    Target("  the same of clock_gettime + memcpy", Ratio("c-floor", "c-floor-2-threads"), None),
    Target("  cache lines written by one and touched by the other", Fact("shared-lines"), 0),
    Target("a hit among 10,000 accounts, against one", Ratio("get-among-10000", "get-of-1-for-10000"), None, 1.5),
    Target("  against memory alone among as many", Ratio("get-among-10000", "copy-among-10000"), 1.3),
    Target("  the same of clock_gettime + memcpy: memory alone", Ratio("copy-among-10000", "copy-of-1-for-10000"), None),
    Target("a hit among 100,000 accounts, against one", Ratio("get-among-100000", "get-of-1-for-100000"), None, 1.5),
    Target("  the same of memory alone", Ratio("copy-among-100000", "copy-of-1-for-100000"), None),
    Target("init + get + free in a fresh process, against SQLite", Ratio("first-get", "first-select"), 1.3),
    Target("  of 10,000 accounts, against one", Ratio("first-get-of-many", "first-get"), 1.2),
    Target("  the whole process, against SQLite's", Ratio("first-get-process", "first-select-process"), None),
    Target("`wxtoken get` as a process, against /bin/true and sqlite3 with the SELECT", Ratio("command-get", "command-true", "command-sqlite3"), 2.5),
    Target("a get that looks at the store, against a SELECT", Ratio("c-revalidate", "c-select"), 1.0),
    Target("  its time", Time("c-revalidate"), None, 1),
    Target("a get that looks at Redis, against a bare GET by hiredis", Ratio("redis-look", "redis-bare-get"), None),
    Target("  against a bare GET by go-redis", Ratio("redis-look", "go-redis"), None),
    Target("  against a bare GET by phpredis", Ratio("redis-look", "phpredis"), None),
    Target("  against a bare GET by Jedis, over TCP", Ratio("redis-look", "jedis"), None),
    Target("  against WxJava with its configuration in Redis, over TCP", Ratio("redis-look", "wxjava-redis"), None),
    Target("  300 cold processes on 3 hosts, upstream 200 ms", Fact("redis-cold-300-processes-ms", " ms"), None),
    Target("  tokens minted for them", Fact("redis-cold-300-processes-minted"), 1),
    Target("  a killed leader is followed on its host", Fact("redis-takeover-on-its-host-ms", " ms"), None),
    Target("  on another host", Fact("redis-takeover-by-another-host-ms", " ms"), None),
    Target("Go: Token, against cgo + GoStringN", Ratio("go-token", "go-floor"), 1.5),
    Target("  allocations", Fact("go-allocs"), None, 1),
    Target("PHP by FFI: cdef + init + get + free", Time("php-request"), 10, 5),
    Target("  with ffi.preload", Time("php-preload-request"), 10, 5),
    Target("  in a request to PHP-FPM", Time("php-fpm-request"), 20, 5),
    Target("  a further get, against FFI + FFI::string", Ratio("php-get", "php-floor"), 3.0, 2.0),
    Target("PHP by the extension: open + get + close", Time("php-extension-request"), 2),
    Target("  in a request to PHP-FPM", Time("php-fpm-extension-request"), None),
    Target("  a further get", Time("php-extension-get"), 0.24, 0.15),
    Target("  the same, against apcu_fetch", Ratio("php-extension-get", "php-apcu"), 1.0),
    Target("  the same, against an empty method", Ratio("php-extension-get", "php-extension-floor"), None),
    Target("  the same, in instructions", Fact("php-extension-instructions"), None),
    Target("Python: token(), against an empty call of an extension", Ratio("python-token", "python-floor-held"), 1.5),
    Target("  against one that lets other threads run", Ratio("python-token", "python-floor"), None),
    Target("  its time", Time("python-token"), None, 0.3),
    Target("  against wechatpy's storage in memory", Ratio("python-beside-wechatpy", "wechatpy-memory"), 1),
    Target("  by ctypes, against ctypes + bytes", Ratio("python-ctypes-token", "python-ctypes-floor"), 2.5),
    Target("Node: await token()", Time("node-token"), None, 0.5),
    Target("  against an empty call of Koffi, in an async function", Ratio("node-token", "node-floor"), None),
    Target("  against an empty call on the pool", Ratio("node-token", "node-pool-floor"), None),
    Target("  against co-wechat-api's token in memory", Ratio("node-token", "co-wechat-api-memory"), None),
    Target("Java: token(), by foreign functions", Time("java-ffm-token"), None, 0.3),
    Target("  against an empty call", Ratio("java-ffm-token", "java-ffm-floor"), None),
    Target("  against WxJava's configuration in memory", Ratio("java-ffm-token", "wxjava-memory"), None),
    Target("  on each of 2 threads, against 1", Ratio("java-ffm-token-2-threads", "java-ffm-token"), None),
    Target("  by JNA", Time("java-jna-token"), None, 0.3),
    Target("  by JNA, against an empty call", Ratio("java-jna-token", "java-jna-floor"), None),
    Target("p99.99 of gets through expiries, leaders apart", Fact("expiry-p99.99-us", " µs"), 1000),
    Target("  of those from which the system did not take the processor", Fact("expiry-undisturbed-p99.99-us", " µs"), 1000),
    Target("  with background_refresh, of all gets", Fact("expiry-background-p99.99-us", " µs"), 1000),
    Target("  of those undisturbed", Fact("expiry-background-undisturbed-p99.99-us", " µs"), 1000),
    Target("gets a second from a server, Unix socket, against a static file of nginx", Ratio("server-nginx-unix", "server-serve-unix"), 0.5, 0.8, at_least=True),
    Target("  over TLS", Ratio("server-nginx-tls", "server-serve-tls"), 0.5, 0.8, at_least=True),
    Target("  against GET of Redis, Unix socket", Ratio("server-redis-unix", "server-serve-unix"), None),
    Target("  with 10,000 idle connections, against without", Ratio("server-serve-unix", "server-serve-unix-with-10000-idle"), None),
    Target("  the server's processor time, against nginx's", Ratio("server-serve-unix-cpu", "server-nginx-unix-cpu"), None),
    Target("  the server's processor time over TLS, against nginx's", Ratio("server-serve-tls-cpu", "server-nginx-tls-cpu"), None),
    Target("a forwarded call on one connection, against nginx's proxy_pass", Ratio("forward-serve-plain-p50", "forward-nginx-plain-p50"), 1.5, 1.1),
    Target("  to a platform over TLS", Ratio("forward-serve-tls-p50", "forward-nginx-tls-p50"), 1.5, 1.1),
    Target("  calls a second on 64 connections", Ratio("forward-nginx-plain", "forward-serve-plain"), 0.6, 0.9, at_least=True),
    Target("  calls a second on 64 connections, to a platform over TLS", Ratio("forward-nginx-tls", "forward-serve-tls"), 0.6, 0.9, at_least=True),
    Target("  the server's processor time, against nginx's", Ratio("forward-serve-tls-cpu", "forward-nginx-tls-cpu"), None),
    Target("a server's memory", Fact("server-unix-resident-kb", " MB", 1024 * MB), None),
    Target("  with 10,000 idle connections", Fact("server-unix-resident-with-10000-idle-kb", " MB", 1024 * MB), None),
    Target("  over TLS", Fact("server-tls-resident-with-10000-idle-kb", " MB", 1024 * MB), None),
    Target("the library, stripped", Fact("stripped-bytes", " MB", MB), 3.2),
    Target("private memory, after a get from the store", Fact("get-used-private-kb", " MB", 1024 * MB), 2.5),
    Target("  of that, written by the process", Fact("get-used-dirty-kb", " MB", 1024 * MB), None),
    Target("private memory, after a fetch over TLS", Fact("fetch-used-private-kb", " MB", 1024 * MB), 2.5),
    Target("  of that, written by the process after a fetch", Fact("fetch-used-dirty-kb", " MB", 1024 * MB), None),
    Target("threads, idle", Fact("fetch-used-threads"), 0),
    Target("descriptors, idle", Fact("fetch-used-descriptors"), 3),
)


def judge(benches, facts):
    """The measured targets, each with its verdict. An indented target also has the one above it."""
    judged, above = [], None
    for target in TARGETS:
        is_below = target.what.startswith(" ")
        above = above if is_below else target.what
        try:
            value = target.measure.value(benches, facts)
        except KeyError:
            continue
        verdict = {"target": target.what.strip(), "value": round(value, 3), "unit": target.measure.unit.strip()}
        if is_below:
            verdict["under"] = above
        for name, bound in (("reach", target.reach), ("beyond", target.beyond)):
            if bound is not None:
                met = value >= bound if target.at_least else value <= bound
                verdict[name] = {"bound": bound, "met": met}
        judged.append(verdict)
    return judged


def print_table(machine, benches, facts, judged):
    print(f"\n{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, {machine['date']}, load {machine['load']}")
    print(f"libwxtoken {machine['wxtoken']}, SQLite {machine['sqlite']} for the SELECTs\n")
    print_rows(
        ("nanoseconds per operation", "median", "p10", "p90", "rounds"),
        [(bench, f"{s['median']:,.1f}", f"{s['p10']:,.1f}", f"{s['p90']:,.1f}", s["rounds"]) for bench, s in benches.items()],
    )
    print_rows(("fact", "value"), [(fact, f"{value:,.3f}".rstrip("0").rstrip(".")) for fact, value in facts.items()])
    print_rows(
        ("target", "measured", "reach", "", "beyond", ""),
        [
            (f"  {one['target']}" if "under" in one else one["target"], f"{one['value']:,.2f} {one['unit']}".strip(), *tell(one.get("reach")), *tell(one.get("beyond")))
            for one in judged
        ],
    )


def tell(bound):
    return (f"{bound['bound']:g}", "met" if bound["met"] else "MISSED") if bound else ("", "")


def print_rows(head, rows):
    rows = [head, *[tuple(str(cell) for cell in row) for row in rows]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")
    print()
