"""What the binary is made of, as a CycloneDX document: `sbom.py METADATA.json PACKAGE`.

METADATA.json is what `cargo metadata --format-version 1` prints. Only what the package is built from is listed, not what
its tests need.
"""

import json
import sys


def main(path: str, package: str) -> None:
    with open(path, encoding="utf-8") as file:
        metadata = json.load(file)
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    roots = [p["id"] for p in metadata["packages"] if p["name"] == package]
    if len(roots) != 1:
        sys.exit(f"sbom.py: there is no package {package!r} in {path}")
    reached, waiting = set(), list(roots)
    while waiting:
        one = waiting.pop()
        if one in reached:
            continue
        reached.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])

    def component(p: dict) -> dict:
        described = {
            "type": "library",
            "name": p["name"],
            "version": p["version"],
            "purl": f"pkg:cargo/{p['name']}@{p['version']}",
        }
        if p["license"]:
            described["licenses"] = [{"expression": p["license"].replace("/", " OR ")}]
        return described

    root = packages[roots[0]]
    components = [component(packages[i]) for i in reached if i != roots[0]]
    components.sort(key=lambda c: (c["name"], c["version"]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**component(root), "type": "application"}},
        "components": components,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
