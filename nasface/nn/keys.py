"""Names of cells and nodes as keys of torch's module containers."""

from torch import nn

_TAKEN = frozenset(dir(nn.ModuleDict())) | frozenset(dir(nn.ParameterDict()))


def module_key(name: str) -> str:
    """Return the key of a name: the name itself, unless torch has an attribute of that name.

    Names have no hyphen, so that no two have the same key.
    """
    return f"{name}-" if name in _TAKEN else name


def name_of(key: str) -> str:
    """Return the name of a key, however torch's attributes may have changed since."""
    return key.removesuffix("-")
