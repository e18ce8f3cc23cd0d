"""Print the requirements of dependency groups of pyproject.toml, a line each: `group.py test check`."""

import sys
import tomllib
from pathlib import Path

groups = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["dependency-groups"]
print("\n".join(requirement for name in sys.argv[1:] for requirement in groups[name]))
