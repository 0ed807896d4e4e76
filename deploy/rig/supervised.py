"""The installed unit under a systemd of its own: every way it starts, restarts and ends, and how closed it is."""

import pathlib
import re
import struct
import time
from collections.abc import Callable

from . import debian, packaged, peer
from .booted import Booted
from .parts import FAILURES, Context, Wrong, needs
from .roots import Root, archive

UNIT = "holdfast.service"
SOCKET = "/run/holdfast/socket"
# systemd.exec(5), DynamicUser: the range of such users.
DYNAMIC_USERS = range(61184, 65520)
KEY = "an access key for the check, and for nothing else"
SECONDS_MAX = 20
# Debian's number of that group.
WWW_DATA = 33
SETTINGS = f'listen = ["127.0.0.1:8085", "unix:{SOCKET}"]\nadmin = "127.0.0.1:9085"\n'


def check(context: Context) -> str:
    """Installs the package, boots the root, and goes through all of it."""
    folder = context.folder("supervised")
    root = Root(folder / "root", archive(context.work))
    package = debian.build(packaged.source(context), folder)
    root.run("dpkg", "--install", root.take(package))
    settings(root, SETTINGS)
    seen, failed = [], []
    with Booted(root, folder / "systemd.log") as system:
        for trial in TRIALS:
            try:
                seen.append(trial(system, context))
            except FAILURES as error:
                failed.append(f"{trial.__name__}: {error}")
    if failed:
        raise Wrong("\n".join(failed))
    return "; ".join(seen)


def settings(root: Root, text: str) -> None:
    """What the gateway's settings file says from now on."""
    (root.path / packaged.SETTINGS).write_text(text, encoding="utf-8")


def start(system: Booted, *names: str, lines: str = "") -> pathlib.Path:
    """Starts the unit with these drop-ins of the package, and one with these lines of [Service]; its process as seen
    from here, once it listens."""
    folder = "/etc/systemd/system/holdfast.service.d"
    system.run("systemctl", "stop", UNIT)
    system.run("rm", "-rf", folder)
    system.run("mkdir", "-p", folder)
    for name in names:
        system.run("cp", f"/{debian.DOC}/examples/{name}", folder)
    own = system.root.path / folder.lstrip("/") / "own.conf"
    own.write_text(f"[Service]\n{lines}", encoding="utf-8")
    system.run("systemctl", "daemon-reload")
    system.run("systemctl", "reset-failed")
    system.run("systemctl", "start", UNIT)
    return listening(system)


def listening(system: Booted) -> pathlib.Path:
    """Waits until the gateway has said where it listens; its process as seen from here."""
    until(lambda: "websocket " in journal(system), lambda: f"does not start:\n{journal(system)}")
    inner = system.show(UNIT, "MainPID")
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            numbers = re.search(r"^NSpid:\t(.*)$", status.read_text(), re.MULTILINE)
            root = (status.parent / "ns/pid").readlink()
        except OSError:
            continue
        same = root == pathlib.Path(f"/proc/{system.process}/ns/pid").readlink()
        if same and numbers and numbers[1].split()[-1] == inner:
            return status.parent
    raise Wrong(f"process {inner} of the unit is not there")


