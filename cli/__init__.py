"""The commands: each module parses, calls one function of `nce_train.api`, and prints."""

import os
import sys

from nce_train.cli._signals import exit_on_signals

# Importing takes a tenth of a second, and Ctrl-C would show a traceback. "-m" is the name until a module is found.
if os.path.basename(sys.argv[0]).startswith("nce-") or sys.argv[0] == "-m":
    exit_on_signals()
