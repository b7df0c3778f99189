"""`python -m tudui` is the command `tudui`."""

from tudui.cli import main

main()
