"""``python -m nasface``: the commands, where the script ``nasface`` is not on the path."""

import sys

from nasface.cli.main import main

sys.exit(main())
