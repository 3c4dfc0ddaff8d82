"""The whole table."""

from support.bad_input import (
    auth,
    bodies,
    chats,
    fields,
    hosts,
    limits,
    models,
    paths,
    timing,
    wire,
)

ROWS = (
    *auth.ROWS,
    *hosts.ROWS,
    *paths.ROWS,
    *wire.ROWS,
    *bodies.ROWS,
    *models.ROWS,
    *chats.ROWS,
    *fields.ROWS,
    *limits.ROWS,
)
TIMED = timing.ROWS
"""Those for a gateway that waits for nobody."""