def journal(system: Booted) -> str:
    """What the newest run of the unit has said."""
    run = system.show(UNIT, "InvocationID")
    return system.run("journalctl", "--quiet", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={run}")


def until(done: Callable[[], bool], what: Callable[[], str]) -> None:
    """Waits for something, and says what is the matter if it does not come."""
    deadline = time.monotonic() + SECONDS_MAX
    while not done():
        if time.monotonic() > deadline:
            raise Wrong(what())
        time.sleep(0.1)


def confined(system: Booted, _context: Context) -> str:
    """Started as packaged: the driver, user, capabilities, filters and limits."""
    process = start(system)
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    user = int(status["Uid"].split()[0])
    wanted = {"CapEff": "0" * 16, "CapBnd": "0" * 16, "Seccomp": "2", "NoNewPrivs": "1"}
    wrong = [f"{name} {status[name].strip()}" for name, value in wanted.items() if status[name].strip() != value]
    limits = (process / "limits").read_text()
    wrong += [] if user in DYNAMIC_USERS else [f"user {user}"]
    wrong += [] if re.search(r"Max locked memory +8388608 +8388608", limits) else ["locked memory"]
    wrong += [] if re.search(r"Max core file size +0 +0", limits) else ["core files"]
    if wrong:
        raise Wrong(f"the process under the unit has {', '.join(wrong)}")
    driver = re.search(r"driver (\S+)", journal(system))
    if not driver or driver[1] != "io_uring":
        raise Wrong(f"under the unit the driver is not io_uring:\n{journal(system)}")
    return f"driver {driver[1]}, user {user}, no capability"


def converses(system: Booted, _context: Context) -> str:
    """Through the Unix socket in /run/holdfast; SIGHUP by reload; goodbye by stop, which ends with 0."""
    with peer.Peer(str(system.seen(SOCKET))) as connection:
        connection.echo(peer.TEXT, b"hello")
        system.run("systemctl", "reload", UNIT)
        connection.echo(peer.BINARY, bytes(range(256)) * 400)
        system.run("systemctl", "stop", "--no-block", UNIT)
        opcode, payload = connection.receive()
        if opcode != peer.CLOSE or payload[:2] != struct.pack("!H", 1001):
            raise Wrong(f"at a stop the client got {opcode} {payload!r}, not a close frame with 1001")
        connection.send(peer.CLOSE, payload[:2])
        ended(system, "success", "ended cut=0")
    return "conversation, reload, stop with goodbyes"


def ended(system: Booted, result: str, last: str) -> None:
    """Waits until the unit has ended this way, and its last lines have this text."""

    def state() -> tuple[str, ...]:
        return tuple(system.show(UNIT, name) for name in ("ActiveState", "Result"))

    wanted = ("inactive" if result == "success" else "failed", result)
    until(lambda: state() == wanted, lambda: f"the unit is {state()}, expected {wanted}\n{last_lines(system)}")
    if last not in last_lines(system):
        raise Wrong(f"at the end the unit does not say `{last}`:\n{last_lines(system)}")


def last_lines(system: Booted) -> str:
    """The unit's last lines, of whichever run."""
    return system.run("journalctl", "--quiet", "--no-pager", "--output=cat", "--unit", UNIT, "--lines=20")


def cuts(system: Booted, _context: Context) -> str:
    """A client that never answers the goodbye is cut by the end of the drain: exit code 3, and no failed unit."""
    settings(system.root, SETTINGS + 'drain-timeout = "1s"\n')
    start(system)
    with peer.Peer(str(system.seen(SOCKET))):
        system.run("systemctl", "stop", UNIT)
        ended(system, "success", "ended cut=1")
    settings(system.root, SETTINGS)
    return "exit code 3 is no failure"


def restarts(system: Booted, _context: Context) -> str:
    """Killed, it comes back; with wrong settings it does not try again."""
    process = start(system)
    system.run("systemctl", "kill", "--signal=KILL", UNIT)
    until(lambda: system.show(UNIT, "NRestarts") == "1", lambda: "killed, it is not started again")
    until(lambda: system.show(UNIT, "ActiveState") == "active", lambda: "killed, it does not come back")
    if listening(system) == process:
        raise Wrong("killed, it is still the same process")
    system.run("systemctl", "stop", UNIT)
    settings(system.root, SETTINGS + "no-such-setting = 1\n")
    system.run("sh", "-c", f"systemctl reset-failed; systemctl start {UNIT} || true")
    ended(system, "exit-code", "status=2")
    if system.show(UNIT, "NRestarts") != "0":
        raise Wrong("with wrong settings it is started again")
    settings(system.root, SETTINGS)
    return "restarted after SIGKILL, not after exit code 2"


def keys(system: Booted, _context: Context) -> str:
    """keys.conf: a key that only root can read lets a client with a token in, and nobody without."""
    folder = system.root.path / "etc/holdfast"
    for name in ("access-key", "admin-token"):
        (folder / name).write_text(KEY.replace(" ", "-"))
        (folder / name).chmod(0o600)
    settings(system.root, SETTINGS + 'hub = "chat"\n')
    process = start(system, "keys.conf")
    target = "/client/hubs/chat"
    address = str(system.seen(SOCKET))
    token = peer.token(KEY.replace(" ", "-"), f"http://localhost{target}")
    with peer.Peer(address, target=f"{target}?access_token={token}"):
        pass
    try:
        with peer.Peer(address, target=target):
            raise Wrong("keys.conf: a client without a token was let in")
    except ValueError:
        pass
    if KEY.replace(" ", "-").encode() in (process / "environ").read_bytes():
        raise Wrong("keys.conf: the key is in the environment")
    settings(system.root, SETTINGS)
    for name in ("access-key", "admin-token"):
        (folder / name).unlink()
    return "keys.conf"


def low_port(system: Booted, _context: Context) -> str:
    """privileged-ports.conf: port 80, which cannot be had without it."""
    settings(system.root, SETTINGS.replace("127.0.0.1:8085", "127.0.0.1:80"))
    # The namespaces' own limit is that of the host: 1024.
    process = start(system, "privileged-ports.conf")
    if "ws://127.0.0.1:80/" not in journal(system):
        raise Wrong(f"privileged-ports.conf: not on port 80:\n{journal(system)}")
    status = (process / "status").read_text()
    if not re.search(r"^CapEff:\t0+400$", status, re.MULTILINE):
        raise Wrong("privileged-ports.conf gives other capabilities than the one")
    system.run("systemctl", "stop", UNIT)
    system.run("rm", "-rf", "/etc/systemd/system/holdfast.service.d")
    system.run("systemctl", "daemon-reload")
    system.run("sh", "-c", f"systemctl start {UNIT} || true")
    wanted = "ports below 1024 are not permitted"
    until(lambda: wanted in last_lines(system), lambda: f"port 80 without a right:\n{last_lines(system)}")
    system.run("systemctl", "stop", UNIT)
    settings(system.root, SETTINGS)
    return "privileged-ports.conf"


def written(system: Booted, _context: Context) -> str:
    """LogsDirectory: an access log's file, which is opened again on reload. SupplementaryGroups: a socket's group."""
    log = system.root.path / "var/log/private/holdfast/access.log"
    settings(system.root, SETTINGS + 'unix-group = "www-data"\naccess-log = "/var/log/holdfast/access.log"\n')
    start(system, lines="LogsDirectory=holdfast\nSupplementaryGroups=www-data\nPrivateUsers=no\n")
    if system.seen(SOCKET).stat().st_gid != WWW_DATA:
        raise Wrong("the Unix socket has another group than www-data")
    for name in ("access.log.1", "access.log.2"):
        with peer.Peer(str(system.seen(SOCKET))):
            until(lambda: log.exists() and log.stat().st_size > 0, lambda: "nothing in the access log's file")
        log.rename(log.with_name(name))
        system.run("systemctl", "reload", UNIT)
    system.run("systemctl", "stop", UNIT)
    system.run("rm", "-rf", "/var/log/private/holdfast", "/var/log/holdfast")
    settings(system.root, SETTINGS)
    return "access log and its rotation, group of the socket"


def many(system: Booted, _context: Context) -> str:
    """many-connections.conf starts, with as many descriptors as this machine grants."""
    process = start(system, "many-connections.conf")
    found = re.search(r"Max open files +(\d+) +(\d+)", (process / "limits").read_text())
    return f"many-connections.conf ({found[2]} descriptors granted here)" if found else ""


def healthy(system: Booted, context: Context) -> str:
    """`holdfast health` beside the unit says yes, and no once it is stopped."""
    needs(context.binary, "health")
    start(system)
    system.run("holdfast", "health", "--ready", "--config", f"/{packaged.SETTINGS}")
    system.run("systemctl", "stop", UNIT)
    system.run("holdfast", "health", "--config", f"/{packaged.SETTINGS}", fails=True)
    return "health"


def purged(system: Booted, _context: Context) -> str:
    """Enabled and running, it is upgraded without a restart; removed, it is stopped; purged, its link is gone."""
    system.run("systemctl", "stop", UNIT)
    system.run("systemctl", "enable", "--now", "--quiet", UNIT)
    listening(system)
    before = system.show(UNIT, "MainPID")
    package = next(path for path in (system.root.path / "root").glob("*.deb"))
    system.run("dpkg", "--install", f"/root/{package.name}")
    if system.show(UNIT, "MainPID") != before:
        raise Wrong("an upgrade restarts the gateway")
    system.run("dpkg", "--remove", "holdfast")
    if system.show(UNIT, "ActiveState") not in ("inactive", ""):
        raise Wrong("removed, it is still running")
    system.run("dpkg", "--purge", "holdfast")
    if list((system.root.path / "etc/systemd/system").rglob(UNIT)):
        raise Wrong("purged, it has left the link that starts it at boot")
    return "upgraded while it ran, removed, purged"


TRIALS = [confined, converses, cuts, restarts, keys, low_port, written, many, healthy, purged]
