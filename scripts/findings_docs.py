"""Write docs/findings.md from the catalogue of findings; `--check` only says whether it is up to date."""

import sys
from pathlib import Path

from goodfit.diagnose.catalogue import markdown

PAGE = Path(__file__).parents[1] / "docs" / "findings.md"

if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != markdown())
    PAGE.write_text(markdown())
