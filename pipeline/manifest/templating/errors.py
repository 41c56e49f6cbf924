"""The one error of a template."""


class TemplateError(Exception):
    """A template is wrong, or failed on the values given to it. `line` counts from 1 within the template."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
