"""Every client's conversation: messages of all sizes and kinds, whole and in parts. `messages.js` makes the same."""

import dataclasses
from collections.abc import Iterator

# The borders of the three forms of a frame's length (RFC 6455 5.2) and their neighbours, up to the gateway's default
# limit.
LENGTHS = [0, 1, 2, 5, 124, 125, 126, 127, 1000, 65535, 65536, 65537, 1 << 20]
BURST = 100


@dataclasses.dataclass(frozen=True)
class Message:
    """A message, whether it is text, and the fragments to send it in (one: not fragmented)."""

    payload: bytes
    is_text: bool
    fragments: list[bytes]

    def __str__(self) -> str:
        kind = "text" if self.is_text else "binary"
        return f"{kind} of {len(self.payload)} B, fragments: {[len(piece) for piece in self.fragments]}"


def messages() -> Iterator[Message]:
    """All of them: first the words of the first conversation, then every length."""
    for word in [b"hello", b"123"]:
        yield Message(word, True, [word])
    for length in LENGTHS:
        for is_text in [True, False]:
            payload = text(length) if is_text else binary(length)
            for fragments in fragmentations(payload):
                yield Message(payload, is_text, fragments)


def burst() -> list[Message]:
    """Small messages to be sent without waiting for an answer."""
    return [Message(b"%d" % index, True, [b"%d" % index]) for index in range(BURST)]


def fragmentations(payload: bytes) -> list[list[bytes]]:
    """Whole; in two parts, cut anywhere, inside a code point too; in many parts, the first and last of them empty."""
    cut = len(payload) // 2
    step = max(1, len(payload) // 50)
    many = [payload[at : at + step] for at in range(0, len(payload), step)]
    return [[payload], [payload[:cut], payload[cut:]], [b"", *many, b""]]


def text(length: int) -> bytes:
    """UTF-8 with code points of one to four bytes."""
    pattern = "aé€😀".encode()
    return pattern * (length // len(pattern)) + b"x" * (length % len(pattern))


def binary(length: int) -> bytes:
    """Bytes in which every value but a few occurs; the period is a prime, so that a shifted piece shows."""
    period = bytes((index * 7 + length) % 256 for index in range(251))
    return (period * (length // len(period) + 1))[:length]


def check(message: Message, prefix: str, is_text: bool, payload: bytes) -> None:
    """Ends the program unless the reply is the prefix and the message, in the same kind."""
    expected = prefix.encode() + message.payload
    if is_text != message.is_text:
        raise SystemExit(f"{message}: the reply is {'text' if is_text else 'binary'}")
    if payload != expected:
        at = next((at for at, (a, b) in enumerate(zip(payload, expected)) if a != b), min(len(payload), len(expected)))
        raise SystemExit(
            f"{message}: the reply has {len(payload)} B instead of {len(expected)} and differs from byte {at}"
        )
