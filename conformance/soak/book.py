"""What was published for whom, who was where when, and who has heard what: pure, without sockets and clocks.

Moments are steps of one count, so that "this was over before that began" can be said of any two. What overlaps may
have happened in either order: then a message may be heard and need not be.
"""

import bisect
import collections

INF = float("inf")
NO, MAYBE, YES = 0, 1, 2


class Publication:
    """A message: from when it was sent until it was taken (`taken`), to an audience and perhaps a filter."""

    __slots__ = ("number", "publisher", "hub", "audience", "chosen", "left_out", "sent", "taken", "is_sure")

    def __init__(self, number, publisher, hub, audience, chosen, left_out, sent):
        self.number, self.publisher, self.hub, self.audience = number, publisher, hub, audience
        self.chosen, self.left_out = chosen, left_out
        self.sent, self.taken = sent, INF
        # False where nobody can tell whether the gateway has taken it.
        self.is_sure = True


class Span:
    """For how long something holds: it was asked for, it was sure, it was to end, it was over."""

    __slots__ = ("asked", "sure", "ending", "over")

    def __init__(self, asked):
        self.asked, self.sure, self.ending, self.over = asked, INF, INF, INF

    def holds_for(self, message: Publication) -> int:
        if self.sure < message.sent and message.taken < self.ending:
            return YES
        if message.taken < self.asked or message.sent > self.over:
            return NO
        return MAYBE


class Connection:
    """What is known of one connection of a hub."""

    def __init__(self, number: int, hub: str, user: str | None, asked: int):
        self.number, self.hub, self.user = number, hub, user
        self.identity: str | None = None
        self.here = Span(asked)
        self.groups: dict[str, list[Span]] = {}
        # Numbers of publications, and what is needed to see whether they come in order.
        self.heard: set[int] = set()
        self.newest_sent = 0
        self.newest_of: dict[str, int] = {}
        # It has ended without hearing the rest.
        self.is_cut = False

    def in_group(self, group: str, message: Publication) -> int:
        return max((span.holds_for(message) for span in self.groups.get(group, ())), default=NO)


