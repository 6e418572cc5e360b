"""Tools for plugin authors: the contract suites of the built-in plugins, and a loopback chat server."""

from lm_eval_so.testing.backend_contract import backend_contract
from lm_eval_so.testing.chat_server import ChatServer, Reply, Seen
from lm_eval_so.testing.metric_contract import MetricCase, metric_contract

__all__ = ["ChatServer", "MetricCase", "Reply", "Seen", "backend_contract", "metric_contract"]
