"""The table of bad input: what is sent to the gateway, and what is right."""
