"""Envelopes as nodes write them (crates/cluster/src/envelope), for nodes that are none."""

import struct

MAGIC, VERSION = 0xB5, 1
# Operations.
PUBLISH, CLOSE, EXISTS, JOIN, LEAVE, HEARTBEAT, GOODBYE, ANSWER = 1, 2, 3, 4, 5, 12, 13, 14
# Targets.
NONE, ALL, USER, GROUP, CONNECTION = 0, 1, 2, 3, 4
TEXT = 1
# Fields.
RELEASE, START, CONNECTIONS, PUBLISHED, COUNT, REFUSAL, HUBS = 4, 5, 6, 7, 8, 9, 10
UNSUPPORTED = 3
FIXED = 48


def written(
    operation: int,
    node: int,
    number: int,
    *,
    hub: str = "",
    target: tuple[int, bytes] = (NONE, b""),
    payload: bytes = b"",
    fields: tuple[tuple[int, bytes], ...] = (),
    question: int = 0,
    flags: int = 0,
    kind: int = 0,
    version: int = VERSION,
    chosen: str = "",
) -> bytes:
    """A message; `chosen` is a filter."""
    packed = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in fields)
    name = hub.encode()
    fixed = struct.pack(
        *("<BBBBIQQQBBBBHHHHI", MAGIC, version, operation, flags, 0, node, number, question),
        *(target[0], kind, len(name), 0, len(target[1]), 0, len(chosen), 0, len(packed)),
    )
    return fixed + name + target[1] + chosen.encode() + packed + payload


def heartbeat(
    node: int, number: int, start: int, published: int, hubs: bytes | None = None, question: int = 0
) -> bytes:
    counts = [(START, start), (CONNECTIONS, 1), (PUBLISHED, published)]
    fields = [(tag, struct.pack("<Q", value)) for tag, value in counts]
    fields.append((RELEASE, b"by-hand"))
    if hubs is not None:
        fields.append((HUBS, hubs))
    return written(HEARTBEAT, node, number, fields=tuple(fields), question=question)


def answer(node: int, question: int, count: int) -> bytes:
    return written(ANSWER, node, 0, question=question, fields=((COUNT, struct.pack("<Q", count)),))


def publication(node: int, number: int, hub: str, target: tuple[int, bytes], payload: bytes, **more) -> bytes:
    return written(PUBLISH, node, number, hub=hub, target=target, payload=payload, **{"kind": TEXT} | more)


class Head:
    """What all versions say in the same place."""

    def __init__(self, message: bytes):
        if len(message) < FIXED or message[0] != MAGIC:
            raise ValueError("no envelope")
        self.version, self.operation, self.flags = message[1:4]
        self.node, self.number, self.question = struct.unpack_from("<QQQ", message, 8)
        hub, target, sender, chosen, excluded, fields = struct.unpack_from("<B1xHHHHI", message, 34)
        at = FIXED + hub + target + sender + chosen + 16 * excluded
        self.hub = message[FIXED : FIXED + hub].decode()
        self.fields = {}
        end = at + fields
        while at < end:
            tag, length = struct.unpack_from("<BH", message, at)
            self.fields[tag] = message[at + 3 : at + 3 + length]
            at += 3 + length
        self.payload = message[end:]

    def counted(self, tag: int) -> int | None:
        return int.from_bytes(self.fields[tag], "little") if tag in self.fields else None


def slot(kind: int, name: str) -> str:
    """By which of a hub's ways something for a user or a group goes: FNV-1a, its bytes folded by exclusive or."""
    if kind == ALL:
        return "all"
    value = 0xCBF29CE484222325
    for byte in (b"u" if kind == USER else b"g") + name.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    folded = 0
    for byte in value.to_bytes(8, "little"):
        folded ^= byte
    return f"{folded:02x}"


def escaped(hub: str) -> str:
    """A hub as a token of a subject."""
    plain = b"abcdefghijklmnopqrstuvwxyz0123456789_-"
    return "".join(chr(byte) if byte in plain else f"={byte:02X}" for byte in hub.lower().encode())


def subject(cluster: str, hub: str, kind: int, name: str = "") -> str:
    return f"hf1.{cluster}.h.{escaped(hub)}.{slot(kind, name)}"
