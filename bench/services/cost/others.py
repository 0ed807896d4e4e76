"""What people use today: nginx with nchan, nats-server, Pushpin; Debian's packages."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

from .figures import Unavailable
from .process import Broken, Process, family

NCHAN = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
PUSHPIN_CONFIG = pathlib.Path("/etc/pushpin/pushpin.conf")
PUSHPIN_INTERNAL = pathlib.Path("/usr/lib/pushpin/internal.conf")
NATS_SERVER = pathlib.Path("/usr/sbin/nats-server")
PACKAGES = {"libnginx-mod-nchan": NCHAN, "nats-server": NATS_SERVER, "pushpin": PUSHPIN_CONFIG}
# As they are called in reports.
NCHAN_NAME, NATS_NAME, PUSHPIN_NAME = NAMES = ("nchan", "nats-server", "Pushpin")
# Connections that each takes, below the descriptor limit of most machines.
MOST = 19_000


def install() -> None:
    """Installs what is missing, where that can be done: as root, on Debian. What then is missing is left out."""
    missing = [package for package, file in PACKAGES.items() if not file.exists()]
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"installing {' '.join(missing)}", flush=True)
    # No service of a package is to be started by its installation.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *missing]):
        apt_get = ["apt-get", "-o", "DPkg::Lock::Timeout=600", *command]
        subprocess.run(apt_get, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)


def need(package: str) -> None:
    if not PACKAGES[package].exists():
        raise Unavailable(f"Debian's {package} is not installed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. Another program may take one first; then whoever was to listen does not start."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise Broken(f"nobody listens on port {port}") from error
            time.sleep(0.05)


class Nchan(Process):
    """One worker. `pid` is that of the worker, `url` where clients subscribe, `publish` where messages are posted."""

    def __init__(self, rig):
        need("libnginx-mod-nchan")
        (port,) = free_ports(1)
        folder = rig.folder("nchan")
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(module=NCHAN, folder=folder, port=port, most=MOST))
        super().__init__(["nginx", "-p", folder, "-c", config], rig.server_cpu)
        self.port = port
        self.url, self.publish = f"ws://127.0.0.1:{port}/sub", f"http://127.0.0.1:{port}/pub"

    def started(self) -> None:
        wait_for(self.port)
        # The socket listens before there is a worker.
        deadline = time.monotonic() + 20
        while len(family(self.process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.worker = family(self.process.pid)[-1]

    @property
    def pid(self) -> int:
        return self.worker


NGINX = """\
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections {most}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256m;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /sub {{
            nchan_subscriber websocket;
            nchan_channel_id all;
            nchan_subscriber_first_message newest;
            nchan_websocket_ping_interval 0;
        }}
        location = /pub {{
            nchan_publisher;
            nchan_channel_id all;
        }}
    }}
}}
"""


class Nats(Process):
    """`url` is where clients come by WebSocket, `publish` where messages are published by its own protocol."""

    def __init__(self, rig):
        need("nats-server")
        port, websocket = free_ports(2)
        config = rig.folder("nats") / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{port}"\nping_interval: "1h"\nmax_connections: {MOST}\n'
            f'websocket {{ listen: "127.0.0.1:{websocket}", no_tls: true, compression: false }}\n'
        )
        super().__init__([NATS_SERVER, "-c", config], rig.server_cpu, {"GOMAXPROCS": "1"})
        self.port = websocket
        self.url, self.publish = f"ws://127.0.0.1:{websocket}/", f"127.0.0.1:{port}/all"

    def started(self) -> None:
        wait_for(self.port)


class Pushpin(Process):
    """Hands what clients say to a service by WebSocket-over-HTTP."""

    def __init__(self, rig, service: int):
        need("pushpin")
        http, pull, push, subscribe, command, stats = free_ports(6)
        folder = rig.folder("pushpin")
        routes = folder / "routes"
        routes.write_text(f"* 127.0.0.1:{service},over_http\n")
        # Debian's zurl is a service of its own; this one is started by Pushpin, as elsewhere.
        own_zurl = {
            "zurl_out_specs": f"ipc://{folder}/run/pushpin-zurl-in",
            "zurl_out_stream_specs": f"ipc://{folder}/run/pushpin-zurl-in-stream",
            "zurl_in_specs": f"ipc://{folder}/run/pushpin-zurl-out",
        }
        internal = folder / "internal.conf"
        internal.write_text(changed_settings(PUSHPIN_INTERNAL.read_text(), own_zurl))
        changed = {
            "include": internal,
            "rundir": folder / "run",
            "logdir": folder / "log",
            "services": "condure,zurl,pushpin-proxy,pushpin-handler",
            "http_port": http,
            "routesfile": routes,
            "log_level": 0,
            "push_in_spec": f"tcp://127.0.0.1:{pull}",
            "push_in_http_port": push,
            "push_in_sub_specs": f"tcp://127.0.0.1:{subscribe}",
            "command_spec": f"tcp://127.0.0.1:{command}",
            "stats_spec": f"tcp://127.0.0.1:{stats}",
            # As many as come.
            "message_rate": 1_000_000,
            "message_hwm": 1_000_000,
        }
        for name in ("run", "log"):
            (folder / name).mkdir()
        config = folder / "pushpin.conf"
        config.write_text(changed_settings(PUSHPIN_CONFIG.read_text(), changed))
        super().__init__(["pushpin", "--config", config], rig.server_cpu)
        self.port, self.url = http, f"ws://127.0.0.1:{http}/"

    def started(self) -> None:
        wait_for(self.port)
        # Its parts find each other; until then it answers 502.
        time.sleep(2)


def changed_settings(text: str, changed: dict[str, object]) -> str:
    """A file of lines NAME=VALUE with other values."""
    lines, missing = [], set(changed)
    for line in text.splitlines():
        name = line.partition("=")[0].strip()
        if name in changed:
            line = f"{name}={changed[name]}"
            missing.discard(name)
        lines.append(line)
    if missing:
        raise Unavailable(f"its settings have no {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"
