"""The surroundings of the image's containers: volumes, secrets as the kubelet mounts them, and the simulator's
counts."""

import json
import os
import urllib.request

from common import DIST, TARGETS, VERSION
from places import ID, SECRET
from podman import Bare, Podman

ARCHIVE = DIST / f"wxtoken-{VERSION}-oci.tar"
HERE = TARGETS[f"{os.uname().machine}-unknown-linux-musl"]
IMAGE = f"localhost/wxtoken:{VERSION}"
STATE = "/var/lib/wxtoken"
# Two users of one group, as `fsGroup` sets it, and a user of OpenShift's.
GROUP, KEEPER, READER, ANYBODY = 2000, 1001, 1002, 1000660000
# Variables that Kubernetes sets in every container if a Service is called wxtoken.
OF_A_SERVICE = {"WXTOKEN_PORT": "tcp://10.0.0.1:443", "WXTOKEN_PORT_443_TCP": "tcp://10.0.0.1:443", "WXTOKEN_SERVICE_HOST": "10.0.0.1"}


class Place:
    def __init__(self, folder):
        self.folder = folder
        # Users other than root read its contents.
        folder.chmod(0o755)
        self.podman = Podman(folder)
        self.bare = Bare(folder / "bare", ARCHIVE, HERE.deb_arch)
        self.env = {"WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"], **OF_A_SERVICE}
        self.secrets = self.mounted_secret("secrets", {"shop": SECRET})

    def volume(self, name, owner=0, group=GROUP, mode=0o2770):
        folder = self.folder / name
        folder.mkdir()
        os.chown(folder, owner, group)
        folder.chmod(mode)
        return folder

    def mounted_secret(self, name, files):
        """A secret as the kubelet mounts it with `fsGroup`: owned by root, readable by the group, each name a link
        through ..data."""
        folder = self.volume(name, mode=0o3777)
        self.fill_secret(folder, files)
        for file in files:
            (folder / file).symlink_to(f"..data/{file}")
        return folder

    def fill_secret(self, folder, files):
        """Changes it as the kubelet does: a new directory, to which ..data is moved."""
        versions = [path for path in folder.iterdir() if path.name.startswith("..2")]
        version = folder / f"..2026_11_27_{len(versions)}"
        version.mkdir()
        os.chown(version, 0, GROUP)
        version.chmod(0o2755)
        for file, content in files.items():
            (version / file).write_text(content)
            os.chown(version / file, 0, GROUP)
            (version / file).chmod(0o440)
        (folder / "..data_tmp").symlink_to(version.name)
        (folder / "..data_tmp").replace(folder / "..data")

    def run(self, volume, *command, more=(), network="host", access="", env=None, **how):
        volumes = [f"{volume}:{STATE}{access}", f"{self.secrets}:/secrets:ro", *more]
        return self.podman.run(IMAGE, *command, network=network, volumes=volumes, env=self.env | (env or {}), **how)

    def start(self, name, volume, *command, more=(), env=None, **how):
        volumes = [f"{volume}:{STATE}", f"{self.secrets}:/secrets:ro", *more]
        return self.podman.start(IMAGE, *command, name=name, network="host", volumes=volumes, env=self.env | (env or {}), **how)


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["WXSIM_CONTROL"] + path, data), timeout=30) as reply:
        return json.load(reply)


def counters():
    return control(f"/counters?id={ID}")


def tokens():
    return [token["token"] for token in control(f"/tokens?id={ID}")]
