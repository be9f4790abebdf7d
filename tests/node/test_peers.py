import pytest

from lungspot.errors import InputError
from lungspot.node.peers import Peer, admits, knows, parse_peer, parse_rule


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("PACS@10.0.0.1:104", Peer("PACS", "10.0.0.1", 104)),
        ("PACS@archive.example:11112", Peer("PACS", "archive.example", 11112)),
        ("MY PACS@[::1]:104", Peer("MY PACS", "::1", 104)),
    ],
)
def test_peers(text, peer):
    assert parse_peer(text) == peer


@pytest.mark.parametrize(
    "text",
    [
        *("", "PACS", "PACS@host", "@host:104", "PACS@:104", "PACS@host:0", "PACS@host:65536", "PACS@host:x"),
        *("SEVENTEEN_LETTERS@host:104", "A\\B@host:104", " @host:104", "A@B@host:104"),
        *(f"PACS@{'a' * 300}:104", "PACS@a..b:104"),
    ],
)
def test_what_is_no_peer(text):
    with pytest.raises(InputError) as found:
        parse_peer(text)
    assert found.value.code == "BAD_VALUE"


@pytest.mark.parametrize(
    ("rule", "ae", "address", "let_in"),
    [
        ("CR1@10.1.2.3", "CR1", "10.1.2.3", True),
        ("CR1@10.1.2.3", "CR2", "10.1.2.3", False),
        ("CR1@10.1.2.3", "CR1", "10.1.2.4", False),
        ("CR1@10.1.2.3", "cr1", "10.1.2.3", False),
        ("CR1@10.1.0.0/16", "CR1", "10.1.9.9", True),
        ("CR1@10.1.0.0/16", "CR1", "10.2.0.1", False),
        ("*@10.1.0.0/16", "ANY", "10.1.0.1", True),
        ("*@10.1.0.0/16", "ANY", "::ffff:10.1.0.1", True),  # how IPv4 looks on an IPv6 socket
        ("CR1@::1", "CR1", "::1", True),
        ("CR1@fe80::/10", "CR1", "fe80::1%eth0", True),
        ("CR1@::/0", "CR1", "10.1.2.3", False),
        ("CR1@localhost", "CR1", "127.0.0.1", True),
    ],
)
def test_rules(rule, ae, address, let_in):
    assert admits([parse_rule("OTHER@192.0.2.1"), parse_rule(rule)], ae, address) is let_in


def test_an_address_is_known_whoever_calls_from_it():
    rules = [parse_rule("CR1@10.1.2.3")]
    assert knows(rules, "10.1.2.3")
    assert not knows(rules, "10.1.2.4")
    assert not knows([], "10.1.2.3")


@pytest.mark.parametrize(
    "text",
    ["", "CR1", "CR1@", "@10.1.2.3", "CR\n1@10.1.2.3", "CR1@no.such.host.invalid", f"CR1@{'a' * 300}", "CR1@a..b"],
)
def test_what_is_no_rule(text):
    with pytest.raises(InputError):
        parse_rule(text)
