"""Opening handshakes with and without a token: CPU for each."""

from .figures import compared
from .gateway import Gateway

WITHOUT, WITH, GROUP, ECHO = "without a token", "with a token", "with a token that names user and group", "of the echo"
IN_FLIGHT = 500


def measure(rig, connections: int) -> dict:
    run = Run(rig, connections)
    contestants = {
        ECHO: lambda: run.storm(lambda gateway: f"ws://127.0.0.1:{gateway.port}/", hub=False),
        WITHOUT: lambda: run.storm(lambda gateway: gateway.client(), "--anonymous"),
        WITH: lambda: run.storm(lambda gateway: gateway.client(nbf=0)),
        GROUP: lambda: run.storm(lambda gateway: gateway.client(sub="user-00000001", **{"webpubsub.group": "all"})),
    }
    values = rig.alternate(contestants)
    targets = [(WITH, (WITHOUT,), 1.25), (GROUP, (WITHOUT,), 1.25)]
    what = f"an opening handshake, {IN_FLIGHT} at once"
    return {"what": what, "values": values, "ratios": compared(values, targets)}


class Run:
    def __init__(self, rig, connections: int):
        self.rig, self.connections = rig, connections

    def storm(self, url, *flags: str, hub: bool = True) -> float:
        """The token is the same for all, and is verified each time."""
        with Gateway(self.rig, *flags, hub=hub) as gateway:
            counts = ["-n", self.connections, "--in-flight", IN_FLIGHT, "--rounds", 5]
            report = self.rig.load("storm", *counts, "--pid", gateway.pid, "--url", url(gateway))
            # What else runs on the machine can only add to it.
            return report["server_cpu_ns_per_handshake"]["min"] / 1000
