from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.legacy.tree import mapping, moved, number, text
from llm_gateway.config.nodes import Entry, MappingNode, ScalarNode


def test_pieces_have_the_line_they_are_given() -> None:
    piece = mapping("a", 3, [text("b", 4, "null"), number("c", 5, 6)])
    assert piece == Entry(
        "a",
        3,
        MappingNode(
            3,
            (
                Entry("b", 4, ScalarNode(4, "null", plain=False)),
                Entry("c", 5, ScalarNode(5, "6", plain=True)),
            ),
        ),
    )


def test_what_moves_keeps_its_line_and_its_value() -> None:
    node = ScalarNode(8, "x", plain=True)
    place = Cursor(node, "old", 7, Report("f", {}))
    assert moved("new", place) == Entry("new", 7, node)
