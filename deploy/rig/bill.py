"""The software bill of materials of the binary, as CycloneDX 1.5, out of what cargo says."""

import hashlib
import pathlib
import re
import tomllib
import uuid

# A line of `cargo tree --prefix depth`: depth, name, version.
LINE = re.compile(r"^(\d+)(\S+) v(\S+)")
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"

Crate = tuple[str, str]


def graph(tree: str) -> dict[Crate, set[Crate]]:
    """Each crate of a `cargo tree` with what it depends on; the first is the program."""
    edges: dict[Crate, set[Crate]] = {}
    path: list[Crate] = []
    for line in filter(None, tree.splitlines()):
        found = LINE.match(line)
        if not found:
            raise ValueError(f"this is no line of cargo tree: {line}")
        depth, crate = int(found[1]), (found[2], found[3])
        edges.setdefault(crate, set())
        del path[depth:]
        if path:
            edges[path[-1]].add(crate)
        path.append(crate)
    return edges


def bill(edges: dict[Crate, set[Crate]], metadata: dict, lock: str, binary: pathlib.Path, time: str) -> dict:
    """The bill: `metadata` is that of cargo, `lock` the text of Cargo.lock, `time` that of the commit."""
    licenses = {(package["name"], package["version"]): package["license"] for package in metadata["packages"]}
    locked = {(package["name"], package["version"]): package for package in tomllib.loads(lock)["package"]}
    program, *crates = edges
    root = component(program, "application", licenses, locked)
    root["hashes"] = [sha256(hashlib.sha256(binary.read_bytes()).hexdigest())]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same binary has the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, root['hashes'][0]['content'])}",
        "version": 1,
        "metadata": {"timestamp": time, "component": root},
        "components": [component(crate, "library", licenses, locked) for crate in sorted(crates)],
        "dependencies": [
            {"ref": purl(crate), "dependsOn": sorted(purl(other) for other in others)}
            for crate, others in sorted(edges.items())
        ],
    }


def component(crate: Crate, kind: str, licenses: dict[Crate, str | None], locked: dict[Crate, dict]) -> dict:
    """One crate."""
    (name, version), package = crate, locked[crate]
    entry = {"type": kind, "bom-ref": purl(crate), "name": name, "version": version, "purl": purl(crate)}
    if licenses[crate]:
        # "MIT/Apache-2.0" is how crates wrote it once.
        entry["licenses"] = [{"expression": licenses[crate].replace("/", " OR ")}]
    if "checksum" in package:
        entry["hashes"] = [sha256(package["checksum"])]
    if package.get("source") == CRATES_IO:
        entry["externalReferences"] = [
            {"type": "distribution", "url": f"https://crates.io/api/v1/crates/{name}/{version}/download"}
        ]
    return entry


def purl(crate: Crate) -> str:
    """A package URL."""
    name, version = crate
    return f"pkg:cargo/{name}@{version}"


def sha256(digest: str) -> dict[str, str]:
    """A hash as CycloneDX has it."""
    return {"alg": "SHA-256", "content": digest}


def problems(document: dict, edges: dict[Crate, set[Crate]]) -> list[str]:
    """What is wrong with a bill that was read back."""
    found = []
    named = {(entry["name"], entry["version"]): entry for entry in document["components"]}
    program, *crates = edges
    if set(named) != set(crates):
        found.append(f"it names {sorted(set(named) ^ set(crates))} and the binary does not, or the other way round")
    found += [f"{crate} has no licence" for crate, entry in named.items() if not entry.get("licenses")]
    # Crates of the workspace have no checksum: their bytes are those of the commit.
    outside = [entry for entry in named.values() if not entry["name"].startswith(program[0])]
    found += [f"{entry['name']} has no checksum" for entry in outside if not entry.get("hashes")]
    known = {entry["bom-ref"] for entry in [document["metadata"]["component"], *document["components"]]}
    asked = {ref for entry in document["dependencies"] for ref in [entry["ref"], *entry["dependsOn"]]}
    if asked - known:
        found.append(f"nothing is said about {sorted(asked - known)}")
    return found
