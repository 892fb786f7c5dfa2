"""Files of settings by name: ``preset:NAME`` stands wherever a command takes such a file.

Each lies in the folder of the command that it is for. Knows nothing of what the settings mean.
"""

from dataclasses import dataclass
from pathlib import Path

from nasface.errors import ConfigError, did_you_mean

PRESET_PREFIX = "preset:"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PresetFile:
    """A packaged file of settings for ``command``; ``text`` is the comment that it begins with."""

    name: str
    command: str
    path: Path

    @property
    def text(self) -> str:
        """What it is for, and a command that uses it."""
        lines = []
        for line in self.path.read_text("utf-8").splitlines():
            if not line.startswith("#"):
                break
            lines.append(line.removeprefix("#"))
        return "\n".join(line.removeprefix(" ") for line in lines)


def presets() -> dict[str, PresetFile]:
    """Return all presets by name, sorted by command and name."""
    return {
        path.stem: PresetFile(path.stem, path.parent.name, path)
        for path in sorted(_FOLDER.glob("*/*.yaml"))
    }


def preset_path(file: str | Path, command: str) -> Path:
    """Return the file of ``preset:NAME``, or any other file as it is given.

    Raises:
        ConfigError: for a name that no preset of the command has, and for one without a folder
            that is no file, but nearly that of a preset.
    """
    own = {name: each for name, each in presets().items() if each.command == command}
    if not str(file).startswith(PRESET_PREFIX):
        path = Path(file)
        near = did_you_mean(path.stem.rpartition(":")[2], own)
        if near and path.name == str(file) and not path.exists():
            near = near.replace("'", f"'{PRESET_PREFIX}", 1)
            raise ConfigError(f"{file}: is no file{near}")
        return path
    name = str(file).removeprefix(PRESET_PREFIX)
    if name not in own:
        names = ", ".join(own) or "a file, since it has no presets"
        raise ConfigError(
            f"{file}: no preset of nasface {command}; expected {names}{did_you_mean(name, own)}"
        )
    return own[name].path
