"""Templates that may come from a stranger: they compute on data, and reach nothing else.

What may be written is an allow-list of constructs, filters and tests (`guard`, `filters`); what it costs is
counted while it renders (`values.Budget`). Whatever goes wrong is a `TemplateError` with its line.
"""
