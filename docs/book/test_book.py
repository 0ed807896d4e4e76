"""Tests of the book's maker, without mdBook: what it makes of pages, and the defects that it must find."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import check  # noqa: E402 (no bytecode beside the sources)
import contents  # noqa: E402
import pages  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
INDEX = """\
# Documentation

| begin | |
|---|---|
| [one](one.md) | the first |
| [../SECURITY.md](../SECURITY.md), [a picture](picture.svg) | promises |

| develop | |
|---|---|
| [why](why/README.md) | with a page below |
"""
REPOSITORY = {
    "README.md": "# Front\n",
    "SECURITY.md": "# Security\n",
    "docs/README.md": INDEX,
    "docs/one.md": "# The `first`\n",
    "docs/picture.svg": "<svg/>",
    "docs/why/README.md": "# Why\n\n| page | |\n|---|---|\n| [deep](deep.md) | [one](../one.md) |\n",
    "docs/why/deep.md": "# Deep\n",
    "deploy/settings.toml": "",
}
PICTURE = (
    "<svg><style>:root { color-scheme: light dark; } @media (prefers-color-scheme: dark) {} "
    "svg { background: var(--paper); }</style></svg>"
)
BOOK = {
    "toc.html": '<a href="index.html"></a><a href="docs/one.html">1</a>',
    "index.html": (
        '<link rel="stylesheet" href="s.css"><main><h1 id="top">A</h1><a href="docs/one.html#two">x</a></main>'
    ),
    "docs/one.html": '<main><h2 id="two">B</h2><img src="p.svg" alt="p"><a href="https://a.example/b">x</a></main>',
    "docs/p.svg": PICTURE,
    "s.css": "body { background: url(docs/p.svg) }",
}


class Written(unittest.TestCase):
    """Files in a folder of their own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            pages.put(self.root / name, text)


class Contents(Written):
    def read(self, changed: dict[str, str] | None = None) -> list[contents.Part]:
        self.write(REPOSITORY | (changed or {}))
        return contents.read(self.root)

    def test_the_tables_of_the_index_are_the_parts_of_the_book(self):
        self.assertEqual(
            contents.summary(self.root, self.read()),
            "# Summary\n\n[Front](index.md)\n[Documentation](docs/index.md)\n"
            "\n# Begin\n\n- [The first](docs/one.md)\n- [Security](SECURITY.md)\n"
            "\n# Develop\n\n- [Why](docs/why/index.md)\n  - [Deep](docs/why/deep.md)\n",
        )
        self.assertEqual(contents.defects(self.root, contents.read(self.root)), [])

    def test_a_page_that_is_left_out_is_a_defect(self):
        parts = self.read({"docs/new.md": "# New\n"})
        self.assertEqual(
            contents.defects(self.root, parts), ["docs/new.md: not in the contents: give it a row in docs/README.md"]
        )

    def test_a_page_that_is_listed_twice_is_a_defect(self):
        parts = self.read({"docs/README.md": INDEX + "| [again](one.md) | |\n"})
        self.assertEqual(contents.defects(self.root, parts), ["docs/README.md: docs/one.md is listed twice"])

    def test_a_page_that_is_listed_and_not_there_is_a_defect(self):
        parts = self.read({"docs/README.md": INDEX + "| [gone](gone.md) | |\n"})
        self.assertEqual(
            contents.defects(self.root, parts), ["docs/README.md: docs/gone.md is listed and does not exist"]
        )

    def test_a_page_without_a_heading_is_a_defect(self):
        parts = self.read({"docs/one.md": "text\n"})
        with self.assertRaises(contents.Defect):
            contents.summary(self.root, parts)

    def test_the_repository_has_whole_contents(self):
        parts = contents.read(ROOT)
        self.assertEqual(contents.defects(ROOT, parts), [])
        self.assertGreater(len(contents.pages(parts)), 40)


