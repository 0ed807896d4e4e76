"""What is to be done with each command of a page: its script, and whether the two fit together."""

import dataclasses
import pathlib
import re
import tomllib

import extract

# What a step may say besides its kind.
RUN = {
    "ready", "port", "stops", "exit", "ends", "replace", "types", "hears", "elsewhere", "shows", "output", "seconds"
}  # fmt: skip
KINDS = {"run": RUN, "given": RUN | {"said", "why"}, "left_out": {"why", "by"}}
BLOCK = {"begins", "what", "by", "same_as", "output_of"}
TOP = {"path", "step", "block"}
INSTALLED = "installed"


@dataclasses.dataclass
class Step:
    """One thing to do, in the order of the script: run a command of the page, run one that the page takes for granted,
    or leave one out."""

    kind: str
    text: str
    options: dict
    commands: list[extract.Command] = dataclasses.field(default_factory=list)

    def takes(self, command: extract.Command) -> bool:
        """Whether this step is about a command; three dots stand for any text."""
        return self.kind != "given" and wild(self.text).fullmatch(command.name) is not None


@dataclasses.dataclass
class Script:
    """The script of a page: what it says of its commands and blocks. `path` says why the reader has the programs in the
    PATH: words of the page, or that they are installed, as docs/deploy.md does it for operators."""

    page: str
    steps: list[Step]
    blocks: list[dict]
    path: str | None = None


def wild(text: str) -> re.Pattern:
    """An expression for a text in which three dots stand for anything."""
    return re.compile(".*".join(re.escape(part) for part in " ".join(text.split()).split("...")))


def parse(page: str, text: str) -> Script:
    """A script from its file; raises ValueError where that says what nobody understands."""
    data = tomllib.loads(text)
    if unknown := data.keys() - TOP:
        raise ValueError(f"unknown: {sorted(unknown)}")
    steps = []
    for entry in data.get("step", []):
        kind = next((kind for kind in KINDS if kind in entry), None)
        if not kind:
            raise ValueError(f"a step is one of {list(KINDS)}: {entry}")
        options = {key: value for key, value in entry.items() if key != kind}
        if unknown := options.keys() - KINDS[kind]:
            raise ValueError(f"`{entry[kind]}`: unknown: {sorted(unknown)}")
        if kind != "run" and not options.keys() & {"why", "by", "said"}:
            raise ValueError(f"`{entry[kind]}`: no reason")
        steps.append(Step(kind, entry[kind], options))
    for block in data.get("block", []):
        if unknown := block.keys() - BLOCK:
            raise ValueError(f"block `{block}`: unknown: {sorted(unknown)}")
        if "begins" not in block or len(block) < 2:
            raise ValueError(f"block `{block}`: says nothing")
    return Script(page, steps, data.get("block", []), data.get("path"))


def everywhere(text: str) -> list[Step]:
    """Steps that hold for every page, and are looked at when none of the page's own takes a command."""
    return parse("every page", text).steps


def join(script: Script, page: str, general: list[Step], root: pathlib.Path) -> list[str]:
    """Gives each step its commands; returns what does not fit."""
    complaints = []
    try:
        commands = extract.commands(page, [block["begins"] for block in script.blocks])
    except ValueError as error:
        return [f"{script.page}: {error}"]
    for command in commands:
        own = [step for step in script.steps if step.takes(command)]
        takers = own or [step for step in general if step.takes(command)]
        for step in takers:
            step.commands.append(command)
        if not takers:
            complaints.append(f"{script.page}:{command.line}: `{command.name}` is neither run nor left out")
    complaints += [
        f"{script.page}: its script is about `{step.text}`, which the page does not have"
        for step in script.steps
        if step.kind != "given" and not step.commands
    ]
    complaints += unsaid(script, page)
    complaints += proofs(script.page, script.steps + blocks(script), root)
    return complaints + left(script, page, root)


def blocks(script: Script) -> list[Step]:
    """The blocks that somebody else looks at, as steps with their proof."""
    return [Step("left_out", block["begins"], block) for block in script.blocks if "by" in block]


def unsaid(script: Script, page: str) -> list[str]:
    """What is taken for granted and the page does not say."""
    text = " ".join(page.split())
    said = [step.options["said"] for step in script.steps if "said" in step.options]
    said += [script.path] if script.path and script.path != INSTALLED else []
    return [f"{script.page}: it does not say `{words}`" for words in said if " ".join(words.split()) not in text]


def proofs(page: str, steps: list[Step], root: pathlib.Path) -> list[str]:
    """Those who are said to run a command, and do not: `by` is a file, and what must stand in it."""
    complaints = []
    for step in steps:
        if "by" not in step.options:
            continue
        name, text = step.options["by"]
        file = root / name
        if not file.is_file():
            complaints.append(f"{page}: `{step.text}` is said to be run by {name}, which is not there")
        elif text not in file.read_text(encoding="utf-8"):
            complaints.append(f"{page}: `{step.text}` is said to be run by {name}, which does not have `{text}`")
    return complaints


def left(script: Script, page: str, root: pathlib.Path) -> list[str]:
    """Blocks that only one of script and page has; blocks that ought to be a file's text and are another."""
    found = extract.blocks(page)
    named = [entry["begins"] for entry in script.blocks]
    complaints = [
        f"{script.page}:{block.line}: nobody looks at this block of {block.language}"
        for block in found
        if block.language not in (*extract.SHELLS, extract.CONSOLE, extract.SETTINGS)
        and not any(block.begins(text) for text in named)
    ]
    for entry in script.blocks:
        mine = [block for block in found if block.begins(entry["begins"])]
        if not mine:
            complaints.append(f"{script.page}: its script is about a block `{entry['begins']}`, which is not there")
        if "same_as" in entry:
            file = code((root / entry["same_as"]).read_text(encoding="utf-8"))
            complaints += [
                f"{script.page}:{block.line}: not as in {entry['same_as']}"
                for block in mine
                if code(block.text) not in file
            ]
    return complaints


def code(text: str) -> str:
    """A program without empty lines: a page has fewer of them."""
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip())
