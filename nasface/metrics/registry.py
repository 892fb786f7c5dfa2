"""Protocols by name; code outside the package adds its own by :func:`register_protocol`."""

from nasface.errors import ConfigError
from nasface.metrics.protocol import Protocol
from nasface.metrics.protocols.ap import AP
from nasface.metrics.protocols.coco import COCO
from nasface.metrics.protocols.fddb import FDDB
from nasface.metrics.protocols.widerface import WIDERFACE
from nasface.registry import Registry

PROTOCOLS: Registry[Protocol] = Registry("protocol")
"""Name -> protocol."""


def register_protocol(entry: Protocol) -> None:
    """Add a protocol of evaluation.

    Raises:
        ConfigError: for a name that is taken or is no single word, or what is no protocol.
    """
    PROTOCOLS.check_entry(entry, Protocol)
    if not entry.name.isidentifier():
        raise ConfigError(f"protocol {entry.name!r}: expected a single word")
    PROTOCOLS.add(entry.name, entry)


for each in (AP, WIDERFACE, FDDB, COCO):
    register_protocol(each)
