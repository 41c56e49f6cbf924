"""Changes the modules that decide over money, one operator at a time, and sees their tests fail; for `make proof`.

The mutations are made by cosmic-ray, in a copy of the checkout. A mutant that no test notices is a survivor.
"""

import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proof.checkout import copy_of_the_checkout

# Each module that decides whether something is bought, with the tests that hold it.
MODULES = {
    "pipeline/providers/create_outcome.py": ("tests/unit/providers/test_create_outcome.py",),
    "pipeline/providers/address.py": (
        "tests/unit/providers/test_address.py",
        "tests/unit/providers/test_download.py",
    ),
    "pipeline/engine/create.py": ("tests/unit/engine",),
    "pipeline/state/transitions.py": (
        "tests/unit/state/test_transitions.py",
        "tests/unit/test_purchases.py",
        "tests/unit/test_records.py",
    ),
    "pipeline/state/recovery.py": ("tests/unit/state/test_recovery.py", "tests/unit/test_purchases.py"),
    "pipeline/state/folder.py": ("tests/unit/state/test_folder.py", "tests/unit/state/test_state_file.py"),
    "pipeline/state/lock.py": (
        "tests/unit/state/test_lock_holder.py",
        "tests/unit/state/test_lock.py",
        "tests/unit/state/test_processes.py",
    ),
}

# What is changed: conditions and exceptions. The rest (numbers, `|` of types, decorators) mostly makes code that
# does not load, which proves nothing.
OPERATORS = (
    r"core/(AddNot|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceUnaryOperator_Delete_Not|ZeroIterationForLoop"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ExceptionReplacer|ReplaceFalseWithTrue"
    r"|ReplaceComparisonOperator_(Is_IsNot|IsNot_Is|Eq_NotEq|NotEq_Eq|Lt_GtE|LtE_Gt|Gt_LtE|GtE_Lt|Lt_LtE|LtE_Lt))"
)

# A field of the engine's parts that its `__init__` would take as well is used by no caller: no test can tell.
_HARMLESS = re.compile(r"^\+.*init=True\)$", re.MULTILINE)

_CONFIG = """\
[cosmic-ray]
module-path = "{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -n0 -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = ['^(?!{operators}$).*']
"""


def survivors(module: str) -> Iterator[str]:
    """The changes to `module` with which all of its tests pass, each as a diff."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_of_the_checkout(Path(folder).resolve())
        config = _CONFIG.format(
            module=module, python=sys.executable, tests=" ".join(MODULES[module]), operators=OPERATORS
        )
        (root / "mutants.toml").write_text(config)
        tools = Path(sys.executable).parent
        for command in (
            [tools / "cosmic-ray", "init", "mutants.toml", "mutants.sqlite"],
            [tools / "cr-filter-operators", "mutants.sqlite", "mutants.toml"],
            [tools / "cosmic-ray", "exec", "mutants.toml", "mutants.sqlite"],
        ):
            subprocess.run(
                ["env", f"PYTHONPATH={root}", *map(str, command)], cwd=root, check=True, capture_output=True
            )
        with sqlite3.connect(root / "mutants.sqlite") as session:
            rows = session.execute(
                "SELECT diff FROM work_results WHERE test_outcome = 'SURVIVED' ORDER BY job_id"
            ).fetchall()
    yield from (str(diff) for (diff,) in rows if not _HARMLESS.search(str(diff)))
