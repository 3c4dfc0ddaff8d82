"""What the client sees: the front door, routes, validation, OpenAI's bodies."""
