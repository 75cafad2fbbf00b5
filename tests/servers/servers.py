"""Real servers, as deployed. Each is a master process in a private directory, ended by its process id.

They run as an ordinary user, even if the suite runs as root. That user owns the directory, which has copies of the
programs.
"""

import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINDINGS = HERE.parent.parent / "bindings"
PATIENCE_S = 30


class Failure(Exception):
    """The story cannot go on."""


def until(condition, what):
    patience = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > patience:
            raise Failure(f"gave up after {PATIENCE_S} s of waiting for {what}")
        time.sleep(0.01)


def find_program(*names, package):
    for name in names:
        # Debian's: its servers are not on every user's PATH, and every user may run the python of its gunicorn.
        found = shutil.which(name, path=f"/usr/bin:/usr/sbin:{os.environ['PATH']}")
        if found:
            return found
    raise Failure(f"there is no {names[0]}: install it (Debian: apt install {package})")


def find_php_fpm():
    versioned = [Path(path).name for path in glob.glob("/usr/sbin/php-fpm*")]
    return find_program("php-fpm", *versioned, package="php-fpm")


def find_library():
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        library = Path(folder or ".") / "libwxtoken.so.0"
        if library.exists():
            return library
    raise Failure("no libwxtoken.so.0 in LD_LIBRARY_PATH: run make stage, and set it to build/stage/lib")


class Place:
    """A directory for one server: copies of code and library, the store, and the logs."""

    def __init__(self, account):
        library = find_library()
        # The socket of a redis-server. If it is set, the store is there.
        redis = os.environ.get("WXTOKEN_CASES_REDIS")
        self.path = Path(tempfile.mkdtemp(prefix="wxtoken-servers-"))
        self.state = self.path / "state"
        self.state.mkdir()
        for name in ("page.php", "master.php", "app.py"):
            shutil.copy(HERE / name, self.path)
        shutil.copytree(BINDINGS / "php" / "src", self.path / "php" / "src")
        shutil.copy(BINDINGS / "php" / "preload.php", self.path / "php")
        # Other suites import the package meanwhile. Its cache has files that come and go.
        shutil.copytree(BINDINGS / "python" / "wxtoken", self.path / "wxtoken", ignore=shutil.ignore_patterns("__pycache__"))
        self.library = self.path / "libwxtoken.so.0"
        shutil.copy(library, self.library)
        names = ("www-data", "nobody") if os.geteuid() == 0 else (pwd.getpwuid(os.geteuid()).pw_name,)
        self.user = next(name for name in names if _is_user(name))
        self.environment = {
            "WXTOKEN_STORE": f"redis+unix://{redis}?prefix={account.id}" if redis else str(self.state / "tokens.db"),
            "XDG_STATE_HOME": str(self.state),
            "WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"],
            "WXTOKEN_LIBRARY": str(self.library),
            "SHOP_ID": account.id,
            "SHOP_SECRET": account.secret,
        }
        self._give_away(self.path, *self.path.rglob("*"))
        made = (self.path / "php" / "src" / "Declarations.php").read_text()
        declarations = made.split("<<<'C'\n")[1].split("\nC;")[0]
        self.write("ffi.h", f'#define FFI_SCOPE "wxtoken"\n#define FFI_LIB "{self.library}"\n{declarations}\n')

    def write(self, name, text):
        path = self.path / name
        path.write_text(text)
        self._give_away(path)
        return path

    def _give_away(self, *paths):
        if os.geteuid() == 0:
            for path in paths:
                shutil.chown(path, self.user)

    def logs(self):
        return sorted(self.path.glob("*.log"))

    def remove(self):
        shutil.rmtree(self.path)


def _is_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


class Master:
    """A server's first process. Its log is next to its configuration."""

    def __init__(self, name, command, place, socket_path, as_root=False):
        self.name = name
        log = place.write(f"{name}.log", "")
        entry = pwd.getpwnam(place.user)
        other = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [str(argument) for argument in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=place.path,
                env={"PATH": os.environ["PATH"], "HOME": str(place.path), **place.environment},
                start_new_session=True,
                **(other if os.geteuid() == 0 and not as_root else {}),
            )
        self.pid = self._process.pid
        self._is_over = False
        try:
            until(lambda: self._accepts(socket_path), f"{name} to accept connections")
        except BaseException:
            self.kill()
            raise

    def _accepts(self, socket_path):
        if self._process.poll() is not None:
            raise Failure(f"{self.name} ended with {self._process.returncode} before it was ready")
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(socket_path)) == 0

    def signal(self, number):
        self._process.send_signal(number)

    def end(self, politely):
        """The flaws of its end; empty if there are none."""
        self._process.send_signal(politely)
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} did not end within {PATIENCE_S} s"
        if self.kill():
            return f"{self.name} left workers behind"
        return f"{self.name} ended with {code}" if code else ""

    def kill(self):
        """Ends the rest of its session, which contains no other process. Returns whether there was any."""
        if self._is_over:
            return False
        self._is_over = True
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            self._process.wait()
        return True


