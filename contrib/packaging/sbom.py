"""Writes each target's bill of materials in CycloneDX JSON: the code linked into library and command, licences, checksums.

    sbom.py [TRIPLE…]

Run it in the environment that build.py sets up. The serial number is derived from the content, so two runs write the same bytes.
"""

import hashlib
import re
import sys
import uuid
from datetime import datetime, timezone

from common import DIST, NAME, ROOT, TOOLS, VERSION, chosen, epoch
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from third_party import crates, parts


def main(triples):
    for target in chosen(triples):
        text = JsonV1Dot6(bill(target)).output_as_string(indent=2)
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if wrong:
            sys.exit(f"sbom.py: {target.triple}: {wrong}")
        (DIST / f"{NAME}-{VERSION}-{target.triple}.cdx.json").write_text(text + "\n")


def bill(target):
    licence = LicenseFactory().make_from_string
    ours = Component(
        type=ComponentType.LIBRARY,
        name=NAME,
        version=VERSION,
        bom_ref=NAME,
        licenses=[licence("MIT OR Apache-2.0")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(target.library.read_bytes()).hexdigest())],
    )
    listed = [
        Component(
            type=ComponentType.LIBRARY,
            name=package["name"],
            version=package["version"],
            bom_ref=f"{package['name']}@{package['version']}",
            purl=PackageURL("cargo", None, package["name"], package["version"]),
            licenses=[licence(package["license"])],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksums()[package["name"], package["version"]])],
        )
        for package in crates(target.triple)
        if package["source"]
    ]
    for name, spdx, _ in parts(target, TOOLS):
        listed.append(Component(type=ComponentType.LIBRARY, name=name, bom_ref=name, licenses=[licence(spdx)]))
    bom = Bom(components=listed)
    bom.metadata.component = ours
    bom.metadata.timestamp = datetime.fromtimestamp(epoch(), timezone.utc)
    bom.register_dependency(ours, listed)
    content = "\n".join(sorted(component.bom_ref.value for component in listed)) + str(ours.hashes)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"{NAME}/{VERSION}/{target.triple}/{content}")
    return bom


def checksums():
    """Return the checksum of each crate in Cargo.lock."""
    packages = re.findall(r'^name = "(.*)"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.M)
    return {(name, version): checksum for name, version, checksum in packages}


if __name__ == "__main__":
    main(sys.argv[1:])
