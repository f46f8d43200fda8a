"""Writes the software bill of materials of one build, as CycloneDX 1.5.

stdin: what `cargo metadata` prints
arguments: Cargo.lock, Debian's architecture, the version of rustc, and the C library as `glibc (= VERSION)`
environment: SOURCE_DATE_EPOCH, the only clock
"""

import datetime
import json
import os
import re
import sys
import tomllib
import uuid

import tree


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums, scope):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "scope": scope,
        "purl": purl(package),
    }
    if package["description"]:
        entry["description"] = " ".join(package["description"].split())
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def compiled_in_besides(rustc, glibc):
    """What the program contains that is not from a crate: Rust's own library and the C library."""
    name, version = re.fullmatch(r"(\S+) \(= (\S+)\)", glibc).groups()
    c_library = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}"
    return [
        {"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": rustc, "scope": "required",
         "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        {"type": "library", "bom-ref": c_library, "name": name, "version": version, "scope": "required",
         "purl": c_library, "licenses": [{"expression": "LGPL-2.1-or-later"}]},
    ]


def main():
    lock_file, architecture, rustc, glibc = sys.argv[1:]
    with open(lock_file, "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in locked}
    metadata = tree.read()
    inside, building = tree.built_from(metadata)
    root = tree.root(metadata)
    among = {package["id"]: purl(package) for package in [root, *inside, *building]}
    components = [component(package, checksums, "required") for package in inside]
    components += [component(package, checksums, "excluded") for package in building]
    besides = compiled_in_besides(rustc, glibc)
    graph = []
    for package in sorted([root, *inside, *building], key=purl):
        needs = [among[name] for name in tree.dependencies(metadata, package, among)]
        if package is root:
            needs += [entry["bom-ref"] for entry in besides]
        graph.append({"ref": purl(package), "dependsOn": sorted(needs)})
    own = component(root, checksums, "required")
    own["type"] = "application"
    own["properties"] = [{"name": "architecture", "value": architecture}]
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": "",
        "version": 1,
        "metadata": {"timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": own},
        "components": sorted(components + besides, key=lambda entry: entry["bom-ref"]),
        "dependencies": graph,
    }
    # The same contents have the same serial number.
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True)).urn
    json.dump(bill, sys.stdout, indent=1, ensure_ascii=False)
    print()


main()
