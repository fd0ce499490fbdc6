"""``python -m d3wrap`` is the command line ``d3wrap``."""

from d3wrap.cli import main

main(prog_name="d3wrap")
