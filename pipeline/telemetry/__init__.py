"""What a run tells machines: metrics and traces. Loaded only where one of them is asked for."""
