"""The first program of each language, from the output of `make dist`, on a machine without Rust.

    languages.py SIMULATOR [c] [go] [php] [python] [node] [java] [node-musl]

The programs in C, Go, PHP and Python are those of README.md, word by word; Node's and Java's are the examples. Each starts
from a package or tarball in dist/, with an empty store. In a mount namespace, empty directories hide the Rust toolchain, its
builds, and the trees from which the packages were made. Without a namespace, only PATH hides them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import ROOT, Checks
from common import DIST, NAME, VERSION, WORK
from old_libc import are_had
from places import Place

HIDDEN = [Path.home() / ".cargo", Path.home() / ".rustup", ROOT / "target", ROOT / "build/stage", WORK / "tree", WORK / "target"]
RUST = ("cargo", "rustc", "rustup")


def main(simulator, *languages):
    if "WXSIM_HTTP" not in os.environ:
        return under_simulator(simulator, languages)
    check = Checks()
    found = [name for name in RUST if shutil.which(name, path=Place.path())]
    check("no Rust is on the PATH", not found, *found)
    if os.environ.get("TEST_HIDDEN"):
        seen = [str(path) for path in HIDDEN if path.is_dir() and any(path.iterdir())]
        check("no Rust and no build is on the machine", not seen, *seen)
    for language in languages or STORIES:
        with tempfile.TemporaryDirectory(prefix=f"wxtoken-{language}-") as folder:
            STORIES[language](check, Place(Path(folder)))
    return check.end()


def under_simulator(simulator, languages):
    """Runs this file again, with a simulator and a private view of the file system."""
    inside = [sys.executable, "-B", __file__, simulator, *languages]
    hide = "".join(f"mount -t tmpfs none '{path}' && " for path in HIDDEN if path.is_dir())
    view = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    given = subprocess.run([*view, "mount -t tmpfs none /mnt"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    if given:
        inside = [*view, f'{hide}TEST_HIDDEN=1 exec "$0" "$@"', *inside]
    else:
        print("no mount namespace is to be had here: PATH alone hides the Rust toolchain")
    return subprocess.run([simulator, "exec", "--quiet", "--", *inside], check=False).returncode


def of_readme(language):
    """The program in README.md."""
    text = (ROOT / "README.md").read_text()
    return re.search(rf"^\*\*{language}\*\*.*?^```\w+\n(.*?)^```", text, re.M | re.S)[1]


def got_a_token(check, how, place, said):
    """The programs print different words, but all print the length of the token."""
    lengths = [int(number) for number in re.findall(r"(\d+) char", said)]
    check(f"{how}: a token exists", lengths[:1] and lengths[0] > 100 and (place.folder / "tokens.db").exists(), said)


def unpacked(place):
    """The tarball for this machine, unpacked as a user would."""
    name = f"{NAME}-{VERSION}-{os.uname().machine}-unknown-linux-gnu"
    place.run("tar", "-xzf", DIST / f"{name}.tar.gz")
    prefix = place.folder / name
    return prefix, {"PKG_CONFIG_PATH": prefix / "lib/pkgconfig", "LD_LIBRARY_PATH": prefix / "lib"}


def c(check, place):
    prefix, env = unpacked(place)
    place.write("app.c", of_readme("C"))
    warnings = "-std=c99 -Wall -Wextra -Wpedantic -Werror"
    place.shell(f"cc {warnings} $(pkg-config --cflags wxtoken) app.c $(pkg-config --libs wxtoken) -o app", **env)
    got_a_token(check, "C, from the tarball", place, place.shell("./app", **env))
    static = "$(pkg-config --static --libs wxtoken | sed 's/-lwxtoken/-l:libwxtoken.a/')"
    place.shell(f"cc {warnings} $(pkg-config --cflags wxtoken) app.c {static} -o static", **env)
    got_a_token(check, "C, with the static library", place, place.shell("./static"))
    said = place.shell(f"{prefix}/bin/wxtoken --version && {prefix}/bin/wxtoken get shop")
    check("the command has it too", said.splitlines()[0] == f"wxtoken {VERSION}" and len(said.splitlines()[1]) > 100)


def go(check, place):
    """Through a module proxy in files, as `go get` will find the module."""
    _, env = unpacked(place)
    env |= {"GOPROXY": f"file://{place.go_proxy(ROOT / 'bindings/go')},off", "GONOSUMDB": "*", "GOFLAGS": "-mod=mod"}
    env |= {"GOMODCACHE": place.folder / "modules", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1"}
    place.write("main.go", of_readme("Go"))
    place.shell("go mod init app 2>/dev/null", **env)
    place.shell(f"go get github.com/libwxtoken/libwxtoken/bindings/go@v{VERSION} 2>/dev/null && go build -o app .", **env)
    got_a_token(check, "Go, by cgo and pkg-config", place, place.shell("./app", **env))
    place.shell("go build -o static .", **env | {"CGO_ENABLED": "0"})
    said = place.shell("./static 2>&1 || true")
    check("Go without cgo: the program says that a file needs cgo, purego or a server", "CGO_ENABLED=1" in said and "purego" in said, said)
    # Otherwise the directory cannot be removed.
    place.shell("go clean -modcache", **env)


def php(check, place):
    place.run("unzip", "-q", DIST / f"libwxtoken-wxtoken-{VERSION}.zip", "-d", "package")
    place.write(
        "composer.json",
        '{"repositories": [{"type": "path", "url": "package", "options": {"symlink": false}}, {"packagist.org": false}],'
        f'"require": {{"libwxtoken/wxtoken": "{VERSION}"}}}}',
    )
    place.shell("composer install --quiet --no-interaction", COMPOSER_ALLOW_SUPERUSER="1", COMPOSER_HOME=place.folder / "composer")
    program = of_readme("PHP")
    for how, file in {"Composer": "vendor/autoload.php", "preload.php": "package/preload.php"}.items():
        place.write("app.php", re.sub(r"require '.*'", f"require __DIR__ . '/{file}'", program))
        got_a_token(check, f"PHP, by {how}", place, place.shell("php app.php"))
    loaded = place.shell("php -r 'require \"vendor/autoload.php\"; new WxToken\\Store(\"tokens.db\"); readfile(\"/proc/self/maps\");'")
    own = f"vendor/{NAME}/wxtoken/native/{os.uname().machine}-gnu/"
    check("PHP has loaded the package's own library", own in loaded, loaded)
    place.shell(f"cd vendor/{NAME}/wxtoken/ext && (phpize && ./configure && make) >build.log 2>&1 || {{ tail -20 build.log; exit 1; }}")
    by_extension = f"php -d ffi.enable=0 -d extension={place.folder}/vendor/{NAME}/wxtoken/ext/modules/wxtoken.so"
    got_a_token(check, "PHP, by the extension built of the package", place, place.shell(f"{by_extension} app.php"))
    loaded = place.shell(f"{by_extension} -r 'readfile(\"/proc/self/maps\");'")
    check("the extension has loaded the package's library", own in loaded, loaded)


def python(check, place):
    place.shell("python3 -m venv venv")
    place.shell(f"venv/bin/pip install -q --disable-pip-version-check --no-index --find-links {DIST} wxtoken")
    place.write("app.py", of_readme("Python"))
    got_a_token(check, "Python, from the wheel", place, place.shell("venv/bin/python app.py"))
    way = place.shell("venv/bin/python -c 'import wxtoken; print(wxtoken.implementation)'")
    check("Python gets its tokens by the wheel's extension", way == "native\n", way)


def node(check, place):
    place.install_node_packages("gnu")
    shutil.copy(ROOT / "bindings/node/examples/first_get.js", place.folder)
    got_a_token(check, "Node, from the packages", place, place.shell("node first_get.js", WXTOKEN_STORE="tokens.db"))


def node_musl(check, place):
    """A Node built for musl, such as Alpine's, with both packages installed, as by an older npm."""
    if not are_had():
        return
    place.install_node_packages("gnu", "musl")
    shutil.copy(ROOT / "bindings/node/examples/first_get.js", place.folder)
    node = place.node_of_musl()
    said = place.shell(f"{node} first_get.js && {node} -e \"require('wxtoken'); {MAPS}\"", WXTOKEN_STORE="tokens.db")
    got_a_token(check, "Node on musl", place, said)
    check("it has loaded the library for musl", re.search(r"@libwxtoken/linux-\w+-musl/", said) and "-gnu/" not in said, said)


