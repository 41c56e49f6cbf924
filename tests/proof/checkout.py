"""A copy of the checkout, in which code may be broken."""

import shutil
import subprocess
from pathlib import Path

from proof.protections import ROOT


def copy_of_the_checkout(folder: Path) -> Path:
    """Every file that git knows or does not ignore, as it is now."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists() or (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder
