"""What is taken from a page, what a script has to say of it, and what counts as the output that is shown."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import compare  # noqa: E402 (found by the path above)
import extract  # noqa: E402
import play  # noqa: E402
import programs  # noqa: E402
import script  # noqa: E402

PAGE = """# A page

Ask `curl -s HOST` or `holdfast drain`; `holdfast` alone is a name.

```console
$ holdfast one          # the first
holdfast 0.2.0
...
$ holdfast two \\
    --more
```

```
a/picture --> of something
```

```
deploy/tool --this      # a comment
docker run \\
  image
```

```nginx
server {}
```
"""
SCRIPT = """
[[block]]
begins = "a/picture"
what = "a picture"

[[block]]
begins = "server {}"
what = "settings of another program"

[[step]]
run = "holdfast one"

[[step]]
run = "holdfast two --more"

[[step]]
run = "deploy/tool ..."

[[step]]
left_out = "docker run image"
why = "needs an engine"

[[step]]
left_out = "curl -s HOST"
by = ["run", "curl -s"]
"""


def complaints(page: str = PAGE, text: str = SCRIPT, general: str = "") -> list[str]:
    """What does not fit of a page and a script, in a tree with one file."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "run").write_text("curl -s localhost\n")
        (root / "program").write_text('"""Its text."""\n\n\nsays(1)\n')
        return script.join(script.parse("page", text), page, script.everywhere(general), root)


class Extract(unittest.TestCase):
    def test_commands_come_in_order_without_comments_and_with_their_output(self):
        found = extract.commands(PAGE, ["a/picture"])
        names = ["curl -s HOST", "holdfast one", "holdfast two --more", "deploy/tool --this", "docker run image"]
        self.assertEqual([command.name for command in found], names)
        self.assertEqual(found[1].output, ("holdfast 0.2.0", "..."))
        self.assertEqual([command.inline for command in found], [True, False, False, False, False])

    def test_a_block_in_a_list_has_commands(self):
        (found,) = extract.commands("1. so:\n\n   ```console\n   $ true x\n   said\n   ```\n", [])
        self.assertEqual((found.name, found.output), ("true x", ("said",)))

    def test_a_block_of_a_shell_has_commands(self):
        self.assertEqual(extract.commands("```sh\ntrue x\n```\n", [])[0].name, "true x")

    def test_output_without_a_command_and_a_block_without_an_end_are_errors(self):
        for page in ["```console\nsaid\n```\n", "```console\n$ true\n"]:
            with self.assertRaises(ValueError):
                extract.commands(page, [])

    def test_names_of_programs_files_and_settings_are_no_commands(self):
        for text in ["curl", "deploy/check", "holdfast drain", "holdfast-load hold", "x = 1", "/etc/x y", "GET /x"]:
            self.assertFalse(extract.is_command(text), text)
        for text in ["curl x", "deploy/check --all", "holdfast --help", "A=1 cargo test", "target/release/h x"]:
            self.assertTrue(extract.is_command(text), text)

    def test_what_the_gateway_can_do_is_known_by_name(self):
        self.assertEqual(extract.subcommands(PAGE), {"holdfast drain"})


class Script(unittest.TestCase):
    def test_a_page_and_its_script_fit(self):
        self.assertEqual(complaints(), [])

    def test_a_command_that_nobody_runs_is_found(self):
        (found,) = complaints(PAGE.replace("$ holdfast two", "$ holdfast three"))[:1]
        self.assertIn("`holdfast three --more` is neither run nor left out", found)
        (found,) = complaints(PAGE + "\nAnd `docker ps -a`.\n")
        self.assertIn("`docker ps -a` is neither run nor left out", found)

    def test_a_step_about_what_is_not_there_is_found(self):
        (found,) = complaints(PAGE.replace("`curl -s HOST`", "it"))
        self.assertIn("about `curl -s HOST`, which the page does not have", found)

    def test_a_block_that_nobody_looks_at_is_found(self):
        (found,) = complaints(PAGE + "\n```yaml\na: 1\n```\n")
        self.assertIn("nobody looks at this block of yaml", found)
        self.assertTrue(complaints(PAGE + "\n```\nanother --> picture\n```\n"))

    def test_a_block_that_is_not_there_is_found(self):
        (found,) = complaints(PAGE.replace("a/picture -->", "").replace("```\n of something\n```\n", ""))
        self.assertIn("a block `a/picture`, which is not there", found)

    def test_a_block_that_is_a_file_must_be_as_it_is(self):
        text = SCRIPT + '[[block]]\nbegins = "says("\nsame_as = "program"\n'
        self.assertEqual(complaints(PAGE + "\n```python\nsays(1)\n```\n", text), [])
        (found,) = complaints(PAGE + "\n```python\nsays(2)\n```\n", text)
        self.assertIn("not as in program", found)

    def test_who_is_said_to_run_a_command_must_do_so(self):
        for by, wrong in [('["run", "wget"]', "does not have `wget`"), ('["walk", "curl"]', "is not there")]:
            (found,) = complaints(text=SCRIPT.replace('["run", "curl -s"]', by))
            self.assertIn(wrong, found)

    def test_what_is_taken_for_granted_must_be_said(self):
        text = SCRIPT + '[[step]]\ngiven = "true"\nsaid = "is a\\nname"\n'
        self.assertEqual(complaints(text=text), [])
        (found,) = complaints(text=text.replace("is a", "was a"))
        self.assertIn("it does not say", found)

    def test_a_step_of_the_page_goes_before_one_of_all_pages(self):
        general = '[[step]]\nleft_out = "..."\nwhy = "any"\n'
        self.assertEqual(complaints(PAGE + "\n`docker ps -a`\n", general=general), [])

    def test_what_nobody_understands_is_an_error(self):
        for text in [
            '[[step]]\nleft_out = "x"',
            '[[step]]\nrun = "x"\nreadie = "y"',
            '[[step]]\nwalk = "x"',
            '[[block]]\nbegins = "x"',
            "[[stepp]]",
        ]:
            with self.assertRaises(ValueError, msg=text):
                script.parse("page", text)


