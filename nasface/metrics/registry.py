"""Protocols by name; code outside the package adds its own by :func:`register_protocol`."""

from collections.abc import Mapping
from types import MappingProxyType

from nasface.errors import ConfigError
from nasface.metrics.protocol import Protocol
from nasface.metrics.protocols.ap import AP
from nasface.metrics.protocols.coco import COCO
from nasface.metrics.protocols.fddb import FDDB
from nasface.metrics.protocols.widerface import WIDERFACE

_PROTOCOLS = {each.name: each for each in (AP, WIDERFACE, FDDB, COCO)}
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(_PROTOCOLS)
"""Name -> protocol."""


def register_protocol(new: Protocol) -> None:
    """Add a protocol.

    Raises:
        ConfigError: for a name that is taken or is no single word.
    """
    if new.name in _PROTOCOLS or not new.name.isidentifier():
        raise ConfigError(
            f"protocol {new.name!r}: expected a word that is none of {', '.join(_PROTOCOLS)}"
        )
    _PROTOCOLS[new.name] = new


def get_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ConfigError: for an unknown name.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"protocol: unknown {name!r}; expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
