"""Which tests come first, and which of them one worker runs one after the other."""

from xdist.scheduler import LoadFileScheduling

# What takes long comes first, and small files last: workers that are given file by file then end together. The tests of
# images come before all: they fork thousands of children, and a fork costs what its process has come to hold.
LONG = (
    *("tests/images/", "tests/serve/viewer/", "tests/serve/", "tests/web/", "tests/cli/", "tests/node/"),
    *("tests/batch/", "tests/train/", "tests/datasets/", "tests/evaluate/", "tests/formats/"),
    *("tests/study/", "tests/report/", "tests/test_"),
)

# Folders whose files share a server, a browser or the real films, which a worker more would start or read once more.
TOGETHER = (
    *(("tests/serve/viewer/",), ("tests/serve/", "tests/test_documents.py"), ("tests/web/",)),
    ("tests/datasets/", "tests/evaluate/", "tests/formats/"),
)


def rank(nodeid):
    """Return the place of a test's folder in LONG, from 0."""
    return next((at for at, each in enumerate(LONG) if nodeid.startswith(each)), len(LONG))


class ByFile(LoadFileScheduling):
    """All tests of a file are one worker's, and all of the folders that stand together in TOGETHER."""

    def _split_scope(self, nodeid):
        return next((each[0] for each in TOGETHER if nodeid.startswith(each)), super()._split_scope(nodeid))
