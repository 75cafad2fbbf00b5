"""Runs the benchmarks, prints their results, and writes `results/latest.json`, `results/latest.svg` and a record of the
run.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH and PKG_CONFIG_PATH, as `make bench` does. Every program
prints its rounds as lines of JSON; see README.md. A failed program is named and its rows are missing. The others are
measured.
"""

import argparse
import ctypes
import datetime
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import targets
from stores import NAME, Account, Stores

HERE = Path(__file__).resolve().parent
LANGUAGES, PEERS, RESULTS, RECORD = HERE / "languages", HERE / "peers", HERE / "results", HERE / "record"
MANY, LARGE = 10_000, 100_000


@dataclass
class Program:
    name: str
    argv: list
    environment: dict = None


def programs(built, directory, large):
    """Every program with its arguments, in the order of the run."""
    stores = Stores(directory, str(built / "register"))
    account = Account()
    one = stores.one("one", account)
    copy = str(Path(directory, "copy.db"))
    shutil.copy(one, copy)
    many, names, of_many, id_of_many = stores.many("many", MANY, account)
    library = find_library()
    over_tls = {"WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTPS"], "WXTOKEN_CA_FILE": os.environ["WXSIM_CA"]}
    fetching = [stores.new("fetching"), NAME, account.id, account.secret]
    c = [
        Program("hit", [built / "hit", one, NAME]),
        Program("among", [built / "among", one, NAME, many, names]),
        Program("revalidate", [built / "revalidate", one, copy, NAME, stores.base_url, account.id]),
        Program(
            "fresh",
            [built / "fresh", built / "first_get", built / "first_select"]
            + [one, NAME, account.id, many, of_many, id_of_many, stores.base_url],
        ),
        Program("command", [sys.executable, "command.py", os.environ["WXTOKEN_TOOL"], one, NAME, stores.base_url, account.id]),
        Program("footprint", [built / "footprint", library, "get", one, NAME]),
        Program("footprint-fetch", [built / "footprint", library, "fetch", *fetching], environment=over_tls),
        Program("shared_writes", [sys.executable, "shared_writes.py", built]),
        Program("instructions", [sys.executable, "instructions.py", built]),
        Program("php_instructions", [sys.executable, "php_instructions.py", built, os.environ["WXTOKEN_PHP_EXTENSION"]]),
        Program("expiry", [sys.executable, "expiry.py", built]),
        Program("redis", [sys.executable, PEERS / "with_redis.py", sys.executable, "on_redis.py", built]),
        Program("server", [sys.executable, PEERS / "with_redis.py", sys.executable, "server.py", os.environ["WXTOKEN_TOOL"]]),
        Program("forward", [sys.executable, "forward.py", os.environ["WXTOKEN_TOOL"]]),
    ]
    if large:
        many, names, _, _ = stores.many("large", LARGE, account)
        c.append(Program("among-large", [built / "among", one, NAME, many, names]))
    return c + languages(built) + peers(built)


def languages(built):
    """The bindings, and other ways to keep a token, each with the token of warm.py."""
    warm = [sys.executable, LANGUAGES / "warm.py"]
    php, extension = LANGUAGES / "php", os.environ["WXTOKEN_PHP_EXTENSION"]
    by_extension = {"PHP_INI_SCAN_DIR": f":{extension}"}
    return [
        Program("go", [*warm, built / "go"]),
        Program("php", [*warm, "php", php / "bench.php", "ffi"]),
        Program("php-pieces", [*warm, "php", php / "pieces.php"]),
        Program("php-preloaded", [*warm, "php", php / "preloaded.php"]),
        Program("php-fpm", [*warm, "php", php / "fpm.php", "ffi"]),
        Program("php-extension", [*warm, "php", "-d", "apc.enable_cli=1", php / "bench.php", "extension"], environment=by_extension),
        Program("php-fpm-extension", [*warm, "php", php / "fpm.php", "extension"], environment=by_extension),
        Program("node", [*warm, "node", LANGUAGES / "node" / "bench.js"]),
        Program("java-jna", [*warm, *java(built, "java")], environment={"WXTOKEN_JAVA": "jna"}),
        Program("java-ffm", [*warm, *java(built, newer_java(), "--enable-native-access=ALL-UNNAMED")], environment={"WXTOKEN_JAVA": "ffm"}),
        Program("python", [*warm, sys.executable, LANGUAGES / "python" / "bench.py"], environment=python_path(built)),
    ]


def java(built, *command):
    return [*command, "-cp", f"{built}/java:{built}/java/*", "Bench"]


def newer_java():
    """A Java with foreign functions. Without one the program says so, and its rows are missing."""
    found = subprocess.run([HERE.parent / ".ci" / "newer-java"], stdout=subprocess.PIPE, text=True, check=False)
    return found.stdout.strip() or "java"


def python_path(built):
    """The path of the binding, and of the extension that it is compared with."""
    return {"PYTHONPATH": f"{HERE.parent / 'bindings' / 'python'}{os.pathsep}{built}"}


