"""What conformance/console/run has the page do: trial.py BINARY FOLDER and ADMIN and URL of two gateways."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import websocket

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from shared import chromium  # noqa: E402 (found by the path above)
from shared.chromium import until  # noqa: E402

HELD = 200


class Console(chromium.Page):
    """The page, by the ids of its elements."""

    def text(self, name: str) -> str:
        return self.run(f"document.getElementById({json.dumps(name)}).innerText")

    def card(self, name: str) -> str:
        return self.run(f"document.querySelector('#card-{name} output').textContent")

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.run(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}")

    def click(self, name: str) -> None:
        self.run(f"document.getElementById({json.dumps(name)}).click()")

    def rows(self, name: str) -> list[list[str]]:
        cells = "[...row.cells].map((cell) => cell.textContent)"
        return self.run(f"[...document.getElementById({json.dumps(name)}).rows].map((row) => {cells})")

    def hears(self, text: str) -> None:
        """Waits until something was said that has this in it."""
        until(lambda: text in self.text("talk"), f"{text} in the conversation:\n{self.text('talk')}")


def check(holds: bool, what: object) -> None:
    if not holds:
        raise SystemExit(f"not as it should be: {what}")


def held(url: str, count: int) -> contextlib.ExitStack:
    """So many connections, each on its own."""
    stack = contextlib.ExitStack()
    for _ in range(count):
        connection = websocket.create_connection(url, timeout=chromium.SECONDS, suppress_origin=True)
        stack.callback(connection.shutdown)
    return stack


def see(page: Console, hub_url: str) -> None:
    """The numbers are those of what is held, in all, for each shard and for each hub."""
    until(lambda: page.card("connections") == str(HELD), f"{HELD} connections, not {page.card('connections')}")
    until(lambda: page.text("phase") == "accepting", "the phase")
    points = "document.querySelector('#card-connections polyline').getAttribute('points').split(' ').length"
    until(lambda: page.run(points) > 3, "a plot that grows")
    shards = page.rows("shards")
    check(len(shards) == 3 and sum(int(row[1]) for row in shards[1:]) == HELD, shards)
    hubs = page.rows("hubs")
    check([row[:2] for row in hubs[1:]] == [["chat", str(HELD)]], hubs)
    for card in ["user-bytes", "all-bytes"]:
        check(page.card(card).endswith("iB") or page.card(card).endswith(" B"), page.card(card))
    check("Room for" in page.text("binding") and "binds" in page.text("binding"), page.text("binding"))
    check("driver" in page.text("reasons") and "listens on" in page.text("reasons"), page.text("reasons"))
    check(len(page.rows("plan")) > 5, page.rows("plan"))
    refused = hub_url.split("/client/")[0] + "/nowhere"
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        websocket.create_connection(refused, timeout=chromium.SECONDS)
    until(lambda: any(row[1] == "1" for row in page.rows("refused")[1:]), f"a refusal: {page.rows('refused')}")


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
    until(lambda: page.card("messages") != "", "messages")
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


def main(binary: str, folder: str, admin: str, url: str, echo_admin: str) -> None:
    place = pathlib.Path(folder)
    endpoint = "http" + url.removeprefix("ws").rstrip("/")
    words = ["token", "--hub", "chat", "--endpoint", endpoint, "--access-key-file", str(place / "key")]
    words += ["--role", "sendToGroup", "--role", "joinLeaveGroup", "--user", "ann"]
    client = subprocess.run([binary, *words], check=True, capture_output=True, text=True).stdout.strip()
    secret = (place / "token").read_text().strip()
    with chromium.running() as port, held(client, HELD) as connections:
        page = Console(port, f"http://{admin}/")
        see(page, client)
        talk_to_a_hub(page, client)
        use_the_keyboard(page)
        fit(page, place)
        drain(page, secret)
        connections.close()
        check(page.complaints == [], page.complaints)
        check(secret not in page.run("document.documentElement.outerHTML"), "the token is in no text of the page")
        other = Console(port, f"http://{echo_admin}/")
        talk_to_an_echo(other)
        check(other.complaints == [], other.complaints)
        foreign_pages(admin)
    print(f"the console: seen, talked with, drained; pictures in {folder}")


main(*sys.argv[1:6])
