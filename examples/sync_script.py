"""A plain script: print a story word by word, no event loop, no models.

    python examples/sync_script.py http://localhost:3400 "a fox"    # or your own server
    python examples/sync_script.py                                  # against a stub of its own

The server has a flow `story`: a text → chunks of text → the whole text. Where the story breaks off,
the reason goes to standard error and the exit code is 1.
"""

import sys
import time
from collections.abc import Callable

from streamflow_client import Client, FlowError
from streamflow_client.testing import StubServer


def main(url: str, topic: str) -> int:
    with Client(url) as client:
        story = client.flow("story", input=str, chunk=str, output=str)
        try:
            with story.stream(topic) as stream:
                for word in stream:
                    print(word, end=" ", flush=True)
                whole = stream.result()
        except FlowError as error:
            print(f"\nbroke off after {error.received} words: {error}", file=sys.stderr)
            return 1
    print(f"\n({len(whole)} characters)")
    return 0


def sample_server() -> StubServer:
    """What stands in for a server where no URL is given."""
    stub = StubServer()

    @stub.flow
    def story(topic: str, send: Callable[[str], None]) -> str:
        words = f"Once upon a time there was {topic}.".split()
        for word in words:
            time.sleep(0.1)
            send(word)
        return " ".join(words)

    return stub


if __name__ == "__main__":
    subject = sys.argv[2] if len(sys.argv) > 2 else "a fox"
    if len(sys.argv) > 1:
        sys.exit(main(sys.argv[1], subject))
    with sample_server() as server:
        sys.exit(main(server.url, subject))