class PhpFpm:
    """PHP-FPM with eight workers behind nginx."""

    workers = places = 8

    def __init__(self, place, preload, ffi_preload="", as_root=False):
        """`preload` and `ffi_preload` are files of the place, for opcache.preload and ffi.preload."""
        self._place = place
        self.socket, self.state = place.path / "nginx.sock", place.state
        self._masters = []
        try:
            self._start_fpm(preload, ffi_preload, as_root)
            self._start_nginx()
        except BaseException:
            self.kill()
            raise

    def _start_fpm(self, preload, ffi_preload, as_root):
        place = self._place
        listen = place.path / "fpm.sock"
        settings = ["ffi.enable=preload", "opcache.enable=1", f"opcache.preload={place.path / preload}"]
        if ffi_preload:
            settings += [f"ffi.preload={place.path / ffi_preload}"]
        pool = [f"listen = {listen}", "listen.mode = 0666", "pm = static", f"pm.max_children = {self.workers}"]
        pool += ["catch_workers_output = yes"]
        pool += [f'env[{name}] = "{value}"' for name, value in place.environment.items()]
        if as_root:
            settings += [f"opcache.preload_user={place.user}"]
            pool += [f"user = {place.user}"]
        main = ["[global]", f"error_log = {place.path}/php-fpm.log"]
        # Without it a reload kills workers during a request.
        main += [f"process_control_timeout = {PATIENCE_S}s", "[www]"]
        ini = place.write("php.ini", "\n".join(settings) + "\n")
        pools = place.write("fpm.conf", "\n".join(main + pool) + "\n")
        command = [find_php_fpm(), "--nodaemonize", "-c", ini, "-y", pools]
        self._masters.append(Master("php-fpm", command, place, listen, as_root))

    def _start_nginx(self):
        place = self._place
        modules = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = f"""
            daemon off;
            pid nginx.pid;
            worker_processes 1;
            events {{ worker_connections 64; }}
            http {{
                access_log nginx.access;
                {" ".join(f"{module}_temp_path {module}_temp;" for module in modules)}
                server {{
                    listen unix:{self.socket};
                    location = /page {{
                        fastcgi_pass unix:{place.path}/fpm.sock;
                        fastcgi_param SCRIPT_FILENAME {place.path}/page.php;
                        fastcgi_param REQUEST_METHOD $request_method;
                        fastcgi_param QUERY_STRING $query_string;
                    }}
                }}
            }}
        """
        configuration = place.write("nginx.conf", text)
        program = find_program("nginx", package="nginx")
        command = [program, "-p", place.path, "-e", place.path / "nginx.log", "-c", configuration]
        self._masters.append(Master("nginx", command, place, self.socket))

    @property
    def pid(self):
        return self._masters[0].pid

    def reload(self):
        self._masters[0].signal(signal.SIGUSR2)

    def end(self):
        """The flaws of the servers' ends and logs."""
        wrong = [master.end(signal.SIGQUIT) for master in reversed(self._masters)]
        # FPM names the signal that ended a worker. PHP's own messages come as a WARNING.
        return [problem for problem in wrong if problem] + [
            *_lines(self._place, "php-fpm.log", r"WARNING|ERROR|ALERT|exited on signal"),
            *_lines(self._place, "nginx.log", r"\[(warn|error|crit|alert|emerg)\]"),
        ]

    def kill(self):
        for master in self._masters:
            master.kill()


class Gunicorn:
    """gunicorn with --preload."""

    def __init__(self, place, workers, threads=1):
        self._place = place
        self.socket, self.state = place.path / "gunicorn.sock", place.state
        self.workers, self.places = workers, workers * threads
        command = [find_program("gunicorn", package="gunicorn"), "--preload", "--bind", f"unix:{self.socket}"]
        command += ["--workers", workers, "--timeout", PATIENCE_S, "--graceful-timeout", PATIENCE_S]
        if threads > 1:
            command += ["--worker-class", "gthread", "--threads", threads]
        self._master = Master("gunicorn", [*command, "app:app"], place, self.socket)
        self.pid = self._master.pid

    def reload(self):
        self._master.signal(signal.SIGHUP)

    def end(self):
        """The flaws of the server's end and log."""
        wrong = self._master.end(signal.SIGTERM)
        # gunicorn repeats its order to a leaving worker. That ends the worker if its python has dropped its handlers by
        # then.
        complaint = r"\[(ERROR|CRITICAL)\](?!.*sent SIGTERM)|Traceback|due to signal (?!15\b)"
        # gunicorn also logs from its SIGCHLD handler. If that interrupts a half-written line, python's logging refuses
        # the second line with a long report. The application's messages never have that form.
        own = r"--- Logging error ---\n[\s\S]*?\nArguments: .*"
        return ([wrong] if wrong else []) + _lines(self._place, "gunicorn.log", complaint, besides=own)

    def kill(self):
        self._master.kill()


def _lines(place, name, complaint, besides=None):
    text = (place.path / name).read_text(errors="replace")
    lines = (re.sub(besides, "", text) if besides else text).splitlines()
    return [f"{name}: {line}" for line in lines if re.search(complaint, line)]
