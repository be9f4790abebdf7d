import subprocess
import sys

from lungspot.train.memory import keep_memory

COUNT = """
import resource
from lungspot.train.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        b"x" * (33 << 20)  # allocated, touched and freed: more than is ever kept unasked
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

mapped_anew = faults()
print(keep_memory(), mapped_anew, faults())
"""


def test_what_is_freed_is_used_again_and_not_mapped_anew():
    """In a process of its own, for it keeps what it had."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    asked, before, after = done.stdout.split()
    assert asked == "True"
    assert int(before) > 20 * 1000, "pages were touched that the kernel had to map"
    assert int(after) < int(before) / 10


def test_where_there_is_no_such_library_nothing_is_asked(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_memory()
