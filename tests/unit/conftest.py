from hypothesis import HealthCheck, settings

# How fast an example is drawn or run depends on the machine, and tells nothing of the code.
settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