class Pages(Written):
    def rewritten(self, text: str, page: str = "docs/one.md") -> str:
        self.write(REPOSITORY)
        book = set(contents.pages(contents.read(self.root)))
        text, self.pictures, self.wrong = pages.rewritten(self.root, page, text, book)
        return text

    def test_links_between_pages_lead_to_where_they_lie_in_the_book(self):
        text = "[a](why/README.md#x) [b](../SECURITY.md) [c](why/deep.md) [d](#here) [`e`](../README.md)"
        wanted = "[a](why/index.md#x) [b](../SECURITY.md) [c](why/deep.md) [d](#here) [`e`](../index.md)"
        self.assertEqual(self.rewritten(text), wanted)
        self.assertEqual(self.wrong, [])

    def test_a_link_over_two_lines_is_one(self):
        self.assertEqual(self.rewritten("[a\nb](why/README.md)"), "[a\nb](why/index.md)")

    def test_a_link_to_a_file_that_the_book_does_not_have_becomes_its_path(self):
        text = "[deploy/settings.toml](../deploy/settings.toml), [all of them](../deploy/settings.toml), [f](../deploy)"
        wanted = "`deploy/settings.toml`, all of them (`deploy/settings.toml`), f (`deploy`)"
        self.assertEqual(self.rewritten(text), wanted)

    def test_pictures_come_along(self):
        text = "![p](picture.svg) [p](picture.svg)"
        self.assertEqual(self.rewritten(text), text)
        self.assertEqual(self.pictures, {"docs/picture.svg"})

    def test_code_stays_as_it_is(self):
        block = "```toml\n[a](why/README.md)\n```\n"
        for text in [block, "`[a](why/README.md)`", "``a ` [a](why/README.md)``", "[a](https://a.example/README.md)"]:
            self.assertEqual(self.rewritten(text), text)
        self.assertEqual(self.rewritten(f"{block}[a](why/README.md) `b`\n"), f"{block}[a](why/index.md) `b`\n")

    def test_a_link_to_no_file_is_a_defect(self):
        self.rewritten("[a](gone.md) ![p](gone.svg)")
        self.assertEqual(self.wrong, ["docs/one.md: gone.md: no such file", "docs/one.md: gone.svg: no such file"])

    def test_a_link_to_a_page_that_the_book_does_not_have_is_a_defect(self):
        self.write({"bench/README.md": "# Bench\n"})
        self.rewritten("[a](../bench/README.md)")
        self.assertEqual(len(self.wrong), 1)
        self.assertIn("not in the contents", self.wrong[0])


    def test_a_row_with_other_cells_than_the_head_is_a_defect(self):
        table = "| a | b |\n|---|---|\n| `c\\|d` | e |\n"
        self.assertEqual(pages.rows("p.md", f"{table}\n| one |\n|---|\n```\n| a | b | c |\n```\n"), [])
        for row in ["| a | `b|c` |\n", "| a |\n"]:
            self.assertEqual(len(pages.rows("p.md", table + row)), 1)


