"""The image as the engine builds it, and containers of it as documented."""

import concurrent.futures
import socket

from . import image, profiles, trials
from .parts import Context, Wrong, needs


def check(context: Context) -> str:
    """Builds the image and runs the trials side by side; prints one line per trial."""
    files = profiles.write(context.folder("profiles"), context.root / "deploy/seccomp.json")
    size = built(context)
    image.check_configuration(context.docker, context.root)
    # Locked memory is counted by user: each has one of its own, the first the image's.
    users = range(trials.USER, trials.USER + len(trials.TRIALS))
    with concurrent.futures.ThreadPoolExecutor(context.jobs) as pool:
        attempts = [
            pool.submit(trials.attempt, context.docker, image.TAG, files, trial, user)
            for trial, user in zip(trials.TRIALS, users)
        ]
        failures = sum(failed(trial, attempt) for trial, attempt in zip(trials.TRIALS, attempts))
    if failures:
        raise Wrong(f"{failures} of {len(trials.TRIALS)} trials failed")
    return f"{size / 1e6:.1f} MB; {len(trials.TRIALS)} ways to run it"


def built(context: Context) -> int:
    """Builds the image from the binary; its size in bytes."""
    return image.build(context.docker, context.root, context.directory / "context", context.binary)


def health(context: Context) -> str:
    """The health check of the image, built anew where `check` has not been run."""
    needs(context.binary, "health")
    if not (context.directory / "context").exists():
        built(context)
    files = profiles.write(context.folder("profiles for health"), context.root / "deploy/seccomp.json")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return trials.health(context.docker, image.TAG, files, port)


def failed(trial: trials.Trial, attempt: concurrent.futures.Future) -> bool:
    """Prints a trial's line, once it is over; whether it failed."""
    head = f"{trial.name():52}  --driver {trial.driver or 'auto (default)':15}"
    try:
        print(f"{head}  ok      {attempt.result()}", flush=True)
        return False
    except trials.Failed as error:
        print(f"{head}  FAILED  {error}", flush=True)
        return True
