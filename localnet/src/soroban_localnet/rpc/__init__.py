"""The methods of Stellar RPC: one dispatcher, whatever the transport.

The in-process transport and the HTTP server both end in the Dispatcher. Each module holds the
methods of one subject, as functions of the node and their parameters.
Source: the JSON-RPC reference of Stellar RPC, and stellar-rpc's own handlers for what it leaves
open.
"""

from soroban_localnet.rpc.dispatcher import Dispatcher, Method
from soroban_localnet.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
)

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "Dispatcher",
    "Method",
    "RpcError",
]
