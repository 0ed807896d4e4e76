"""What the page shows of a cluster: two nodes by a NATS server, which goes and comes back."""

import contextlib
import pathlib

from cluster import nats
from page import Console, check
from shared import gateway
from shared.chromium import until


def cluster(port: str, binary: str, rung: str, folder: pathlib.Path) -> None:
    """Who is there, and that NATS is away."""
    place = folder / "nats"
    place.mkdir()
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(nats.Servers(nats.program(), place))
        flags = ["--hub", "chat", "--anonymous", "--cluster", servers[0].url, "--cluster-name", "console"]
        one, _ = (
            stack.enter_context(gateway.Gateway(binary, rung, folder / f"node-{number}.log", *flags))
            for number in range(2)
        )
        page = Console(port, f"http://{one.admin}/")
        until(lambda: page.run("!document.getElementById('cluster-part').hidden"), "the cluster is shown")
        until(lambda: len(page.rows("cluster-nodes")) == 3, "two nodes")
        own, other = page.table("cluster-nodes")
        check(own["heard"] == "this node" and other["heard"].endswith("s ago"), (own, other))
        check(page.text("cluster-name").startswith("console, this node is "), page.text("cluster-name"))
        until(lambda: page.text("cluster-bus").startswith("NATS at "), "where NATS is")
        servers[0].end()
        until(lambda: page.text("cluster-bus").startswith("NATS is away"), "that NATS is away")
        servers[0].start()
        until(lambda: page.text("cluster-bus").startswith("NATS at "), "that NATS is back")
        sent = next(row for row in page.table("cluster-counts") if row["messages between nodes"] == "sent")
        check(sent["all"].isdigit(), sent)
        check(page.complaints == [], page.complaints)
