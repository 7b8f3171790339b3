"""``python -m flowlens`` is ``flowlens``."""

import sys

from flowlens.cli import main

sys.exit(main())
