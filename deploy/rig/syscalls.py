"""Which system calls the binary makes, seen with strace: the profile must have a rule for each."""

import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

from . import peer

RUNGS = ["uring", "uring-baseline", "epoll"]
SECONDS_MAX = 60


class Failed(Exception):
    """The traced run did not come to its end."""


def used(binary: pathlib.Path, directory: pathlib.Path, user: int, rung: str) -> set[str]:
    """Names of the system calls of one run on the rung: start, a conversation, a scrape, a drain."""
    trace, said = directory / f"{rung}.trace", directory / f"{rung}.said"
    directory.chmod(0o777)
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all"]
    run = [str(binary), "--driver", rung, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-timeout", "10s"]
    environment = dict(os.environ, HOLDFAST_DRIVER=rung, HOLDFAST_LISTEN="127.0.0.1:0", HOLDFAST_ADMIN="127.0.0.1:0")
    with said.open("wb") as output:
        tracer = subprocess.Popen([*drop, "strace", "-f", "-qq", "-o", str(trace), *run], stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, env=environment)
    try:
        talk(tracer, said)
        tracer.wait(SECONDS_MAX)
    except (OSError, EOFError, ValueError, subprocess.TimeoutExpired, Failed) as error:
        raise Failed(f"under strace on rung {rung}: {error}\n{said.read_text()}") from error
    finally:
        tracer.kill()
        tracer.wait()
    return set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))


def talk(tracer: subprocess.Popen, said: pathlib.Path) -> None:
    """The conversation, then SIGTERM to the traced process."""
    deadline = time.monotonic() + SECONDS_MAX
    while not (found := re.search(r"websocket (ws://\S+) · admin (http://\S+)", said.read_text())):
        if tracer.poll() is not None or time.monotonic() > deadline:
            raise Failed("no start line")
        time.sleep(0.05)
    url = urllib.parse.urlsplit(found[1])
    with peer.Peer(url.hostname, url.port) as connection:
        connection.echo(peer.TEXT, b"hello")
        connection.echo(peer.BINARY, bytes(1 << 20))
        for path in ["/metrics", "/readyz", "/healthz"]:
            peer.get(urllib.parse.urljoin(found[2], path))
        (traced,) = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
        os.kill(int(traced), signal.SIGTERM)
        _, payload = connection.receive()
        connection.send(peer.CLOSE, payload[:2])
