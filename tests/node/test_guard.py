"""A sender on the allow-list that lies about lengths, never ends, or falls silent in the midst of it."""

import queue
import resource
import socket
import struct
import time
from types import SimpleNamespace

import pytest
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.sop_class import ComputedRadiographyImageStorage

from lungspot.node.guard import GuardedSocket, MemoryBudget

ABORT = 7
MIB = 1 << 20


def request_pdu():
    """An association request for CR, as bytes."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "CR1", "LUNGSPOT"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    primitive.user_information = [length, implementation]
    context = build_context(ComputedRadiographyImageStorage)
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


@pytest.fixture
def associated():
    """A function that returns a bare connection on which an association to the node stands."""
    lines = []

    def to(node):
        line = socket.create_connection(("127.0.0.1", node.port), timeout=30)
        lines.append(line)
        line.sendall(request_pdu())
        kind, _, length = struct.unpack(">BBL", _exactly(line, 6))
        assert kind == 2
        _exactly(line, length)
        return line

    yield to
    for line in lines:
        line.close()


def _exactly(line, count):
    data = b""
    while len(data) < count:
        part = line.recv(count - len(data))
        if not part:
            return data
        data += part
    return data


def fragment(data, *, command=False, last=False):
    """A P-DATA-TF PDU with one fragment."""
    body = struct.pack(">LBB", len(data) + 2, 1, command | last << 1) + data
    return struct.pack(">BBL", 4, 0, len(body)) + body


def ended_by_abort(line):
    try:
        return _exactly(line, 6)[:1] in {bytes([ABORT]), b""}
    except ConnectionResetError:
        return True


def push(line, data, times):
    """Send as much as the node lets us."""
    sent = 0
    try:
        for _ in range(times):
            line.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


def test_a_pdu_longer_than_agreed_is_aborted_before_it_is_read(start_node, echo, associated):
    """600 MB behind a length of 4 GiB made pynetdicom alone grow by as much."""
    node = start_node()
    line = associated(node)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFFF))
    push(line, bytes(MIB), 600)
    assert ended_by_abort(line)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
    assert echo(node) == 0


def test_a_data_set_that_never_ends_is_aborted_at_the_limit(start_node, echo, associated, limits):
    node = start_node(limits=limits(data_set=4 * MIB))
    line = associated(node)
    push(line, fragment(bytes(64 * 1024)), 600)
    assert ended_by_abort(line)
    assert echo(node) == 0
    assert node.says("refused") == []


def test_a_command_that_never_ends_is_aborted(start_node, associated):
    node = start_node()
    line = associated(node)
    push(line, fragment(bytes(32 * 1024), command=True), 20)
    assert ended_by_abort(line)


def test_all_data_sets_together_have_a_limit(start_node, echo, associated, limits, wait_until):
    node = start_node(limits=limits(data_set=4 * MIB, in_memory=6 * MIB))
    lines = [associated(node) for _ in range(2)]
    for line in lines:
        push(line, fragment(bytes(64 * 1024)), 56)  # 3.5 MiB each: neither is too large alone
    assert ended_by_abort(lines[1])
    lines[0].close()
    wait_until(lambda: echo(node) == 0)

    def fits():
        with associated(node) as line:
            sent = push(line, fragment(bytes(64 * 1024)), 56)
            line.settimeout(0.2)
            try:
                return line.recv(1) is None  # an abort, or the end: no room
            except TimeoutError:
                return sent == 56 * (64 * 1024 + 12)
            except ConnectionError:
                return False

    wait_until(fits)  # what the others held is free again, once the node has seen that they are gone


@pytest.mark.parametrize(
    "data",
    [
        b"\x04\0",  # half a head
        struct.pack(">BBL", 4, 0, 1000) + b"x",  # a PDU that stops
        fragment(b"x" * 100),  # a data set that stops between two PDUs
    ],
)
def test_who_falls_silent_is_dismissed(start_node, echo, associated, limits, data):
    node = start_node(limits=limits(idle_seconds=0.5))
    line = associated(node)
    line.sendall(data)
    assert ended_by_abort(line)
    assert echo(node) == 0


def test_a_message_that_drips_is_aborted(start_node, associated, limits):
    node = start_node(limits=limits(message_seconds=0.2))
    line = associated(node)
    for _ in range(4):
        push(line, fragment(b"x"), 1)
        time.sleep(0.1)
    assert ended_by_abort(line)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">BBL", 4, 0, 6) + struct.pack(">LBB", 2, 1, 3),  # a command set of nothing
        struct.pack(">BBL", 4, 0, 5) + struct.pack(">LB", 1, 1),  # a fragment without its control byte
        struct.pack(">BBL", 4, 0, 8) + b"\xff\xff\xff\xff\1\3ab",  # a fragment longer than its PDU
        fragment(b"\0\0\0\0\xff\xff\xff\xff", command=True, last=True),  # a command set that is none
        struct.pack(">BBL", 9, 0, 4) + b"abcd",  # a PDU of no kind
    ],
)
def test_damaged_messages_are_aborted(start_node, echo, associated, data):
    node = start_node()
    line = associated(node)
    line.sendall(data)
    assert ended_by_abort(line)
    assert echo(node) == 0


def test_a_connection_that_its_peer_has_reset_is_closed(limits, reset):
    association = SimpleNamespace(dul=SimpleNamespace(event_queue=queue.Queue()))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as line:
        ours = server.accept()[0]
        guarded = GuardedSocket(association, ours, b"", limits())
        reset(line)
    guarded.close()
    assert ours.fileno() == -1  # not when the garbage collector finds it


def test_a_budget_gives_all_or_nothing():
    budget = MemoryBudget(10)
    assert budget.take(6)
    assert not budget.take(5)
    assert budget.take(4)
    budget.give(6)
    assert budget.take(6)
