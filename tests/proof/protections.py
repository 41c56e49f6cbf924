"""The statements that protect money, the lock, the key and paths, as the tests beside them name them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """A statement of a function (`module:Qualified.name`) without which a test (a pytest id) fails."""

    test: str
    function: str
    statement: str
    swap: tuple[str, str] | None = None

    @property
    def file(self) -> str:
        """The file of the statement, below the root of the repository."""
        return self.function.partition(":")[0].replace(".", "/") + ".py"

    def taken_out(self, source: str) -> str:
        """`source`, the text of `file`, without the statement.

        Raises:
            LookupError: it does not stand there once; with what to do about it.
        """
        statement = self._find(ast.parse(source))
        lines = source.splitlines(keepends=True)
        indent = " " * statement.col_offset
        without = "pass" if self.swap is None else self._swapped(ast.unparse(statement), *self.swap)
        replacement = "".join(f"{indent}{line}\n" for line in without.splitlines())
        end = statement.end_lineno or statement.lineno
        return "".join([*lines[: statement.lineno - 1], replacement, *lines[end:]])

    def _swapped(self, text: str, part: str, other: str) -> str:
        if text.count(part) != 1:
            raise LookupError(
                f"{self.test} swaps `{part}` in `{self.statement}` of {self.function}, where it stands "
                f"{text.count(part)} times: name a part that stands there once, as `ast.unparse` writes it."
            )
        return text.replace(part, other)

    def _find(self, module: ast.Module) -> ast.stmt:
        owner = _function(module, self.function.partition(":")[2])
        found = [] if owner is None else [each for each in _own(owner) if _begins(each, self.statement)]
        if len(found) == 1:
            return found[0]
        lacks = (
            f"{self.file} has no function of that name"
            if owner is None
            else f"{len(found)} statements begin with it"
        )
        raise LookupError(
            f"{self.test} says that it fails without `{self.statement}` in {self.function}, but {lacks}. "
            "Name the statement that protects now in its @fails_without, as `ast.unparse` writes it; or, where "
            "nothing needs protecting any more, delete the line."
        )


def _function(module: ast.Module, name: str) -> ast.AST | None:
    found: ast.AST | None = module
    for part in filter(None, name.split(".")):
        if found is None:
            return None
        inside = ast.iter_child_nodes(found)
        found = next(
            (
                each
                for each in inside
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and each.name == part
            ),
            None,
        )
    return found


def _own(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a function or a module, however deep, without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _own(child)


def _begins(statement: ast.stmt, text: str) -> bool:
    return ast.unparse(statement).startswith(text)


def protections() -> list[Protection]:
    """All that the tests name, in the order of the files."""
    return [each for path in sorted((ROOT / "tests").rglob("test_*.py")) for each in _named_in(path)]


def _named_in(path: Path) -> Iterator[Protection]:
    file = path.relative_to(ROOT).as_posix()
    body = ast.parse(path.read_bytes()).body
    classes = [(f"{node.name}::", node.body) for node in body if isinstance(node, ast.ClassDef)]
    for scope, nodes in [("", body), *classes]:
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                yield from _on(node, f"{file}::{scope}{node.name}")


def _on(node: ast.FunctionDef, test: str) -> Iterator[Protection]:
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "fails_without":
            function, statement = (ast.literal_eval(argument) for argument in each.args)
            swap = next((ast.literal_eval(keyword.value) for keyword in each.keywords), None)
            yield Protection(test=test, function=function, statement=statement, swap=swap)
