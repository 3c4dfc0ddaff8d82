"""``python -m llm_gateway.new_token [name]`` makes a token for a client of the gateway.

It prints the token, which is for the client and can be read nowhere else afterwards, and the line
for the configuration, which holds the token's hash alone.
"""

import sys
from collections.abc import Callable, Sequence
from secrets import token_urlsafe

from llm_gateway.config.scalars import client_name
from llm_gateway.secret import Secret

PREFIX = "sk-gw-"
"""By this a token that has got lost can be found, and told from others'."""
BYTES = 32
"""Of chance: nobody guesses it, so a plain SHA-256 tells nothing of it."""


def new_token(chance: Callable[[int], str] = token_urlsafe) -> Secret:
    """A token. ``chance`` gives a text of so many random bytes: letters, digits, ``-``, ``_``."""
    return Secret(PREFIX + chance(BYTES))


def lines(name: str, token: Secret) -> str:
    """What is told of a token: itself, and its item in ``gateway.tokens`` or in a tokens file."""
    return (
        f"# For the client. It is shown this once:\n"
        f"{token.reveal()}\n"
        f"# For the list gateway.tokens:\n"
        f"- {{name: {name}, sha256: {token.digest.hex()}}}"
    )


def main(arguments: Sequence[str]) -> None:
    """Print a new token, under the name that the arguments give. Ends the process if it is none."""
    try:
        name = client_name(" ".join(arguments) or "client")
    except ValueError as error:
        sys.exit(f"expected {error}")
    sys.stdout.write(f"{lines(name, new_token())}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