MAPS = "console.log(require('fs').readFileSync('/proc/self/maps', 'latin1'))"


def java(check, place):
    repository = f"-Dmaven.repo.local={WORK / 'm2'}"
    jar = DIST / f"wxtoken-{VERSION}.jar"
    place.shell(f"mvn -B -q {repository} install:install-file -Dfile={jar} -DpomFile={jar.with_suffix('.pom')}")
    place.write("pom.xml", POM)
    place.shell(f"mvn -B -q {repository} dependency:copy-dependencies -DoutputDirectory=jars")
    shutil.copy(ROOT / "bindings/java/examples/FirstGet.java", place.folder)
    place.shell("mkdir tmp")
    said = place.shell("java -Djna.tmpdir=tmp -cp 'jars/*' FirstGet.java", WXTOKEN_STORE="tokens.db")
    got_a_token(check, "Java, from the jar", place, said)
    left = [path.name for path in (place.folder / "tmp").iterdir()]
    check("Java leaves nothing that it has unpacked", not left, *left)


POM = f"""<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>app</artifactId><version>1</version>
<dependencies><dependency><groupId>io.github.libwxtoken</groupId><artifactId>wxtoken</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>
"""
STORIES = {"c": c, "go": go, "php": php, "python": python, "node": node, "java": java, "node-musl": node_musl}


if __name__ == "__main__":
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(STORIES):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
