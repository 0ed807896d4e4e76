"""What a page asks its reader to do: the commands in its blocks and in its text, in the page's order."""

import dataclasses
import re

# What a text in backticks begins with to be a command, when more words follow.
PROGRAMS = """
    /holdfast apt-get bash bun caddy cargo cat chmod containerd cp ctr curl dd docker docker-compose dpkg echo
    export git go grep haproxy head helm holdfast holdfast-bench holdfast-floor holdfast-load ip journalctl kill
    kubectl logrotate mkdir mount mv nginx nice node npm npx openssl perf pip podman promtool python3 rm rustup sed
    setpriv sh sha256sum skopeo ss ssh strace sudo sysctl systemctl systemd-analyze systemd-run tail tc ulimit
    unshare watch wget
""".split()
# The languages of blocks whose lines with a prompt are commands, whose lines are, and of settings of the gateway.
CONSOLE, SHELLS, SETTINGS = "console", ("", "sh", "bash", "shell"), "toml"
FENCE = re.compile(r"^( *)```(\S*)\s*$")
SPAN = re.compile(r"`([^`\n]+)`")
COMMENT = re.compile(r"\s+#\s.*$|\s+#$", re.MULTILINE)
ASSIGNMENT = re.compile(r"^[A-Z_]+=\S*$")


@dataclasses.dataclass(frozen=True)
class Command:
    """One command of a page: its first line there, its text as it is, and what the page shows beneath it."""

    line: int
    text: str
    output: tuple[str, ...] = ()
    inline: bool = False

    @property
    def name(self) -> str:
        """The command without comments and with single spaces: how a script names it."""
        return " ".join(COMMENT.sub("", self.text).replace("\\\n", " ").split())


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code of a page: its line, language and lines, without indentation."""

    line: int
    language: str
    lines: tuple[str, ...]

    def begins(self, text: str) -> bool:
        """Whether its first line that is not empty begins so."""
        first = next((line.strip() for line in self.lines if line.strip()), "")
        return first.startswith(text)

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.lines)


def blocks(page: str) -> list[Block]:
    """The blocks of a page."""
    return parts(page)[0]


def parts(page: str) -> tuple[list[Block], list[tuple[int, str]]]:
    """The blocks of a page, and its other lines with their numbers."""
    found, others = [], []
    opened: tuple[int, str, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(page.splitlines(), 1):
        fence = FENCE.match(line)
        if opened and fence and not fence[2]:
            found.append(Block(opened[0], opened[2], tuple(inside)))
            opened, inside = None, []
        elif opened:
            inside.append(line.removeprefix(opened[1]))
        elif fence:
            opened = number, fence[1], fence[2]
        else:
            others.append((number, line))
    if opened:
        raise ValueError(f"line {opened[0]}: a block that does not end")
    return found, others


def commands(page: str, texts: list[str]) -> list[Command]:
    """All commands of a page. `texts` are beginnings of the blocks that are none: pictures, settings, programs.

    In a block of the language console they have a prompt, and output follows. A block without a language, or
    of a shell's, has one on each line; other blocks have none.
    """
    found, others = parts(page)
    result = [command for number, line in others for command in spans(number, line)]
    for block in found:
        if block.language == CONSOLE:
            result += prompted(block)
        elif block.language in SHELLS and not any(block.begins(text) for text in texts):
            result += bare(block)
    return sorted(result, key=lambda command: command.line)


def prompted(block: Block) -> list[Command]:
    """The commands with a prompt, each with the lines that follow it."""
    result: list[Command] = []
    lines = list(enumerate(block.lines, block.line + 1))
    while lines:
        number, line = lines.pop(0)
        if not line.startswith("$ "):
            raise ValueError(f"line {number}: output without a command")
        text = line.removeprefix("$ ")
        while text.endswith("\\") and lines:
            text += "\n" + lines.pop(0)[1]
        output = []
        while lines and not lines[0][1].startswith("$ "):
            output.append(lines.pop(0)[1])
        result.append(Command(number, text, tuple(output)))
    return result


def bare(block: Block) -> list[Command]:
    """The commands of a block without prompts."""
    result: list[Command] = []
    going_on = False
    for number, line in enumerate(block.lines, block.line + 1):
        if going_on:
            last = result.pop()
            result.append(dataclasses.replace(last, text=f"{last.text}\n{line}"))
        elif line.strip() and not line.startswith("#"):
            result.append(Command(number, line.strip()))
        going_on = bool(result) and line.endswith("\\")
    return result


def spans(number: int, line: str) -> list[Command]:
    """The commands in the text of a line, in backticks."""
    return [Command(number, text, inline=True) for text in SPAN.findall(line) if is_command(text)]


def is_command(text: str) -> bool:
    """Whether a text in backticks is a command: a program with arguments, not only its name."""
    words = text.split()
    while words and ASSIGNMENT.match(words[0]):
        words.pop(0)
    if len(words) < 2 or subcommand(text):
        return False
    path = "/" in words[0] and re.fullmatch(r"[a-z./_-]+", words[0]) and not words[0].startswith("/")
    return words[0] in PROGRAMS or bool(path)


def subcommand(text: str) -> str | None:
    """The name of a command of one of our programs, as in "`holdfast drain` waits": which is no command line."""
    found = re.fullmatch(r"holdfast(-[a-z]+)? [a-z][a-z-]*", text)
    return found[0] if found else None


def subcommands(page: str) -> set[str]:
    """The commands of our programs that a page names."""
    return {name for _, line in parts(page)[1] for text in SPAN.findall(line) if (name := subcommand(text))}
