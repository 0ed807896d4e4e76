"""Services that answer so slowly that, for as long as is wanted, as many events wait as may."""

import asyncio
import collections
import itertools
import statistics
import time

import clients as rig
from services import MIB, Metrics, Service, check, check_clients, check_heard

# How long a service takes to answer; with 256 events under way it takes as many of them in such a time.
DELAY = 1.0
# Most events of a hub that wait. A client has one of them: what it says next waits for that.
WAITING, UNDER_WAY = 1024, 256
OPEN = WAITING + UNDER_WAY
# So many may be missing of those: what has been let through is made up for several times a second.
SLACK = 256
EVENT_BYTES = 64 * MIB
# Length of what each of a thousand says once, and what may be held of it: a quarter.
LONG, LONG_BYTES = 60_000, 16 * MIB
# By how much the mean of resident memory without that of events in the last quarter may lie above that of the second;
# in less than five minutes the heap has not grown to its size.
GROWTH = 4 * MIB
# How often each client says something, in seconds: twice as much as is let through, in all.
PATIENT, HASTY = 4, 6


def limits(trial) -> str:
    """Settings of all hubs together."""
    return f"event-bytes-max = {EVENT_BYTES if trial is stay_full else LONG_BYTES}\nmessage-bytes-max = 65536\n"


def hubs() -> dict[str, tuple[float, str]]:
    """In one hub clients are not read from while there is no room, in the other they are closed."""
    table = f"events-waiting-max = {WAITING}"
    return {"patient": (DELAY, table), "hasty": (DELAY, f'{table}\nslow-service = "close"')}


