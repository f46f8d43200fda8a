"""Writes debian/copyright: our own license and those of all crates that are compiled into the program.

stdin: what `cargo metadata` prints; first argument: our own LICENSE file.
"""

import re
import sys
from pathlib import Path

import tree

# If a crate offers a choice of licenses, we use the first of these.
PREFERRED = ["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Zlib", "Apache-2.0"]
# The texts of these are on every Debian machine.
COMMON = {"Apache-2.0": "Apache-2.0", "LGPL-2.1+": "LGPL-2.1"}


def chosen(expression):
    """The licenses under which we use a crate: one of several alternatives, all of those joined by AND."""
    if expression.startswith("("):
        inner, _, rest = expression[1:].partition(")")
        rest = rest.strip().removeprefix("AND").strip()
        return chosen(inner) + (chosen(rest) if rest else [])
    if " AND " in expression:
        return [one for part in expression.split(" AND ") for one in chosen(part.strip())]
    options = re.split(r" OR |/", expression)
    return [min(options, key=lambda one: PREFERRED.index(one) if one in PREFERRED else len(PREFERRED))]


def license_files(package):
    folder = Path(package["manifest_path"]).parent
    wanted = re.compile(r"(?i)(un)?licen[cs]e|copying|copyright|notice")
    return sorted(file for file in folder.iterdir() if file.is_file() and wanted.match(file.name))


def text_of(file):
    return file.read_text(encoding="utf-8", errors="replace")


def holders(package):
    """The copyright lines of a crate's license files, or its authors if there are none."""
    line = re.compile(r"^\W*Copyright\s+(?:\(c\)|©)?[\s,]*(\d{4}.*|The .*)$", re.IGNORECASE)
    found = []
    for file in license_files(package):
        for text in text_of(file).splitlines():
            match = line.match(text.strip())
            if match and "[yyyy]" not in text and match[1] not in found:
                found.append(match[1].strip(" *"))
    return found or package["authors"] or [f"the authors of {package['name']}"]


def indented(text):
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def paragraph(files, names, license_):
    return f"Files: {files}\nCopyright: " + "\n           ".join(names) + f"\nLicense: {license_}\n"


def full_text(license_, users, own):
    if license_ in COMMON:
        return f" On Debian systems, the text of this license is in\n /usr/share/common-licenses/{COMMON[license_]}."
    if license_ == "MIT":
        return indented(own.partition("\n\n")[2].partition("\n\n")[2])
    for package in users:
        files = license_files(package)
        named = [file for file in files if license_.split("-")[0].lower() in file.name.lower()]
        for file in named or files:
            text = text_of(file)
            if len(text) < 20000:
                return indented(text)
    sys.exit(f"copyright.py: no text of {license_}, used by {[package['name'] for package in users]}")


def main():
    own = text_of(Path(sys.argv[1]))
    print("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
    print("Upstream-Name: jitsi-tokens-setup")
    print("Comment: crates are named as in Cargo.lock; their sources are on crates.io.\n")
    ours = re.search(r"Copyright \(c\) (.*)", own)[1]
    print(paragraph("*", [ours], "MIT"))
    users = {"MIT": []}
    for package in tree.compiled_in(tree.read()):
        licenses = chosen(package["license"])
        for license_ in licenses:
            users.setdefault(license_, []).append(package)
        name = f"crates/{package['name']}-{package['version']}/*"
        print(paragraph(name, holders(package), " and ".join(dict.fromkeys(licenses))))
    print(paragraph("rust/library/*", ["The Rust Project contributors"], "MIT"))
    users["LGPL-2.1+"] = []
    print(paragraph("glibc/*", ["Free Software Foundation, Inc. and others"], "LGPL-2.1+"))
    for license_, packages in sorted(users.items()):
        print(f"License: {license_}\n{full_text(license_, packages, own)}\n")


main()
