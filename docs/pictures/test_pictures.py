"""Tests of the pictures of the documentation: those drawn here, and docs/idle-memory.svg."""

import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import draw  # noqa: E402 (found by the path above)

SVG = "{http://www.w3.org/2000/svg}"
BYTES_MAX = 40_000
# What a picture may be made of: nothing that runs, loads or leads anywhere.
ELEMENTS = "svg style title desc g rect line circle path polyline polygon text tspan".split()


def pictures() -> list[pathlib.Path]:
    return sorted(HERE.parent.rglob("*.svg"))


class Pictures(unittest.TestCase):
    def test_there_are_at_least_three(self):
        names = {picture.name for picture in pictures()}
        self.assertLessEqual({"idle-memory.svg", *draw.PICTURES}, names)

    def test_each_is_small(self):
        for picture in pictures():
            self.assertLess(picture.stat().st_size, BYTES_MAX, picture)

    def test_each_says_what_it_shows(self):
        for picture in pictures():
            root = xml.parse(picture).getroot()
            self.assertEqual((root.tag, root.get("role")), (f"{SVG}svg", "img"), picture)
            named = [root.find(f"*[@id='{name}']") for name in root.get("aria-labelledby", "").split()]
            self.assertEqual([element.tag for element in named], [f"{SVG}title", f"{SVG}desc"], picture)
            for element in named:
                self.assertTrue(element.text.strip(), picture)

    def test_each_is_of_shapes_and_text_alone_and_refers_to_nothing(self):
        for picture in pictures():
            for element in xml.parse(picture).iter():
                self.assertIn(element.tag.removeprefix(SVG), ELEMENTS, picture)
                for name, value in element.items():
                    self.assertNotRegex(name, r"href|^on", picture)
                    self.assertNotRegex(value, r"url\(|//|data:", picture)
            style = re.search(r"<style>(.*)</style>", picture.read_text(encoding="utf-8"), re.S)
            self.assertNotRegex(style[1], r"url\(|@import|//", picture)

    def test_each_has_colours_for_light_and_dark_and_defines_those_it_uses(self):
        for picture in pictures():
            text = picture.read_text(encoding="utf-8")
            light, dark = text.split("@media (prefers-color-scheme: dark)")
            used = set(re.findall(r"var\((--[a-z]+)\)", text))
            self.assertTrue(used, picture)
            for half in (light, dark[: dark.index("svg {")]):
                self.assertLessEqual(used, set(re.findall(r"(--[a-z]+):", half)), picture)

    def test_letters_stand_out_in_both_schemes(self):
        for picture in pictures():
            for half in picture.read_text(encoding="utf-8").split("@media")[:2]:
                colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", half))
                for ground in {"paper", "panel", "inner"} & colours.keys():
                    for ink in ("ink", "faint"):
                        contrast = ratio(colours[ink], colours[ground])
                        self.assertGreater(contrast, 4.5, f"{picture}: {ink} on {ground}")

    def test_each_is_as_its_program_draws_it(self):
        for name, picture in draw.PICTURES.items():
            drawn = (HERE / name).read_text(encoding="utf-8")
            self.assertEqual(drawn, picture().svg(), "draw it anew: docs/pictures/draw.py")


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2 has it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


if __name__ == "__main__":
    unittest.main()
