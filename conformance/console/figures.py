"""What the page shows while connections are held and messages go: in all, for each shard and for each hub."""

import base64
import contextlib
import hmac
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import websocket
from page import Console, amount, check, connect, held
from shared import chromium
from shared.chromium import until

SHARDS = 2
DRIVERS = {"uring": "io_uring", "uring-baseline": "io_uring", "epoll": "epoll"}


def see(page: Console, rung: str, count: int, hub_url: str) -> None:
    """What is held, in all and for each shard; what may be held; and what runs it."""
    until(lambda: page.card("connections") == str(count), f"{count} connections, not {page.card('connections')}")
    until(lambda: page.text("phase") == "accepting", "the phase")
    until(lambda: page.points("connections").count("L") > 2, "a plot that grows")
    check(page.text("driver") == DRIVERS[rung], page.text("driver"))
    check(f"driver {DRIVERS[rung]}" in page.text("reasons") and "listens on" in page.text("reasons"), "the reasons")
    until(lambda: "up 0 min" in page.text("uptime") or "up 1 min" in page.text("uptime"), page.text("uptime"))
    for card in ["user-bytes", "all-bytes"]:
        check(0 < amount(page.card(card)) < 1 << 20, f"{card}: {page.card(card)}")
    check("Room for" in page.text("binding") and "binds" in page.text("binding"), page.text("binding"))
    check(len(page.rows("plan")) > 5, page.rows("plan"))
    check(f"{count} since the start" in page.note_of("handshakes"), page.note_of("handshakes"))
    shards = page.table("shards")
    check([row["shard"] for row in shards] == [str(index) for index in range(SHARDS)], shards)
    check(sum(int(row["connections"]) for row in shards) == count, shards)
    for row in shards:
        check(all(row.values()) and row["buffers lent"].isdigit(), row)
        check(int(row["connections"]) == 0 or 0 < amount(row["per connection"]) < 1 << 20, row)
        check(amount(row["memory"]) >= amount(row["per connection"]), row)
    turns(page)
    refuse(page, hub_url)


def turns(page: Console) -> None:
    """How long a turn takes, in all and on each shard: more than nothing, and half of them no longer than most."""

    def known() -> bool:
        shards = page.table("shards")
        pairs = [page.card("turns").split(" · ")] + [[row["half of turns ≤"], row["99 of 100 ≤"]] for row in shards]
        return all(0 < amount(half) <= amount(most) for half, most in pairs) and all(
            amount(row["turns/s"]) > 0 for row in shards
        )

    until(known, "durations of turns")
    until(lambda: amount(page.card("cpu")) > 0, f"CPU: {page.card('cpu')}")


def refuse(page: Console, hub_url: str) -> None:
    """Refusals, by reason, in all and by shard; a health check is none."""
    place = hub_url.split("/client/")[0]
    for _ in range(3):
        with contextlib.suppress(websocket.WebSocketBadStatusException):
            connect(place + "/nowhere")
    with urllib.request.urlopen(place.replace("ws", "http", 1) + "/healthz", timeout=chromium.SECONDS) as answer:
        check(answer.status == 200, answer.status)
    rows = {"refused": "404", "all": "3", "minute": "3"}
    until(lambda: rows in page.table("refused"), f"{rows}: {page.table('refused')}")
    check(page.note_of("refusals").startswith("3 since the start"), page.note_of("refusals"))
    until(lambda: amount(page.card("refusals")) > 0, "refusals in a second")
    shards = page.table("shards")
    check(sum(int(row["refused"]) for row in shards) == 3, shards)
    for row in shards:
        check(row["by reason"] == ("none" if row["refused"] == "0" else f"404 {row['refused']}"), row)
    until(lambda: page.drawn("refused") == 1, "a plot of refusals by reason")
    until(lambda: page.drawn("shards") == SHARDS * 5, f"plots of each shard, not {page.drawn('shards')} lines")


def go_on(condition: Callable[[], bool], step: Callable[[], None], what: str) -> None:
    """Does a step again and again until something is so."""

    def is_so() -> bool:
        step()
        return condition()

    until(is_so, what)


def exchange(page: Console, url: str) -> None:
    """Messages and bytes, in and out, of an echo: how many in a second, in all and by shard, and how many they were."""
    sent = 0
    client = connect(url)

    def step() -> None:
        nonlocal sent
        client.send("x" * 1000)
        check(client.recv() == "x" * 1000, "the echo")
        sent += 1

    def moves() -> bool:
        cards = [page.card(name).split(" · ") for name in ["messages", "bytes"]]
        return all(amount(number) > 0 for card in cards for number in card)

    go_on(moves, step, "messages in a second")
    for column in ["in/s", "out/s"]:
        go_on(lambda name=column: any(amount(row[name]) > 0 for row in page.table("shards")), step, column)
    until(lambda: page.note_of("messages").startswith(f"{sent} · {sent} since"), f"{sent}: {page.note_of('messages')}")
    until(lambda: amount(page.card("messages").split(" · ")[0]) == 0, "that nothing moves any more")
    client.close()
    closed = {"closed": "peer · 1000", "all": "1", "minute": "1"}
    until(lambda: closed in page.table("closed"), f"{closed}: {page.table('closed')}")


