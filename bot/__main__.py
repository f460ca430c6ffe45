"""`python -m bot` is the console script `actcode`."""

import sys

from bot.cli import main

sys.exit(main())
