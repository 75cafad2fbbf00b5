"""Builds a container image of the static command, for amd64 and arm64 in one index, as an OCI archive.

    oci.py [TRIPLE…]

The image has the command, its licences and an empty directory for the store. The roots of the web PKI are compiled in. It has no
shell, no user database and no C library.
"""

import hashlib
import io
import json
import sys
import tarfile
import time

from common import DIST, NAME, REPOSITORY, VERSION, chosen, epoch, of_cargo, zipped

IMAGE = "wxtoken"
USER = 65532
"""The user's number, which other images without a user database use too."""
STATE = "var/lib/wxtoken"
MEDIA = "application/vnd.oci.image"
DOCUMENTS = f"usr/share/doc/{NAME}"
PAPERS = ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES.txt")


def main(triples):
    targets = [target for target in chosen(triples) if target.libc == "musl"]
    if not targets:
        print("oci.py: no image was built, because no target of musl has a tree", file=sys.stderr)
        return
    blobs = {}
    manifests = [image_of(target, blobs) for target in targets]
    index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": manifests, "annotations": labels()}
    whole = keep(blobs, index["mediaType"], as_json(index))
    whole["annotations"] = {"org.opencontainers.image.ref.name": f"{IMAGE}:{VERSION}"}
    files = {
        "oci-layout": as_json({"imageLayoutVersion": "1.0.0"}),
        "index.json": as_json({"schemaVersion": 2, "mediaType": index["mediaType"], "manifests": [whole]}),
        **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()},
    }
    DIST.mkdir(exist_ok=True)
    with tarfile.open(DIST / f"{IMAGE}-{VERSION}-oci.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in ("blobs", "blobs/sha256"):
            add_folder(archive, folder)
        for name, content in sorted(files.items()):
            add_file(archive, name, content)


def image_of(target, blobs):
    """Add the blobs of one platform's image to the others, and return its descriptor."""
    plain = layer(target)
    platform = {"architecture": target.deb_arch, "os": "linux"}
    config = {
        **platform,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch())),
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/wxtoken"],
            "Env": ["PATH=/", f"WXTOKEN_STORE=/{STATE}/tokens.db", "XDG_STATE_HOME=/var/lib"],
            "ExposedPorts": {"8443/tcp": {}},
            "Volumes": {f"/{STATE}": {}},
            "WorkingDir": f"/{STATE}",
            "Labels": labels(),
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        "history": [{"created_by": "contrib/packaging/oci.py"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": keep(blobs, f"{MEDIA}.config.v1+json", as_json(config)),
        "layers": [keep(blobs, f"{MEDIA}.layer.v1.tar+gzip", zipped(plain))],
        "annotations": labels(),
    }
    return {**keep(blobs, manifest["mediaType"], as_json(manifest)), "platform": platform}


def layer(target):
    """Return the only layer, the root file system of the container."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in ("usr", "usr/share", "usr/share/doc", DOCUMENTS, "var", "var/lib"):
            add_folder(archive, folder)
        # As in docs/deploy.md: new files belong to the group, which may read and not write.
        add_folder(archive, STATE, 0o2750, USER)
        for name in PAPERS:
            add_file(archive, f"{DOCUMENTS}/{name}", (target.tree / "share" / "doc" / NAME / name).read_bytes())
        add_file(archive, "wxtoken", target.command.read_bytes(), 0o755)
    return content.getvalue()


def labels():
    about = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch())),
        "description": "Access tokens of WeChat and other platforms for every process: the command wxtoken",
        "licenses": of_cargo("license"),
        "source": REPOSITORY,
        "title": IMAGE,
        "version": VERSION,
    }
    return {f"org.opencontainers.image.{name}": value for name, value in about.items()}


def keep(blobs, kind, content):
    """Add a blob to the others, and return its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def as_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def add_folder(archive, name, mode=0o755, owner=0):
    add(archive, name, tarfile.DIRTYPE, mode, owner)


def add_file(archive, name, content, mode=0o644):
    add(archive, name, tarfile.REGTYPE, mode, 0, content)


def add(archive, name, kind, mode, owner, content=b""):
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid, member.size, member.mtime = kind, mode, owner, owner, len(content), epoch()
    archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    main(sys.argv[1:])