class Check(Written):
    def found(self, **changed: str) -> list[str]:
        """What is wrong with the book when files are others; `index` is index.html's text, and so on."""
        names = {"index": "index.html", "one": "docs/one.html", "toc": "toc.html", "picture": "docs/p.svg"}
        names |= {"style": "s.css", "new": "docs/new.html"}
        self.write(BOOK | {names[name]: text for name, text in changed.items()})
        wrong, self.elsewhere = check.check(self.root)
        return wrong

    def one(self, what: str, text: str) -> None:
        """The second page with this text has one defect."""
        wrong = self.found(one=f'<main><h2 id="two">B</h2>{text}</main>')
        self.assertEqual(len(wrong), 1, wrong)
        self.assertTrue(wrong[0].startswith("docs/one.html: "), wrong)
        self.assertIn(what, wrong[0])

    def fine(self, text: str) -> None:
        self.assertEqual(self.found(one=f'<main><h2 id="two">B</h2>{text}</main>'), [])

    def test_a_good_book_has_no_defect(self):
        self.assertEqual(self.found(), [])
        self.assertEqual(self.elsewhere, ["https://a.example/b"])

    def test_a_dead_link(self):
        self.one("gone.html: no such file", '<a href="gone.html">x</a>')
        self.one("../docs/: no such file", '<a href="../docs/">x</a>')

    def test_a_link_out_of_the_folder(self):
        self.one("../../one.html: no such file", '<a href="../../one.html">x</a>')

    def test_a_dead_anchor(self):
        self.one("../index.html#gone: no such heading", '<a href="../index.html#gone">x</a>')
        self.one("#gone: no such heading in docs/one.html", '<a href="#gone">x</a>')
        self.fine('<a href="../index.html#top">x</a><a href="#two">x</a>')

    def test_an_anchor_twice(self):
        self.one("two ids two", '<h2 id="two">C</h2>')

    def test_a_missing_picture(self):
        self.one("gone.svg: no such file", '<img src="gone.svg" alt="x">')

    def test_a_picture_without_a_text(self):
        self.one("no text in its place", '<img src="p.svg">')

    def test_a_page_that_is_not_in_the_contents(self):
        self.assertEqual(self.found(new="<main></main>"), ["docs/new.html: not in the table of contents"])

    def test_contents_that_lead_nowhere(self):
        self.assertEqual(
            self.found(toc=BOOK["toc.html"] + '<a href="docs/gone.html">'),
            ["toc.html: docs/gone.html: no such file in the book"],
        )

    def test_a_picture_without_colours_for_dark_pages_or_without_paper(self):
        self.assertIn("no colours", self.found(picture=PICTURE.replace("scheme: dark", "scheme: light"))[0])
        self.assertIn("no paper", self.found(picture=PICTURE.replace("--paper", "--ink"))[0])

    def test_a_picture_that_loads_something(self):
        self.assertIn("loads", self.found(picture=PICTURE + '<image href="https://a.example/b.png"/>')[0])

    def test_what_is_loaded_from_elsewhere(self):
        for text in [
            '<script src="https://cdn.example/x.js"></script>',
            '<img alt="x" src="//cdn.example/x.png">',
            '<link rel="stylesheet" href="http://cdn.example/x.css">',
        ]:
            wrong = self.found(index=text)
            self.assertEqual([line for line in wrong if "loaded from elsewhere" not in line], [])
            self.assertEqual(len(wrong), 1)

    def test_style_sheets_that_load_from_elsewhere_or_nothing(self):
        self.assertIn("elsewhere", self.found(style="a { background: url('https://a.example/b.png') }")[0])
        self.assertIn("elsewhere", self.found(style='@import "//a.example/b.css";')[0])
        self.assertIn("no such file", self.found(style="a { background: url(gone.woff2) }")[0])

    def test_an_alert_that_leads_to_no_heading_of_the_runbook(self):
        url = "runbook_url: https://a.example/docs/runbook.md"
        alerts = f"{url}#two\n{url}#gone\n"
        wrong = check.runbook(alerts, BOOK["docs/one.html"])
        self.assertEqual(wrong, ["alerts: no heading gone in the book's runbook"])
        self.assertEqual(len(check.runbook("", BOOK["docs/one.html"])), 1)

    def test_links_out_of_the_book_that_are_none(self):
        for link in ["http://", "https://a.example:port/", "htp://a.example/", "https://a b/", "https://a.example/<x>"]:
            self.one(link, f'<a href="{link.replace("<", "&lt;")}">x</a>')
        self.fine('<a href="http://127.0.0.1:3000/">x</a><a href="mailto:a@b.example">x</a>')

    def test_a_word_in_angle_brackets_that_became_a_tag(self):
        self.one("<name> is no tag", "<p>put <name> here</p>")
        self.fine("<p><code>&lt;name&gt;</code></p>")

    def test_marks_that_are_left_in_the_text(self):
        self.one("a backtick", "<p>a ` is here</p>")
        self.one("a link", "<p>[a](b</p>")
        self.one("a table", "<p>| a | |---|</p>")
        self.fine("<pre><code>a ` [x](y) |---</code></pre>")


if __name__ == "__main__":
    unittest.main()
