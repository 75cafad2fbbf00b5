"""Stories of stores in other places than the guide's: in containers, and on other filesystems."""

import json

from machine import until
from wechat import Account, base_url

# The effect of `docker run --network none --volume /var/lib/wxtoken:/var/lib/wxtoken:ro --group-add NUMBER` without the
# image: private namespaces, a volume that cannot be written, no network.
CONTAINER = """unshare --mount --pid --net --ipc --uts --fork --mount-proc --propagation private bash -e <<'END'
mount --bind /var/lib/wxtoken /var/lib/wxtoken
mount -o remount,bind,ro /var/lib/wxtoken
if touch /var/lib/wxtoken/new 2>/dev/null || (exec 3<>/dev/tcp/{wechat}) 2>/dev/null; then exit 99; fi
runuser -u shop-c -- bash -ec '{script}'
END"""


def readers_in_containers(place):
    boxed = Account("boxed", "official", "wxboxed000000001", "boxed-secret-012345678", lifetime_ms=7_200_000)
    place.register(boxed)
    until(boxed.minted, "the token of a new account")
    first = in_container(place, "wxtoken get boxed; wxtoken get boxed/jsapi_ticket")
    boxed.revoke()
    second = in_container(place, "wxtoken reject boxed > /dev/null; wxtoken get boxed")
    tokens = [line for done in (first, second) for line in done.output.splitlines()]
    minted = boxed.tokens()
    good = (first.code, second.code) == (0, 0) and len(tokens) == 3 and sorted(tokens) == sorted(minted) and tokens[2] == minted[0]
    name = "a reader in a container with a read-only volume and no network gets, asks and rejects"
    place.checks(name, good, "" if good else f"{minted} minted; {first}; {second}")


def in_container(place, script):
    wechat = base_url().partition("//")[2].replace(":", "/")
    return place.machine.run(CONTAINER.format(wechat=wechat, script=script))


def other_filesystems(place):
    """The machine's root is an overlay, and its /run is a tmpfs."""
    doctor_sees(place, "/run", "tmpfs", "warning", "/var/lib")
    doctor_sees(place, "/srv", "overlay", "note", "volume")


def doctor_sees(place, where, filesystem, level, remedy):
    directory = f"{where}/wxtoken-elsewhere"
    place.root(f"install -d -o wxtoken -g wxtoken -m 700 {directory}")
    words = "account add odd --kind official --id wxodd00000000001 --secret-file -"
    place.owner(f"wxtoken --store {directory}/tokens.db {words}", "an-odd-secret-0123456789")
    done = place.machine.run(f"wxtoken --store {directory}/tokens.db doctor --offline --json", "wxtoken")
    found = [one for one in json.loads(done.output)["findings"] if one["check"] == "filesystem"]
    place.root(f"rm -r {directory}")
    good = len(found) == 1 and filesystem in found[0]["saw"] and found[0]["level"] == level and remedy in found[0]["remedy"]
    place.checks(f"the doctor sees that a store is on {filesystem}, and explains the consequence", good, "" if good else str(found))
