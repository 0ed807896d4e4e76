"""What is tried. Each trial is a coroutine function of a rig, or of a world that it shares with others and leaves as it
was; it says in a few words what it has seen.
"""

import dataclasses
from collections.abc import Awaitable, Callable

from world import Rig, World

Shared = Callable[[World], Awaitable[str]]
Own = Callable[[Rig], Awaitable[str]]


@dataclasses.dataclass(frozen=True)
class Trial:
    """`is_long`: only with --all, or by its name. `shares`: it runs in a world that is there already."""

    run: Shared | Own
    shares: bool = False
    is_long: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def says(self) -> str:
        return (self.run.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")


def table() -> dict[str, Trial]:
    """All of them, in the order in which they run."""
    from . import bounds, chaos, faults, hub, kit, names, order, rogue, servers, starts

    shared = [
        *(hub.codes, hub.everybody, hub.lists, hub.recovery, names.borders, names.odd_names),
        *(order.numbered, order.join_then_send),
        *(rogue.garbage, rogue.later_release, rogue.silent),
    ]
    own = [
        *(names.two_clusters, bounds.largest, starts.without_bus, starts.refused),
        *(faults.drain, faults.node_killed, servers.server_killed, servers.queue_full),
    ]
    long = [
        *(servers.all_servers_killed, servers.server_stopped, servers.lame_duck),
        *(faults.node_stopped, faults.node_busy, starts.releases, kit.sdk_kit, chaos.chaos),
    ]
    trials = [Trial(run, shares=True) for run in shared]
    trials += [Trial(run) for run in own] + [Trial(run, is_long=True) for run in long]
    return {trial.name: trial for trial in trials}
