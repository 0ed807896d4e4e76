"""What conformance/console/run has the page do: trial.py BINARY RUNG FOLDER."""

import pathlib
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import figures  # noqa: E402 (all found by the path above)
import nodes  # noqa: E402
import renewal  # noqa: E402
import service  # noqa: E402
from page import Console, check, held  # noqa: E402
from shared import chromium, gateway  # noqa: E402
from shared.chromium import until  # noqa: E402

HELD = 200
# Those who are held do not answer pings, and a slow machine takes its time.
COMMON = ["--shards", str(figures.SHARDS), "--close-timeout", "1s", "--ping-interval", "off"]


def talk_to_a_hub(page: Console, url: str) -> None:
    """The JSON subprotocol: joined, published, heard."""
    check("/client/hubs/chat" in page.run("document.getElementById('url').value"), "the address of the hub is offered")
    address, token = url.split("?access_token=")
    page.fill(url=address, access=token, subprotocols="json.webpubsub.azure.v1", message="to the <b>room</b>")
    page.click("connect")
    page.hears("subprotocol json.webpubsub.azure.v1")
    page.hears('"event":"connected"')
    page.click("join")
    page.hears('"ackId":1,"success":true')
    page.click("publish")
    page.hears('"data":"to the <b>room</b>"')
    page.click("leave")
    page.hears('"ackId":3,"success":true')
    page.click("disconnect")
    page.hears("closed, 1000")
    check(page.run("document.getElementById('group-form').hidden"), "the form for groups goes with the connection")


def talk_to_an_echo(page: Console) -> None:
    """Text and binary come back; other addresses are out of reach."""
    until(lambda: page.run("document.getElementById('url').value"), "an address")
    check(page.run("document.getElementById('hubs-part').hidden"), "without hubs there is no table of them")
    check(page.run("document.getElementById('cluster-part').hidden"), "without a cluster nothing is said of one")
    page.click("connect")
    page.hears("connected after")
    page.click("send")
    page.hears("← hello")
    page.fill(kind="binary", message="00 ff 7")
    page.click("send")
    page.hears("is written in hex")
    page.fill(message="00 ff 7f")
    page.click("send")
    page.hears("← binary 00 ff 7f")
    page.click("disconnect")
    page.hears("closed, 1000")
    blocked = page.run("fetch('http://127.0.0.1:1/').then(() => 'sent', (error) => error.message)")
    check(blocked != "sent", "the policy lets nothing be asked elsewhere")
    named = "Content Security Policy"
    until(lambda: page.run("true") and any(named in text for text in page.complaints), f"{named}: {page.complaints}")
    page.complaints.clear()


def drain(page: Console, token: str) -> None:
    """Only with the token, only after a second thought; it is seen, and taken back."""
    page.click("drain-begin")
    check(page.run("document.getElementById('sure').open"), "it asks first")
    check(page.text("sure-count") == str(HELD), page.text("sure-count"))
    page.press("Escape")
    until(lambda: not page.run("document.getElementById('sure').open"), "Escape closes the question")
    check(page.text("drain-answer") == "", "nothing was begun")
    for shown, answer in [("", "401"), ("wrong" * 10, "401"), (token, "202")]:
        page.fill(token=shown)
        # The answer before is not to pass for this one.
        page.run("document.getElementById('drain-answer').textContent = ''")
        page.click("drain-begin")
        page.run("document.querySelector('#sure button[value=yes]').click()")
        until(lambda: page.text("drain-answer").startswith(answer), f"{answer}, not {page.text('drain-answer')}")
    # The browser complains of what was refused, sooner or later, and of nothing else.
    until(lambda: page.run("true") and len(page.complaints) >= 2, f"two complaints: {page.complaints}")
    check(len(page.complaints) == 2 and all("401" in text for text in page.complaints), page.complaints)
    page.complaints.clear()
    until(lambda: page.text("phase") == "draining", "the drain to be seen")
    until(lambda: f"of {HELD} connections left" in page.text("drain-state"), page.text("drain-state"))
    until(lambda: 0 < page.run("document.getElementById('drain-progress').value") <= 1, "its progress")
    until(lambda: page.text("drain-state").startswith("draining: 0 of"), "everybody to go")
    page.click("drain-undo")
    until(lambda: page.text("phase") == "accepting", "the drain to be taken back")


def use_the_keyboard(page: Console) -> None:
    """Everything that can be used is reached by Tab, in the order of the page."""
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(30):
        page.press("Tab")
        # What scrolls is reached, too, and has no name.
        reached.append(page.run("document.activeElement.id"))
    wanted = ["token", "drain-begin", "url", "subprotocols", "access", "connect", "message", "kind", "talk"]
    check([name for name in reached if name in wanted][: len(wanted)] == wanted, reached)


