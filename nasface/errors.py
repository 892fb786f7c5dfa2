"""The one family of exceptions that nasface raises for a user's mistake.

Each message says what was wrong, where (file, key, value) and what would be accepted.
"""


class NasfaceError(Exception):
    """Base of every error that a user can cause and mend."""


class SpecError(NasfaceError, ValueError):
    """A search space or genotype that is malformed or does not fit."""


class DataError(NasfaceError):
    """A folder, annotation file or image that cannot be used."""


class ConfigError(NasfaceError, ValueError):
    """A setting outside its range or at odds with another one."""


class RunError(NasfaceError):
    """A run folder, checkpoint or weights file that cannot be used."""


class OutputError(NasfaceError, OSError):
    """A file that cannot be written. The file stays as it was; no part of the new one is left."""

    def __str__(self) -> str:
        return f"{self.filename}: cannot be written: {self.strerror}"


class ExportError(NasfaceError):
    """A detector that cannot be exported, or a file whose output is not the detector's."""


class MissingPackageError(NasfaceError, ImportError):
    """A package of an extra that is not installed."""