def peers(built):
    warm = [sys.executable, LANGUAGES / "warm.py"]
    redis = [*warm, sys.executable, PEERS / "with_redis.py"]
    python = built / "peers-venv" / "bin" / "python"
    return [
        Program("silenceper", [*redis, built / "silenceper"]),
        Program("wechatpy", [*redis, python, PEERS / "python" / "wechatpy_client.py"], environment=python_path(built)),
        Program("script-sqlite", [*warm, sys.executable, PEERS / "python" / "script_sqlite.py"]),
        Program("symfony-file", [*warm, "php", PEERS / "php" / "symfony_file.php"]),
        Program("phpredis", [*redis, "php", PEERS / "php" / "phpredis.php"]),
        Program("hiredis", [*redis, built / "hiredis"]),
        Program("wxjava", [*redis, "java", "-cp", f"{built}/peers-java/classes:{built}/peers-java/dependency/*", "bench.WxJava"]),
    ]


class Measured:
    """The output of the programs: rounds by bench, values by fact."""

    def __init__(self):
        self.rounds, self.facts = {}, {}

    def read(self, line):
        try:
            said = json.loads(line)
        except ValueError:
            return
        if "bench" in said:
            self.rounds.setdefault(said["bench"], []).append(said["ns"])
        else:
            self.facts[said["fact"]] = said["value"]

    def summary(self):
        """By bench, in nanoseconds: the median, and the bounds that nine of ten rounds lie above and below."""
        return {bench: summarize(sorted(rounds)) for bench, rounds in self.rounds.items()}


def summarize(rounds):
    def at(share):
        return round(rounds[min(len(rounds) - 1, int(len(rounds) * share))], 2)

    return {"median": at(0.5), "p10": at(0.1), "p90": at(0.9), "rounds": len(rounds)}


def run(program, measured):
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(program.environment or {})}
    print(f"# {program.name}", flush=True)
    command = [str(argument) for argument in program.argv]
    try:
        running = subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True)
    except OSError as reason:
        print(f"bench: {program.name} cannot be started: {reason}", file=sys.stderr)
        return 1
    with running:
        for line in running.stdout:
            print(line, end="", flush=True)
            measured.read(line)
    return running.returncode


def machine(library):
    with open("/proc/cpuinfo") as lines:
        models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    version = ctypes.CDLL(library).wxtoken_version
    version.restype = ctypes.c_char_p
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "date": datetime.date.today().isoformat(),
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load": round(os.getloadavg()[0], 1),
        "wxtoken": version().decode(),
        "commit": commit(),
        # The SELECTs in C use this version too, because both are linked with the system's.
        "sqlite": sqlite3.sqlite_version,
    }


def commit():
    """The commit of the measured tree, with -dirty if it has uncommitted changes."""
    told = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=HERE, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def find_library():
    for directory in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        library = os.path.join(directory, "libwxtoken.so")
        if directory and os.path.exists(library):
            return library
    sys.exit("bench: no libwxtoken.so in LD_LIBRARY_PATH: run this by `make bench`")


def stripped_size(library, directory):
    stripped = os.path.join(directory, "stripped.so")
    subprocess.run(["strip", "-o", stripped, library], check=True)
    return os.path.getsize(stripped)


def draw(results, drawn, built):
    """The chart needs matplotlib, from a virtual environment made here or from the system."""
    chart = [str(HERE / "chart.py"), str(results), str(drawn)]
    venv = built / "venv"
    python = venv / "bin" / "python"
    if subprocess.run([sys.executable, "-c", "import matplotlib"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        python = sys.executable
    elif not (venv / "drawn").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*install, "-r", HERE / "requirements.txt"], check=False).returncode:
            sys.exit("bench: no matplotlib for the chart: apt-get install python3-matplotlib, and put /usr/bin first")
        (venv / "drawn").touch()
    subprocess.run([python, *chart], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path, help="the directory with the built programs")
    parser.add_argument("only", nargs="*", help="programs to run, instead of all; nothing is written then")
    parser.add_argument("--large", action="store_true", help="also with 100,000 accounts")
    given = parser.parse_args()
    if not {"WXSIM_CONTROL", "WXTOKEN_TOOL", "WXTOKEN_PHP_EXTENSION"} <= os.environ.keys():
        parser.error("run this under `wechat-sim exec --quiet --`, with WXTOKEN_TOOL and WXTOKEN_PHP_EXTENSION, as `make bench` does")
    built = given.built.resolve()
    measured, failed = Measured(), []
    library = find_library()
    with tempfile.TemporaryDirectory(prefix="wxtoken-bench-") as directory:
        about = machine(library)
        measured.facts["stripped-bytes"] = stripped_size(library, directory)
        for program in programs(built, directory, given.large):
            if (not given.only or program.name in given.only) and run(program, measured):
                failed.append(program.name)
    summary = measured.summary()
    judged = targets.judge(summary, measured.facts)
    targets.print_table(about, summary, measured.facts, judged)
    if not given.only:
        RESULTS.mkdir(exist_ok=True)
        latest = RESULTS / "latest.json"
        whole = {"machine": about, "failed": failed, "targets": judged, "benches": summary, "facts": measured.facts}
        text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
        latest.write_text(text)
        RECORD.mkdir(exist_ok=True)
        (RECORD / f"{about['date']}-{about['commit']}.json").write_text(text)
        draw(latest, RESULTS / "latest.svg", built)
    if failed:
        sys.exit(f"bench: failed, and not in the table: {', '.join(failed)}")


if __name__ == "__main__":
    main()