class Book:
    """All of it."""

    def __init__(self):
        self.step = 0
        self.publications: dict[int, Publication] = {}
        self.by_audience: dict[tuple, list[Publication]] = collections.defaultdict(list)
        self.connections: dict[int, Connection] = {}
        self.problems: list[str] = []
        # Of connections that are settled, by hub: messages heard, and those more that may have been handed to them.
        self.heard: collections.Counter[str] = collections.Counter()
        self.possible: collections.Counter[str] = collections.Counter()
        self.required: collections.Counter[str] = collections.Counter()

    def now(self) -> int:
        self.step += 1
        return self.step

    def wrong(self, what: str) -> None:
        self.problems.append(what)

    # Publications

    def publish(self, publisher, hub, audience, chosen=None, left_out=frozenset()) -> Publication:
        number = len(self.publications) + 1
        message = Publication(number, publisher, hub, audience, chosen, left_out, self.now())
        self.publications[number] = message
        self.by_audience[hub, audience].append(message)
        return message

    def taken(self, message: Publication) -> None:
        if message.taken == INF:
            message.taken = self.now()

    def lost_sight_of(self, message: Publication) -> None:
        """Its publisher has gone before it knew."""
        if message.taken == INF:
            message.is_sure = False
            message.taken = self.now()

    # Connections

    def connect(self, number: int, hub: str, user: str | None) -> Connection:
        connection = self.connections[number] = Connection(number, hub, user, self.now())
        return connection

    def opened(self, connection: Connection, groups=()) -> None:
        now = self.now()
        connection.here.sure = now
        for group in groups:
            span = Span(connection.here.asked)
            span.sure = now
            connection.groups.setdefault(group, []).append(span)

    def join(self, connection: Connection, group: str) -> Span:
        span = Span(self.now())
        connection.groups.setdefault(group, []).append(span)
        return span

    def joined(self, span: Span) -> None:
        span.sure = self.now()

    def leave(self, connection: Connection, group: str) -> list[Span]:
        now, left = self.now(), [span for span in connection.groups.get(group, ()) if span.over == INF]
        for span in left:
            span.ending = min(span.ending, now)
        return left

    def left(self, spans: list[Span]) -> None:
        now = self.now()
        for span in spans:
            span.over = now

    def leaving(self, connection: Connection) -> None:
        connection.here.ending = min(connection.here.ending, self.now())

    def gone(self, connection: Connection) -> None:
        self.leaving(connection)
        connection.here.over = min(connection.here.over, self.now())

    def meant(self, connection: Connection, message: Publication) -> int:
        """Whether a message is for a connection."""
        if message.hub != connection.hub or connection.number in message.left_out:
            return NO
        kind, name = message.audience
        if kind == "user":
            is_of_it = YES if name == connection.user else NO
        elif kind == "connection":
            is_of_it = YES if name == connection.number else NO
        else:
            is_of_it = connection.in_group(name, message) if kind == "group" else YES
        found = min(connection.here.holds_for(message), is_of_it)
        if found and message.chosen:
            found = min(found, message.chosen.holds_for(connection, message))
        return found

    # Messages heard

    def hear(self, connection: Connection, number: int) -> None:
        message = self.publications.get(number)
        if message is None:
            return self.wrong(f"{connection.number} heard {number}, which nobody has published")
        if number in connection.heard:
            return self.wrong(f"{connection.number} heard {number} twice")
        if message.taken < connection.newest_sent:
            self.wrong(f"{connection.number} heard {number} after what was sent when that was taken")
        if message.publisher is not None:
            if number < connection.newest_of.get(message.publisher, 0):
                self.wrong(f"{connection.number} heard {number} after a later one of {message.publisher}")
            connection.newest_of[message.publisher] = number
        connection.newest_sent = max(connection.newest_sent, message.sent)
        connection.heard.add(number)

    def _after(self, connection: Connection):
        """What was sent to the audiences of a connection while it was there, and a little before."""
        groups = [("group", group) for group in connection.groups]
        for audience in [("all", None), ("user", connection.user), ("connection", connection.number), *groups]:
            sent = self.by_audience.get((connection.hub, audience), [])
            begin = bisect.bisect_left(sent, connection.here.asked, key=lambda message: message.sent)
            for message in sent[max(0, begin - 20) :]:
                if message.sent > connection.here.over:
                    break
                yield message

    def missing(self, connection: Connection) -> list[Publication]:
        """What must have been heard, and has not."""
        found = (message for message in self._after(connection) if message.number not in connection.heard)
        return [message for message in found if self.must_hear(connection, message)]

    def must_hear(self, connection: Connection, message: Publication) -> bool:
        if self.meant(connection, message) != YES or not message.is_sure:
            return False
        # Who was cut has heard whatever was taken before something that it heard was sent.
        return not connection.is_cut or message.taken < connection.newest_sent

    def story(self, connection: Connection, message: Publication) -> str:
        """When what was, for whoever looks for the reason."""
        kind, name = message.audience
        spans = [connection.here, *(connection.groups.get(name, []) if kind == "group" else [])]
        told = " ".join(f"[{span.asked} {span.sure} {span.ending} {span.over}]" for span in spans)
        chosen = message.chosen and message.chosen.text
        return (
            f"{message.hub} {kind} {name} {chosen}, of {message.publisher}, {message.sent} to {message.taken}; "
            f"spans {told}, newest {connection.newest_sent}, {'cut' if connection.is_cut else 'whole'}"
        )

    def settle(self, connection: Connection) -> None:
        """It has gone: everything that it heard was for it, and nothing is missing."""
        for number in connection.heard:
            if self.meant(connection, self.publications[number]) == NO:
                self.wrong(f"{connection.number} heard {number}, which was not for it")
        for message in self._after(connection):
            if message.number in connection.heard:
                continue
            if self.must_hear(connection, message):
                self.wrong(f"{connection.number} has not heard {message.number}: {self.story(connection, message)}")
            if self.meant(connection, message) != NO:
                self.possible[connection.hub] += 1
        self.heard[connection.hub] += len(connection.heard)
        del self.connections[connection.number]


class Filter:
    """An expression for REST, and the same as a function of a connection and a message."""

    def __init__(self, text: str, holds_for):
        self.text, self.holds_for = text, holds_for


def is_user(*names: str) -> Filter:
    listed = ",".join(f"'{name}'" for name in names)
    text = f"userId in ({listed})" if len(names) > 1 else f"userId eq {listed}"
    return Filter(text, lambda connection, _: YES if connection.user in names else NO)


def begins_with(start: str) -> Filter:
    says = lambda connection, _: YES if (connection.user or "").startswith(start) else NO
    return Filter(f"startswith(userId,'{start}')", says)


def is_in(group: str) -> Filter:
    return Filter(f"'{group}' in groups", lambda connection, message: connection.in_group(group, message))


def both(one: Filter, other: Filter) -> Filter:
    says = lambda connection, message: min(one.holds_for(connection, message), other.holds_for(connection, message))
    return Filter(f"({one.text}) and ({other.text})", says)


def either(one: Filter, other: Filter) -> Filter:
    says = lambda connection, message: max(one.holds_for(connection, message), other.holds_for(connection, message))
    return Filter(f"({one.text}) or ({other.text})", says)


def other_than(one: Filter) -> Filter:
    return Filter(f"not ({one.text})", lambda connection, message: YES - one.holds_for(connection, message))