def limit(page: Console, url: str) -> None:
    """A limit that was applied is shown."""
    client = connect(url)
    client.send("x" * 5000)
    with contextlib.suppress(websocket.WebSocketException, OSError):
        client.recv()
    client.shutdown()
    until(lambda: page.table("limited")[0] == {"limited": "frame_bytes", "all": "1", "minute": "1"}, limited(page))
    until(lambda: any(row["closed"] == "too_big · 1009" for row in page.table("closed")), page.table("closed"))


def limited(page: Console) -> str:
    return f"what was limited: {page.table('limited')}"


def nobody_is_there(endpoint: str, key: str) -> int:
    """What REST answers to who asks for a user that is not there."""
    place = f"{endpoint}/api/hubs/chat/users/nobody"
    claims = {"aud": place, "exp": int(time.time()) + 600}
    parts = [base64.urlsafe_b64encode(json.dumps(it).encode()).rstrip(b"=") for it in [{"alg": "HS256"}, claims]]
    signed = base64.urlsafe_b64encode(hmac.digest(key.encode(), b".".join(parts), "sha256")).rstrip(b"=")
    shown = {"Authorization": f"Bearer {b'.'.join([*parts, signed]).decode()}"}
    request = urllib.request.Request(f"{place}?api-version=2024-12-01", method="HEAD", headers=shown)
    try:
        with urllib.request.urlopen(request, timeout=chromium.SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def away(page: Console, url: str) -> None:
    """A reliable client that has lost its socket is seen until it is back."""

    def shown() -> list[int]:
        return sorted(int(row["away"]) for row in page.table("shards"))

    reliable = "json.reliable.webpubsub.azure.v1"
    client = connect(url, reliable)
    said = json.loads(client.recv())
    client.shutdown()
    until(lambda: shown() == [0] * (SHARDS - 1) + [1], f"one that is away: {shown()}")
    query = f"awps_connection_id={said['connectionId']}&awps_reconnection_token={said['reconnectionToken']}"
    client = connect(f"{url.partition('?')[0]}?{query}", reliable)
    until(lambda: shown() == [0] * SHARDS, f"nobody who is away: {shown()}")
    client.close()


def hub(
    page: Console, count: int, tokens: Callable[..., str], send: list[str | pathlib.Path], endpoint: str, key: str
) -> None:
    """Each number of a hub."""

    def row() -> dict[str, str]:
        return page.table("hubs")[0]

    def shows(**wanted: str) -> bool:
        return all(row()[name.replace("_", " ")] == value for name, value in wanted.items())

    check(row()["hub"] == "chat" and row()["connections"] == str(count), row())
    check(1 <= int(row()["users"]) <= SHARDS and row()["services in use"] == "1 of 1", row())
    with held(tokens("ann", "room"), 2):
        until(lambda: shows(connections=str(count + 2), members="2"), f"members: {row()}")
        check(1 <= int(row()["groups"]) <= SHARDS, row())
        client = connect(tokens("bob", "room"))

        def say() -> None:
            client.send("hello")
            check(client.recv() == "hello", "the service's answer")

        def heard() -> bool:
            now = row()
            return amount(now["events/s"]) > 0 and 0 < amount(now["half of events ≤"]) <= amount(now["99 of 100 ≤"])

        go_on(heard, say, f"events: {row()}")

        def publish() -> None:
            subprocess.run([*send, "--group", "room", "news"], check=True, capture_output=True)

        go_on(lambda: amount(row()["deliveries/s"]) > 0 and amount(row()["REST/s"]) > 0, publish, f"REST: {row()}")
        client.shutdown()
    check(row()["REST 4xx, 5xx"] == "0" and nobody_is_there(endpoint, key) == 404, row())
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        connect(tokens("eve", "room"))
    lose = connect(tokens("bob", "room"))
    lose.send("lose this")
    until(lambda: shows(clients_refused="1", events_lost="1", events_open="0"), f"refused and lost: {row()}")
    until(lambda: row()["REST 4xx, 5xx"] == "1", f"REST: {row()}")
    lose.shutdown()
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        connect(tokens("x" * 1025, "room"))
    until(lambda: shows(limits_met="1"), f"a limit: {row()}")
    away(page, tokens("ann", "room"))
    until(lambda: page.drawn("hubs") == 3, f"plots of a hub, not {page.drawn('hubs')} lines")
    until(lambda: shows(connections=str(count), members="0", groups="0"), f"that they have gone: {row()}")
