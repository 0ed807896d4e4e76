"""What the page makes of a gateway that ends and of another that answers in its place, and of very many hubs."""

import pathlib
import secrets

from page import Console, check, held
from shared import gateway
from shared.chromium import until

HUBS = 255
# A hundred times what it takes on a machine with time: one on which every number looked at every sample took seconds.
SHOWN_WITHIN_MS = 1000


def restart(port: str, binary: str, rung: str, folder: pathlib.Path) -> None:
    """Another gateway on the same address, with more shards, another listener and a hub: everything is its own."""
    admin = f"127.0.0.1:{gateway.free_port()}"
    (folder / "key").write_text(f"{secrets.token_urlsafe(32)}\n")
    common = ["--close-timeout", "1s", "--drain-spread", "1s"]
    with gateway.Gateway(binary, rung, folder / "first.log", "--shards", "1", *common, admin=admin) as first:
        page = Console(port, f"http://{admin}/")
        with held(first.url, 7):
            until(lambda: page.card("connections") == "7", page.card("connections"))
        until(lambda: page.card("connections") == "0", page.card("connections"))
        until(lambda: page.table("closed")[0]["all"] == "7", page.table("closed"))
        check(page.run("document.getElementById('url').value") == first.url, "the address that is offered")
        page.fill(token="something typed")
    until(lambda: page.text("silence").startswith("No answer since"), page.text("silence"))
    ended = page.run("performance.now()")
    hub = ["--shards", "3", "--hub", "chat", "--access-key-file", str(folder / "key")]
    with gateway.Gateway(binary, rung, folder / "second.log", *hub, *common, admin=admin) as second:
        texts = "new Set()"
        page.run(f"window.said = {texts}; setInterval(() => said.add($('silence').textContent), 5)")
        until(lambda: page.text("phase") == "accepting" and not page.text("silence"), page.text("silence"))
        until(lambda: len(page.table("shards")) == 3, page.table("shards"))
        until(lambda: page.table("shards")[2]["turns/s"] != "–", page.table("shards"))
        said = [text for text in page.run("[...said]") if text and not text.startswith("No answer since")]
        check(said == [], said)
        check(page.rows("closed")[1:] == [["none", "", ""]], page.rows("closed"))
        check(page.card("handshakes").startswith("0"), page.card("handshakes"))
        check(page.run(f"[...plots.values()].every((points) => points[0][0] > {ended})"), "all plots begin anew")
        place = second.url.removeprefix("ws://").rstrip("/")
        check(place in page.text("reasons") and "hub chat" in page.text("reasons"), page.text("reasons"))
        offered = page.run("document.getElementById('url').value")
        check(offered == f"{second.url}client/hubs/chat", offered)
        check(page.run("document.getElementById('access-label').hidden") is False, "a client's token can be given")
        check(page.run("document.getElementById('token').value") == "something typed", "what was typed stays")
        check("Reload" in page.text("renewed"), "that the page may not connect there")
        page.complaints.clear()
        page.click("reload")
        until(lambda: page.run("document.readyState === 'complete' && $('renewed').hidden"), "the page anew")
        until(lambda: len(page.table("shards")) == 3, "its shards")
        check(page.complaints == [], page.complaints)
        look_away(page)
        misread(page)


def look_away(page: Console) -> None:
    """What nobody has looked at is no line: it has a gap, and no rate is made up for it."""
    until(lambda: page.points("connections").count("L") > 1, "a line")
    begun = page.points("connections").count("M")
    page.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    until(lambda: page.run("missed"), "that it does not look")
    before = page.run("latest.at")
    until(lambda: page.run("performance.now() - latest.at") > 3000, "three seconds without a look")
    check(page.run("latest.at") == before, "out of sight it asks for nothing")
    page.run("delete document.hidden")
    until(lambda: page.points("connections").count("M") == begun + 1, "a gap")
    until(lambda: page.points("connections").rsplit("M", 1)[1].count("L") > 1, "the line after it")


def misread(page: Console) -> None:
    """An answer that the page cannot show is not called none."""
    page.run("window.real = show; show = () => { throw new Error('a planted one') }")
    wanted = "It has answered what this page cannot show: a planted one"
    until(lambda: page.text("silence") == wanted, page.text("silence"))
    page.run("show = real")
    until(lambda: page.run("document.getElementById('silence').hidden"), "that it is over")


def many_hubs(port: str, binary: str, rung: str, folder: pathlib.Path) -> None:
    """As many hubs as there may be are shown in a moment."""
    settings = folder / "hubs.toml"
    settings.write_text("".join(f"[hub.hub{number}]\n" for number in range(HUBS)))
    flags = ["--shards", "1", "--config", str(settings), "--access-key-file", str(folder / "key")]
    with gateway.Gateway(binary, rung, folder / "hubs.log", *flags) as served:
        page = Console(port, f"http://{served.admin}/")
        until(lambda: len(page.rows("hubs")) == HUBS + 1, "a row for each hub")
        until(lambda: page.points("connections").count("L") > 5, "some looks")
        text = page.run("fetch('/metrics').then((answer) => answer.text()).then((text) => (window.text = text).length)")
        took = page.run(
            "Math.min(...[1, 2, 3].map(() => { const began = performance.now(); take(latest.status, text); show();"
            " return performance.now() - began; }))"
        )
        check(took < SHOWN_WITHIN_MS, f"{HUBS} hubs, {text} bytes, were shown in {took:.0f} ms")
        print(f"{HUBS} hubs, {text} bytes: parsed and shown in {took:.0f} ms")
