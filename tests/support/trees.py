"""Trees of the configuration as plain values."""

from llm_gateway.config.nodes import MappingNode, Node, ScalarNode, SequenceNode


def as_value(node: Node) -> object:
    """Return the mappings, lists and texts of a tree, without their lines."""
    match node:
        case MappingNode():
            return {entry.key: as_value(entry.value) for entry in node.entries}
        case SequenceNode():
            return [as_value(item) for item in node.items]
        case ScalarNode():
            return node.text
