"""Whether OpenTelemetry's standard variables ask for traces. Does not load its library."""

from collections.abc import Mapping

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


def asks_for_traces(variables: Mapping[str, str]) -> bool:
    """Whether an exporter or its endpoint is named and not turned off."""
    exporter = variables.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    return bool(exporter) or any(variables.get(name, "").strip() for name in _ENDPOINTS)


def unusable(variables: Mapping[str, str]) -> str | None:
    """Why the requested traces cannot be sent as requested; None if they can."""
    exporter = variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if exporter != "otlp":
        return "OTEL_TRACES_EXPORTER: only otlp is supported; no traces are sent"
    protocol = next(
        (variables[name].strip() for name in _PROTOCOLS if variables.get(name, "").strip()), _HTTP
    )
    if protocol != _HTTP:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL: only {_HTTP} is supported; no traces are sent"
    return None
