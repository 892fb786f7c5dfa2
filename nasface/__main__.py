"""``python -m nasface``: the commands, where the script ``nasface`` is not on the path."""

import sys

from nasface.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
