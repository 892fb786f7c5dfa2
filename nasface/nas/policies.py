"""Forward policies by name, one entry each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from nasface.errors import ConfigError
from nasface.nas.policy import ArgmaxPath, GumbelPath, Policy, Softmax, UniformPath
from nasface.registry import Registry

if TYPE_CHECKING:
    from nasface.nas.config import BilevelConfig

PolicyBuilder = Callable[["BilevelConfig", float], Policy]
"""(settings, share of the steps after the warm-up that is over, from 0 to 1) -> policy."""


@dataclass(frozen=True)
class PolicyEntry:
    """A policy by its name.

    ``build`` makes the policy of a step. ``runs_paths``: whether it executes few candidates of a
    node; then the warm-up visits all of them in turn, so that none is later compared before it was
    trained.
    """

    build: PolicyBuilder
    runs_paths: bool = True


POLICIES: Registry[PolicyEntry] = Registry("policy")
"""Name -> policy."""


METHODS: Mapping[str, str] = MappingProxyType(
    {
        "asfd": "argmax",
        "darts": "softmax, in a space with partial_channels 1",
        "pc-darts": "softmax, in a space with partial_channels above 1, such as autofem",
        "gdas": "gumbel, with every_edge",
        "spos": "uniform",
    }
)
"""Published method -> the policy that it has here."""


def find_policy(name: str) -> PolicyEntry:
    """Return the policy of a name.

    Raises:
        ConfigError: for an unknown one; for a method's name, saying the policy of the method.
    """
    method = name.lower().replace("_", "-")
    if name not in POLICIES and method in METHODS:
        raise ConfigError(f"policy: {name} is a method; expected {METHODS[method]}")
    return POLICIES.find(name)


def register_policy(name: str, build: PolicyBuilder, *, runs_paths: bool = True) -> None:
    """Add a policy; ``--policy`` and the methods of a comparison may then name it.

    See :class:`PolicyEntry` and :class:`nasface.nas.policy.Policy`.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    POLICIES.check_callable(name, build)
    POLICIES.add(name, PolicyEntry(build, runs_paths))


def _argmax(config: "BilevelConfig", share: float) -> Policy:
    """Return the policy of the best path, whose noise falls linearly to zero."""
    return ArgmaxPath(config.noise * max(0.0, 1 - share / config.noise_until), config.probes)


def _gumbel(config: "BilevelConfig", share: float) -> Policy:
    """Anneal the temperature linearly from its first to its last value."""
    first, last = config.temperature
    return GumbelPath(first + (last - first) * share, config.probes, config.every_edge)


register_policy("argmax", _argmax)
register_policy("gumbel", _gumbel)
register_policy("softmax", lambda config, share: Softmax(), runs_paths=False)
register_policy("uniform", lambda config, share: UniformPath())