class Compare(unittest.TestCase):
    patterns = {"room": r"room for \d+"}

    def difference(self, shown: str, came: str, more: bool = False) -> str | None:
        return compare.difference(shown.splitlines(), came.splitlines(), self.patterns, more)

    def test_the_same_is_no_difference(self):
        self.assertIsNone(self.difference("a\nb", "a\nb "))

    def test_changed_missing_and_further_lines_are_differences(self):
        for came in ["a\nc", "a", "a\nb\nc", "", "b\na"]:
            self.assertIsNotNone(self.difference("a\nb", came), came)

    def test_three_dots_stand_for_text_and_alone_for_lines(self):
        self.assertIsNone(self.difference("a (...) b\n...\nc", "a (x y) b\n1\n2\nc"))
        self.assertIsNone(self.difference("a\n...", "a"))
        self.assertIsNotNone(self.difference("a (...) b", "a (x y) c"))
        self.assertIsNotNone(self.difference("...\nc", "a\nb"))

    def test_what_is_another_on_each_machine_may_be_another(self):
        self.assertIsNone(self.difference("room for 3, a", "room for 400, a"))
        self.assertIsNotNone(self.difference("room for 3, a", "room for 400, b"))
        self.assertIsNotNone(self.difference("room for 3", "space for 3"))

    def test_a_server_says_more(self):
        self.assertIsNone(self.difference("a\nb", "log\na\nlog\nb\nlog", more=True))
        self.assertIsNotNone(self.difference("a\nb", "b\na", more=True))

    def test_the_patterns_of_all_pages_are_expressions(self):
        line = "driver epoll (x) · 2 shards · room for 1 connections (memory) · memory 5 MiB (the machine's)"
        self.assertEqual(compare.settled(line, compare.volatile()), "<driver> · <shards> · <room> · <memory>")


class Play(unittest.TestCase):
    def play(self, page: str, text: str) -> list[str]:
        """What a page's script comes to, in an empty folder."""
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            (copy / "page").write_text(page)
            found = script.parse("page", text)
            wrong = script.join(found, page, [], copy)
            with play.Player(copy, found) as player:
                return wrong or player.play()

    def test_folder_and_variables_last_from_one_command_to_the_next(self):
        page = "```console\n$ mkdir a && cd a && export B=c\n$ echo $PWD $B\n.../a c\n```\n"
        self.assertEqual(self.play(page, '[[step]]\nrun = "mkdir ..."\n[[step]]\nrun = "echo $PWD $B"\n'), [])

    def test_another_output_and_another_exit_code_are_found(self):
        step = '[[step]]\nrun = "echo a..."\n'
        self.assertEqual(self.play("```console\n$ echo a\na\n```\n", step), [])
        (found,) = self.play("```console\n$ echo a\nb\n```\n", step)
        self.assertIn("page:2: `echo a`: `b` is shown, `a` came", found)
        (found,) = self.play("```console\n$ echo a; false\n```\n", step)
        self.assertIn("exit code 1 in place of 0", found)
        self.assertEqual(self.play("```console\n$ echo a; false\n```\n", step + "exit = 1\n"), [])

    def test_a_command_that_does_not_end_is_found(self):
        (found,) = self.play("```console\n$ sleep 60\n```\n", '[[step]]\nrun = "sleep 60"\nseconds = 0.2\n')
        self.assertIn("it has not ended", found)

    def test_a_program_that_stays_is_waited_for_and_talked_to(self):
        page = "```console\n$ bash -c 'echo ready; read a; echo you said $a'\n> hello\n< you said hello\n```\n"
        self.assertEqual(self.play(page, '[[step]]\nrun = "bash ..."\nready = "ready"\nhears = []\n'), [])

    def test_a_program_that_ends_before_it_is_ready_is_found(self):
        (found,) = self.play("```console\n$ echo no\n```\n", '[[step]]\nrun = "echo no"\nready = "yes"\n')
        self.assertIn("it does not come to `yes`", found)

    def test_a_placeholder_that_is_not_there_any_more_is_found(self):
        with self.assertRaises(programs.Wrong):
            play.replaced("curl localhost", {"HOST": "x"})


if __name__ == "__main__":
    unittest.main()
