"""The DICOM node: takes films from a hospital's senders, reads them, and gives the results back to its archive."""

from lungspot.node.audit import AuditEvent, AuditLog, Outcome, verify
from lungspot.node.certificates import Certificates
from lungspot.node.films import FilmFilter
from lungspot.node.guard import NetworkLimits
from lungspot.node.peers import Peer, Rule, parse_peer, parse_rule, require_ae_title
from lungspot.node.pull import QidoQuery
from lungspot.node.service import NodeSettings, run_node
from lungspot.node.spool import Job, Spool
from lungspot.node.status import DimseStatus, Rejection
from lungspot.node.ups import ItemQuery
from lungspot.node.worker import ResultOptions

__all__ = [
    "AuditEvent",
    "AuditLog",
    "Certificates",
    "DimseStatus",
    "FilmFilter",
    "ItemQuery",
    "Job",
    "NetworkLimits",
    "NodeSettings",
    "Outcome",
    "Peer",
    "QidoQuery",
    "Rejection",
    "ResultOptions",
    "Rule",
    "Spool",
    "parse_peer",
    "parse_rule",
    "require_ae_title",
    "run_node",
    "verify",
]
