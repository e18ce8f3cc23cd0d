"""`python -m goodfit`: the command line, by whichever Python has goodfit."""

from goodfit.cli import main

main()
