"""A queue with a table of its own, as a third owner beside `serve` and `node` would have it."""

import pytest
from tests.queue.owner import open_queue


@pytest.fixture
def reopen(tmp_path):
    """A function that opens the queue as the next process would; what was open lets go, nothing is put in order."""
    opened = []

    def again():
        while opened:
            opened.pop().close()
        folder, queue = open_queue(tmp_path / "q")
        opened.append(folder)
        return queue

    yield again
    while opened:
        opened.pop().close()


@pytest.fixture
def queue(reopen):
    return reopen()
