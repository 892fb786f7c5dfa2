"""The Ray cluster on which runs of comparisons and trials of tunings are computed."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nasface.errors import ConfigError
from nasface.optional import need
from nasface.registry import EXTENSIONS

_CARRIED = (EXTENSIONS, "PYTHONPATH")
"""What of this environment the processes on other machines need."""
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Of a cluster that is started here: it sends nothing to the makers of Ray, and its runs have the
priority of any other program, where Ray gives 15 to its processes."""


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[Any]:
    """Connect to the cluster at ``address``, such as ``head:6379``, or ``RAY_ADDRESS``; without
    either, have one on this machine. Gives the module ``ray``.

    Raises:
        ConfigError: for a cluster that cannot be reached. MissingPackageError: without the extra
            ``ray``.
    """
    ray = need("ray", "nasface[ray]")
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    carried = {name: os.environ[name] for name in _CARRIED if name in os.environ}
    try:
        _check_listens(address)  # Ray tries for many minutes
        ray.init(
            address,
            runtime_env={"env_vars": carried} if carried else None,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (OSError, ValueError) as problem:
        raise ConfigError(f"address: {address}: {' '.join(str(problem).split())}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address: str | None) -> None:
    """Raise OSError if nothing listens at an address that names host and port."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        with socket.create_connection((host, int(port)), timeout=10):
            pass
