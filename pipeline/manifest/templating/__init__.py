"""Templates that may come from a stranger: they compute on data, and reach nothing else.

They may use an allow-list of constructs, filters and tests (`guard`, `filters`); their cost is counted while
they render (`values.Budget`). Every failure is a `TemplateError` with its line.
"""


class TemplateError(Exception):
    """A template is wrong, or failed on the values given to it. `line` counts from 1 within the template."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
