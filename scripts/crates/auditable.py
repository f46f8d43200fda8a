"""Writes the list of crates for the program's section `.dep-v0`, in the format of cargo-auditable: JSON, compressed
with zlib. `cargo audit bin`, `rust-audit-info`, syft and trivy read it.

cargo-auditable itself is not used, since it wraps the compiler, and one of the two builds is made without a network by
Debian's own Rust.

stdin: what `cargo metadata` prints; stdout: the section's bytes.
"""

import json
import sys
import zlib

import tree


def main():
    metadata = tree.read()
    inside, building = tree.built_from(metadata)
    root = tree.root(metadata)
    packages = [root, *inside, *building]
    packages.sort(key=lambda package: (package["name"], package["version"]))
    places = {package["id"]: place for place, package in enumerate(packages)}
    only_building = {package["id"] for package in building}
    listed = []
    for package in packages:
        entry = {"name": package["name"], "version": package["version"]}
        entry["source"] = "crates.io" if package["source"] else "local"
        if package["id"] in only_building:
            entry["kind"] = "build"
        needs = sorted(places[name] for name in tree.dependencies(metadata, package, places))
        if needs:
            entry["dependencies"] = needs
        if package is root:
            entry["root"] = True
        listed.append(entry)
    text = json.dumps({"packages": listed}, separators=(",", ":"))
    sys.stdout.buffer.write(zlib.compress(text.encode(), 9))


main()