class Hasty:
    """Clients that say something now and then, and come again a second after they were closed."""

    def __init__(self, port: int, count: int):
        self.port, self.count = port, count
        self.here: list[rig.Client] = []
        self.closed: list[rig.Client] = []
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            # Those who are gone are looked for a few times in the time in which each says something.
            gone = [client for client in self.here if client.is_gone.is_set()]
            self.closed += gone
            self.here = [client for client in self.here if not client.is_gone.is_set()]
            if len(self.here) < self.count:
                self.here += await rig.connect("hasty", self.port, min(self.count - len(self.here), 200))
            await asyncio.sleep(0.5)

    async def talk(self) -> None:
        pause = 0.05
        begun, said = time.monotonic(), 0
        for turn in itertools.count():
            if self.is_over:
                return
            due = int((time.monotonic() - begun) / HASTY * self.count)
            there = [client for client in self.here if not client.transport.is_closing()]
            for client in there[:: max(len(there) // max(due - said, 1), 1)][: due - said]:
                client.say()
            self.here = self.here[due - said :] + self.here[: due - said]
            said = due
            await asyncio.sleep(pause)


async def stay_full(services: dict[str, Service], metrics: Metrics, port: int, args) -> str:
    """The queues are full, nothing grows, what is refused is told; then all of it drains, in order."""
    patient = await rig.connect("patient", port, min(args.clients, 2000))
    hasty = Hasty(port, min(args.clients, 3000))
    coming = [asyncio.ensure_future(hasty.run())]
    await asyncio.sleep(2)
    coming.append(asyncio.ensure_future(hasty.talk()))
    talking = asyncio.ensure_future(rig.talk(patient, args.seconds + 600, PATIENT))
    try:
        await fill(metrics)
        memory = await watch(metrics, patient, args.seconds)
    finally:
        talking.cancel()
        hasty.is_over = True
        await asyncio.gather(*coming)
    for service in services.values():
        service.hurry()
    started = time.monotonic()
    deadline = started + 900
    # Of those who are closed nobody has to hear.
    while any(client.waiting for client in patient + hasty.here if not client.problems):
        check(time.monotonic() < deadline, "all events are answered in time")
        await asyncio.sleep(0.2)
    drained = time.monotonic() - started
    taken, failed = check_clients(patient)
    check(failed == 0, f"{failed} events of patient clients failed")
    check_heard(patient, services["patient"])
    await idle(metrics)
    counted = metrics.events("patient", "user")
    check(counted["ok"] == taken and sum(counted.values()) == taken, f"{counted}, and {taken} were taken")
    heard, late, closed = check_hasty(hasty, services["hasty"], metrics)
    full = metrics.events("hasty", "user")["full"]
    quarters = ", ".join(f"{it / MIB:.1f}" for it in memory)
    said = (
        f"{WAITING} events waited in each hub for {args.seconds} s; memory beside events by quarter: {quarters} MiB; "
        f"{taken} events of patient clients taken, all in order, the last {drained:.0f} s after the service was fast; "
        f"{heard} of hasty ones, of whom {closed} were closed with 1013"
    )
    # One may have said several things that are not taken.
    is_told = late == 0 and full >= closed
    check(is_told, f"{late} events were heard of clients that were told 1013, and {full} counted as full; {said}")
    return said


async def say_much(services: dict[str, Service], metrics: Metrics, port: int, args) -> str:
    """Each says one long thing: no more is held of it than may be. Whoever finds no room is told to come again, and
    counted; all others are heard when the service is fast."""
    talking = await rig.connect("patient", port, 1000)
    for client in talking:
        client.say(LONG)
    most, deadline = 0.0, time.monotonic() + 5
    while time.monotonic() < deadline:
        most = max(most, (await waiting(metrics))[0]['holdfast_memory_bytes{part="events"}'])
        await asyncio.sleep(0.2)
    services["patient"].hurry()
    refused = [client for client in talking if client.problems]
    others = [problem for client in refused for problem in client.problems[:1] if "closed with 1013" not in problem]
    check(not others, f"{len(others)} problems, such as {others[:3]}")
    stayed = [client for client in talking if not client.problems]
    await rig.settle(stayed, 120)
    taken, failed = check_clients(stayed)
    check((taken, failed) == (len(stayed), 0), f"{taken} were taken and {failed} failed of {len(stayed)}")
    check_heard(stayed, services["patient"])
    check(most <= LONG_BYTES, f"events held {most / MIB:.1f} MiB, and {LONG_BYTES / MIB:.0f} may be held")
    check(most > LONG_BYTES / 2, f"events held {most / MIB:.1f} MiB, and there was room for {LONG_BYTES / MIB:.0f}")
    counted = metrics.events("patient", "user")
    check(counted["full"] == len(refused) > 0, f"{counted}, and {len(refused)} were told to come again")
    return (
        f"of {len(talking)} events of {LONG} bytes {taken} were taken, the others told to come again; "
        f"{most / MIB:.1f} MiB were held at most"
    )


async def waiting(metrics: Metrics) -> tuple[dict[str, float], list[float], list[float]]:
    """All that is shown; how many events of each hub wait, and how many are under way."""
    shown = await asyncio.to_thread(metrics.read)
    count = lambda state: [shown[f'holdfast_hub_events_open{{hub="{hub}",state="{state}"}}'] for hub in hubs()]
    return shown, count("waiting"), count("under_way")


def is_full(wait: list[float], under_way: list[float]) -> bool:
    """Whether in the first hub nearly as many events are open as may be. Clients of the other have to come again."""
    return wait[0] + under_way[0] >= OPEN - SLACK


async def fill(metrics: Metrics) -> None:
    """Waits until as many events wait as may."""
    deadline = time.monotonic() + 120
    while not is_full(*(await waiting(metrics))[1:]):
        check(time.monotonic() < deadline, "the queues are full in time")
        await asyncio.sleep(0.5)


async def watch(metrics: Metrics, patient: list[rig.Client], seconds: float) -> list[float]:
    """The queues stay full, and no longer than they may be. Means of memory beside that of events, by quarter."""
    memory, fullest, deadline = [], 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        shown, wait, under_way = await waiting(metrics)
        problems = [problem for client in patient for problem in client.problems]
        check(not problems, f"{len(problems)} problems of patient clients, such as {problems[:3]}")
        # What is let through makes room for a moment. The two gauges are not of the same one. Disconnected events have
        # places of their own, and nobody disconnects in the first hub.
        told = f"events that wait: {wait}, under way: {under_way}"
        check(wait[0] <= OPEN and under_way[0] <= UNDER_WAY, told)
        check(is_full(wait, under_way), told)
        fullest = max(fullest, wait[1])
        held = shown['holdfast_memory_bytes{part="events"}']
        check(held <= EVENT_BYTES, f"events hold {held} bytes")
        # What clients have said is read as long as that may be held.
        memory.append(shown["process_resident_memory_bytes"] - held)
        await asyncio.sleep(min(1, seconds / 20))
    check(fullest >= WAITING - SLACK, f"of hasty clients {fullest} events waited at most")
    length = len(memory) // 4
    quarters = [statistics.mean(memory[number * length : (number + 1) * length]) for number in range(4)]
    grown = quarters[3] - quarters[1]
    most = GROWTH if seconds >= 300 else EVENT_BYTES
    check(grown <= most, f"memory grew by {grown / MIB:.1f} MiB in the second half")
    return quarters


async def idle(metrics: Metrics) -> None:
    """Waits until no event is open."""
    deadline = time.monotonic() + 120
    while any(value for name, value in metrics.read().items() if name.startswith("holdfast_hub_events_open{")):
        check(time.monotonic() < deadline, "all events are over in time")
        await asyncio.sleep(0.5)


def check_hasty(hasty: Hasty, service: Service, metrics: Metrics) -> tuple[int, int, int]:
    """All was heard in order and counted. How many were heard; how many of those of clients that were told that they
    were not; how many were told.
    """
    everybody = hasty.here + hasty.closed
    refused = [client for client in everybody if client.problems]
    # After the close the connection ends.
    others = [client.problems[0] for client in refused if not client.problems[0].startswith("closed with 1013")]
    check(not others, f"{len(others)} problems, such as {others[:3]}")
    heard = collections.defaultdict(list)
    for _, connection, body in service.heard("user.said"):
        heard[connection].append(int(body))
    for client in everybody:
        numbers = heard[client.identity]
        check(numbers == list(range(1, len(numbers) + 1)), f"{client.identity} was heard out of order: {numbers}")
        lost = [number for number, error in client.outcomes.items() if error is None and number not in numbers]
        check(not lost, f"{client.identity}: {lost} were taken and not heard")
    counted = metrics.events("hasty", "user")
    total = sum(len(numbers) for numbers in heard.values())
    check(counted["ok"] == total and not counted["failed"], f"{counted}, and {total} were heard")
    late = sum(len(heard[client.identity]) - len(client.outcomes) for client in refused)
    return total, late, len(refused)
