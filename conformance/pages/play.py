"""One page: its commands, as a newcomer types them, in a copy of the tree and on a network of its own."""

import fcntl
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess

import compare
import extract
import programs
import script

SECONDS = 30
HERE = pathlib.Path(__file__).resolve().parent


def tree(whole: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A tree to work in over one that stays as it is, in memory of this namespace; a copy where that cannot be."""
    copy = folder / "tree"
    layers = f"lowerdir={whole},upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "tmpfs", "pages", folder], check=True)
    for name in ["tree", "upper", "work"]:
        (folder / name).mkdir()
    mounted = subprocess.run(["mount", "-t", "overlay", "pages", "-o", layers, copy], capture_output=True, check=False)
    if mounted.returncode != 0:
        shutil.copytree(whole, copy, symlinks=True, dirs_exist_ok=True)
    return copy


class Player:
    """Does the steps of a script, in order."""

    def __init__(self, copy: pathlib.Path, page: script.Script):
        self.copy = copy
        self.page = page
        self.patterns = compare.volatile()
        self.terminal = programs.Terminal(copy, environment(copy, bool(page.path)))
        self.staying: dict[str, programs.Program] = {}
        self.gone: dict[str, programs.Program] = {}

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self.terminal.close()
        for program in self.staying.values():
            programs.kill(program.process)

    def play(self) -> list[str]:
        """What went wrong: the first step that failed, since others may rest on it, and settings that are no good."""
        complaints = []
        for step in self.page.steps:
            if step.kind == "left_out":
                continue
            for command in once(step.commands) or [extract.Command(0, step.text)]:
                try:
                    self.do(step, command)
                except programs.Wrong as error:
                    return [f"{self.page.page}:{command.line or ''}: `{command.name}`: {error}"]
        return complaints + self.texts()

    def do(self, step: script.Step, command: extract.Command) -> None:
        """One command, and what must come of it."""
        options = step.options
        for name in options.get("stops", []):
            self.stop(name)
        before = {name: len(program.output.text) for name, program in self.staying.items()}
        text = replaced(command.text, options.get("replace", {}))
        if options.keys() & {"types", "hears"}:
            self.talk(text, command, options)
        elif options.keys() & {"ready", "port"} and not command.name.endswith("&"):
            self.serve(text, command, options)
        else:
            self.end(text, command, options)
        for name, pattern in options.get("elsewhere", {}).items():
            program = self.named(name)
            if not program.output.wait_for(pattern, SECONDS, before.get(program.text, 0)):
                raise programs.Wrong(f"`{name}` does not say `{pattern}`, but:\n{program.output.text}")
        for name, code in options.get("ends", {}).items():
            self.leaves(name, code)

    def end(self, text: str, command: extract.Command, options: dict) -> None:
        """A command that ends, or puts what it starts into the background."""
        said, code = self.terminal.run(text, options.get("seconds", SECONDS))
        wanted = options.get("exit", 0)
        if code != wanted:
            raise programs.Wrong(f"exit code {code} in place of {wanted}; it said:\n{said}")
        if "port" in options:
            programs.wait_listens(options["port"], SECONDS)
        self.look(said, command, options, more=False)

    def look(self, said: str, command: extract.Command, options: dict, more: bool) -> None:
        """What was said against what the page shows, and what the script wants besides."""
        if command.output and "output" not in options:
            wrong = compare.difference(list(command.output), said.splitlines(), self.patterns, more)
            if wrong:
                raise programs.Wrong(f"{wrong}; it said:\n{said}")
        for pattern in options.get("shows", []):
            if not re.search(pattern, said, re.MULTILINE):
                raise programs.Wrong(f"nothing like `{pattern}`; it said:\n{said}")

    def serve(self, text: str, command: extract.Command, options: dict) -> None:
        """A program that stays; what it says until it is ready."""
        program = self.terminal.program(text)
        self.staying[text] = program
        program.wait_ready(options.get("ready"), options.get("port"), options.get("seconds", SECONDS))
        self.look(program.output.text, command, options, more=True)

    def talk(self, text: str, command: extract.Command, options: dict) -> None:
        """A program at a terminal: what is typed, and what is heard. The page may show both, behind > and <."""
        typed = options.get("types", []) or [line[2:] for line in command.output if line.startswith("> ")]
        heard = options.get("hears", []) + [re.escape(line[2:]) for line in command.output if line.startswith("< ")]
        program = self.terminal.program(text, on_terminal=True)
        self.staying[text] = program
        program.wait_ready(options.get("ready"), options.get("port"), options.get("seconds", SECONDS))
        for line in typed:
            program.type(line)
        for pattern in heard:
            if not program.output.wait_for(pattern, SECONDS):
                raise programs.Wrong(f"`{pattern}` was not heard; it said:\n{program.output.text}")

    def named(self, name: str) -> programs.Program:
        """The program that was started last whose command begins so."""
        found = [program for text, program in self.staying.items() if text.startswith(name)]
        if not found:
            raise programs.Wrong(f"its script speaks of `{name}`, which does not run")
        return found[-1]

    def said(self, name: str) -> str:
        """What a program that stayed has said, also where it has ended since."""
        found = [program for text, program in (self.gone | self.staying).items() if text.startswith(name)]
        return found[-1].output.text if found else ""

    def stop(self, name: str) -> None:
        """Ctrl-C; nothing but a good end will do for a gateway."""
        program = self.named(name)
        code = program.interrupt(SECONDS)
        if "holdfast" in name and code not in (0, 3):
            raise programs.Wrong(f"`{name}` ended with {code}; it said:\n{program.output.text}")
        self.gone[program.text] = self.staying.pop(program.text)

    def leaves(self, name: str, code: int) -> None:
        """Waits until a program has ended by itself, with this exit code."""
        program = self.named(name)
        came = program.ended(SECONDS)
        if came != code:
            raise programs.Wrong(f"`{name}` ended with {came} in place of {code}; it said:\n{program.output.text}")
        self.gone[program.text] = self.staying.pop(program.text)

    def texts(self) -> list[str]:
        """Blocks that are no commands: settings that the gateway must take, and what it has said."""
        complaints = []
        for block in extract.blocks((self.copy / self.page.page).read_text(encoding="utf-8")):
            wrong = self.settings(block) if block.language == extract.SETTINGS else None
            for entry in self.page.blocks:
                if "output_of" in entry and block.begins(entry["begins"]):
                    came = self.said(entry["output_of"]).splitlines()
                    wrong = compare.difference(list(block.lines), came, self.patterns, more=True)
            complaints += [f"{self.page.page}:{block.line}: {wrong}"] if wrong else []
        return complaints

    def settings(self, block: extract.Block) -> str | None:
        """Whether the gateway takes a block as settings. What is in files of /etc is put beside them."""
        folder = self.copy / "etc"
        folder.mkdir(exist_ok=True)
        for path in re.findall(r'"(/etc/[^"]+)"', block.text):
            file = folder / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("0123456789abcdefghijklmnopqrstuv\n")
        file = folder / "settings.toml"
        file.write_text(block.text.replace('"/etc/', f'"{folder}/etc/'))
        command = [self.copy / "target/release/holdfast", "--config", file, "--print-settings"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        return f"the gateway does not take it: {done.stderr}" if done.returncode else None


def once(commands: list[extract.Command]) -> list[extract.Command]:
    """The commands without those that come again, each as the page shows most of it."""
    found: dict[str, extract.Command] = {}
    for command in commands:
        if command.name not in found or command.output:
            found[command.name] = command
    return list(found.values())


def replaced(text: str, pairs: dict[str, str]) -> str:
    """A command with what stands for the page's placeholders."""
    for old, new in pairs.items():
        if old not in text:
            raise programs.Wrong(f"its script replaces `{old}`, which is not there")
        text = text.replace(old, new)
    return text


def environment(copy: pathlib.Path, in_path: bool) -> dict[str, str]:
    """What a newcomer's shell has: nothing of ours but the way to programs. `cargo` is one that compiles nothing."""
    path = f"{HERE}/stand-ins:{os.environ['PATH']}"
    return {
        "PATH": f"{copy}/target/release:{path}" if in_path else path,
        "HOME": str(copy / "home"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "USER": "root",
        # Clients for steps of the scripts; no page has it.
        "CLIENTS": str(HERE / "clients.py"),
        "npm_config_update_notifier": "false",
        "npm_config_offline": "true",
    }


def loopback() -> None:
    """Brings up the loopback interface of a fresh network, as `ip link set lo up` does."""
    get, put, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack_from("H", fcntl.ioctl(any_socket, get, name + bytes(24)), 16)[0]
        fcntl.ioctl(any_socket, put, name + struct.pack("H", flags | up) + bytes(22))