def fit(page: Console, folder: pathlib.Path) -> None:
    """On a phone nothing is cut off; by night it is dark."""
    for name, width, height in [("desk", 1280, 900), ("phone", 390, 844)]:
        page.size(width, height, name == "phone")
        time.sleep(0.5)
        wide = page.run("document.documentElement.scrollWidth")
        check(wide <= width, f"{wide} pixels on a screen of {width}")
        for scheme in ["light", "dark"]:
            page.background(scheme)
            page.picture(folder / f"{name}-{scheme}.png")
    if (light := page.background("light")) == (dark := page.background("dark")):
        raise SystemExit(f"the page is {light} by day and {dark} by night")


def foreign_pages(admin: str) -> None:
    """Another site's page gets nothing done, and may not show the console."""
    request = urllib.request.Request(f"http://{admin}/drain", method="POST", headers={"Origin": "http://example.com"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            raise SystemExit("another site's page has begun a drain")
    except urllib.error.HTTPError as error:
        check(error.code == 403, error)
    with urllib.request.urlopen(f"http://{admin}/", timeout=10) as page:
        check("frame-ancestors 'none'" in page.headers["Content-Security-Policy"], page.headers)


def foreign_names(admin: str) -> None:
    """A page whose name was made to mean this machine reads neither the console nor the status."""
    for path in ["/", "/status"]:
        request = urllib.request.Request(f"http://{admin}{path}", headers={"Host": "evil.example"})
        try:
            with urllib.request.urlopen(request, timeout=10):
                raise SystemExit(f"{path} was read by another's name")
        except urllib.error.HTTPError as error:
            check(error.code == 403, error)


def with_a_hub(port: str, binary: str, rung: str, folder: pathlib.Path, upstream: str) -> None:
    """Numbers, a conversation and a drain of a gateway with a hub."""
    secret = (folder / "token").read_text().strip()
    key = ["--access-key-file", str(folder / "key")]
    flags = ["--admin-token-file", str(folder / "token"), "--hub", "chat", *key, "--upstream", upstream]
    with gateway.Gateway(binary, rung, folder / "hub.log", *COMMON, *flags, "--drain-spread", "3s") as served:
        endpoint = "http" + served.url.removeprefix("ws").rstrip("/")
        about = ["--hub", "chat", "--endpoint", endpoint, *key]

        def client(user: str, *group: str) -> str:
            words = [binary, "token", *about, "--role", "sendToGroup", "--role", "joinLeaveGroup", "--user", user]
            words += [word for name in group for word in ["--group", name]]
            return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

        with held(client("ann"), HELD) as connections:
            page = Console(port, f"http://{served.admin}/")
            figures.see(page, rung, HELD, client("ann"))
            own_key = (folder / "key").read_text().strip()
            figures.hub(page, HELD, client, [binary, "send", *about], endpoint, own_key)
            talk_to_a_hub(page, client("ann"))
            use_the_keyboard(page)
            fit(page, folder)
            drain(page, secret)
            connections.close()
            check(page.complaints == [], page.complaints)
            check(secret not in page.run("document.documentElement.outerHTML"), "the token is in no text of the page")
            foreign_pages(served.admin)
            foreign_names(served.admin)


def with_an_echo(port: str, binary: str, rung: str, folder: pathlib.Path) -> None:
    """Messages and a conversation of a gateway that echoes."""
    with gateway.Gateway(binary, rung, folder / "echo.log", *COMMON, "--message-bytes-max", "4000") as echo:
        page = Console(port, f"http://{echo.admin}/")
        figures.exchange(page, echo.url)
        figures.limit(page, echo.url)
        talk_to_an_echo(page)
        check(page.complaints == [], page.complaints)


def main(binary: str, rung: str, place: str) -> None:
    folder = pathlib.Path(place)
    for name in ["key", "token"]:
        (folder / name).write_text(f"{secrets.token_urlsafe(32)}\n")
    with chromium.running() as port, service.running() as upstream:
        with_a_hub(port, binary, rung, folder, upstream)
        with_an_echo(port, binary, rung, folder)
        renewal.restart(port, binary, rung, folder)
        renewal.many_hubs(port, binary, rung, folder)
        nodes.cluster(port, binary, rung, folder)
    print(f"the console: seen, talked with, drained, met again; pictures in {folder}")


main(*sys.argv[1:4])
