"""Weights on the Hugging Face Hub: ``hf://owner/name``, or ``hf://owner/name@revision``.

Needs the extra ``hub``. The environment's ``HF_ENDPOINT`` names another address of the Hub,
``HF_TOKEN`` who asks, ``HF_HOME`` the folder in which files are kept.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasface.errors import ConfigError, RunError
from nasface.optional import need

WEIGHTS, CARD, CARD_DRAWING = "model.safetensors", "README.md", "genotype.png"
"""The files of a detector in the Hub's form."""

# A path in between leaves one of the two slashes.
_ADDRESS = re.compile(r"hf:/{1,2}(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class HubAddress:
    """A repository ``owner/name`` of the Hub, and its branch, tag or commit, if not the newest."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_address(name: str | Path) -> bool:
    """Return whether a name of weights begins like an address of the Hub."""
    return str(name).startswith("hf:/")


def parse_hub_address(name: str | Path) -> HubAddress:
    """Return the parts of an address.

    Raises:
        ConfigError: unless it has the form ``hf://owner/name`` or ``hf://owner/name@revision``.
    """
    match = _ADDRESS.fullmatch(str(name))
    if match is None:
        raise ConfigError(f"{name}: expected hf://owner/name or hf://owner/name@revision")
    return HubAddress(f"{match['owner']}/{match['name']}", match["revision"])


def download_weights(address: HubAddress) -> Path:
    """Fetch the weights of a repository, unless they are there from an earlier time.

    Raises:
        RunError: if the repository or its weights are not there, or the Hub cannot be reached.
        MissingPackageError: without the extra ``hub``.
    """
    hub = need("huggingface_hub", "nasface[hub]")
    with hub_errors(str(address)):
        return Path(hub.hf_hub_download(address.repository, WEIGHTS, revision=address.revision))


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn what the Hub's library raises into a :class:`RunError` of one line."""
    errors = need("huggingface_hub.errors", "nasface[hub]")
    try:
        yield
    except errors.RepositoryNotFoundError:
        raise RunError(
            f"{what}: no such repository, or not one that may be seen without a token (HF_TOKEN)"
        ) from None
    except errors.RevisionNotFoundError:
        raise RunError(f"{what}: the repository has no such revision") from None
    except errors.LocalEntryNotFoundError:
        raise RunError(f"{what}: the Hub cannot be reached, and no earlier copy is here") from None
    except errors.EntryNotFoundError:
        raise RunError(
            f"{what}: holds no {WEIGHTS}; expected a repository made by push_to_hub"
        ) from None
    except (OSError, ValueError, errors.HfHubHTTPError) as problem:
        raise RunError(f"{what}: {' '.join(str(problem).split())[:300]}") from None
