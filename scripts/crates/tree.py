"""The crates that the program is built from, as `cargo metadata --filter-platform TARGET` lists them."""

import json
import sys


def read():
    """What cargo metadata printed, from standard input."""
    return json.load(sys.stdin)


def _reached(nodes, root, wanted):
    """The packages reached from `root` over dependencies of the wanted kinds, `root` included."""
    found, rest = set(), [root]
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += [dep["pkg"] for dep in nodes[name]["deps"] if wanted(dep)]
    return found


def kinds(dep):
    """The kinds of a dependency: None for a normal one, `build` or `dev`."""
    return {kind["kind"] for kind in dep["dep_kinds"]}


def compiled_in(metadata):
    """The packages that the program is made from, with procedural macros but without dependencies of build scripts."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found = _reached(nodes, root, lambda dep: None in kinds(dep)) - {root}
    return _sorted(metadata, found)


def built_from(metadata):
    """Two lists: the packages whose code is in the program, and those that only take part in the build."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    macros = {
        package["id"]
        for package in metadata["packages"]
        if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    inside = _reached(nodes, root, lambda dep: None in kinds(dep) and dep["pkg"] not in macros)
    # What only the root's tests need takes no part; what other packages' tests need is not in the list at all.
    taking_part = _reached(nodes, root, lambda dep: kinds(dep) - {"dev"})
    return _sorted(metadata, inside - {root}), _sorted(metadata, taking_part - inside)


def _sorted(metadata, ids):
    chosen = [package for package in metadata["packages"] if package["id"] in ids]
    return sorted(chosen, key=lambda package: (package["name"], package["version"]))


def root(metadata):
    """The program's own package."""
    return next(package for package in metadata["packages"] if package["id"] == metadata["resolve"]["root"])


def dependencies(metadata, package, among):
    """The packages in `among` that a package is built with, as the IDs that cargo writes."""
    node = next(node for node in metadata["resolve"]["nodes"] if node["id"] == package["id"])
    return sorted({dep["pkg"] for dep in node["deps"] if dep["pkg"] in among and kinds(dep) - {"dev"}})
