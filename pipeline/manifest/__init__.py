"""Text becomes a campaign, and a campaign its jobs."""

from pipeline.manifest.discover import find
from pipeline.manifest.expansion import count, expand
from pipeline.manifest.loading import load
from pipeline.manifest.model import Campaign, Limits, OutputSettings, ProviderSettings

__all__ = ["Campaign", "Limits", "OutputSettings", "ProviderSettings", "count", "expand", "find", "load"]
