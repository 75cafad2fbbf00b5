"""Builds the Java package: a jar with the library of each target at JNA's resource paths, its sources, Javadoc and pom.

    maven.py [TRIPLE…]
"""

import shutil
import sys

from common import DIST, ROOT, VERSION, WORK, chosen, epoch, fresh, run

PACKAGE = ROOT / "bindings" / "java"
CPUS = {"x86_64": "x86-64", "aarch64": "aarch64"}


def main(triples):
    natives = fresh(WORK / "natives")
    for target in chosen(triples):
        folder = natives / f"linux-{CPUS[target.cpu]}{'-musl' if target.libc == 'musl' else ''}"
        folder.mkdir()
        shutil.copy(target.library, folder / "libwxtoken.so")
        shutil.copy(target.third_party, folder)
        for file in folder.iterdir():
            file.chmod(0o644)
    # Built outside the checkout, whose own build stays unchanged.
    project = fresh(WORK / "maven")
    for name in run("git", "ls-files", "--", "pom.xml", "src/main", "LICENSE-*", cwd=PACKAGE).splitlines():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, project / name)
    settings = {
        "wxtoken.natives": natives,
        "project.build.outputTimestamp": epoch(),
        "maven.test.skip": "true",
        "mdep.skip": "true",
    }
    words = [f"-D{name}={value}" for name, value in settings.items()]
    run("mvn", "-B", "-q", "-P", "release", *words, "package", cwd=project)
    DIST.mkdir(parents=True, exist_ok=True)
    for kind in ("", "-sources", "-javadoc"):
        shutil.copy(project / "target" / f"wxtoken-{VERSION}{kind}.jar", DIST)
    shutil.copy(project / "pom.xml", DIST / f"wxtoken-{VERSION}.pom")


if __name__ == "__main__":
    main(sys.argv[1:])
