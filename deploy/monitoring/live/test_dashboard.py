"""What is wrong with a dashboard is found."""

import copy
import pathlib
import unittest

from monitoring.live import dashboard

BOARD = dashboard.load(pathlib.Path(__file__).parent.parent / "grafana/holdfast.json")


class Faults(unittest.TestCase):
    def altered(self, change) -> list[str]:
        board = copy.deepcopy(BOARD)
        change(board, [panel for panel in board["panels"] if panel["type"] != "row"])
        return dashboard.faults(board)

    def test_the_one_that_ships_has_none(self):
        self.assertEqual(dashboard.faults(BOARD), [])

    def test_an_id_twice_is_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0].update(id=panels[1]["id"])))

    def test_panels_that_overlap_are_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0].update(gridPos=panels[1]["gridPos"])))

    def test_a_panel_outside_of_the_grid_is_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0]["gridPos"].update(x=23)))

    def test_a_query_without_expression_is_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0]["targets"][0].update(expr="")))

    def test_a_panel_without_query_is_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0].update(targets=[])))

    def test_a_variable_that_is_not_there_is_found(self):
        self.assertTrue(self.altered(lambda _, panels: panels[0]["targets"][0].update(expr="x{a=~'$nobody'}")))

    def test_a_variable_that_is_not_used_is_found(self):
        self.assertTrue(self.altered(lambda board, _: board["templating"]["list"].append({"name": "idle"})))


if __name__ == "__main__":
    unittest.main()
