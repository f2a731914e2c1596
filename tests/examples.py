"""How many examples Hypothesis tries: the same few in every run, and many others in `make soak`."""

from hypothesis import HealthCheck, settings

SOAK = "soak"
AT_LENGTH = 40  # times as many

settings.register_profile(SOAK)


def examples(count: int) -> settings:
    """Settings for that many examples. Those of every run are always the same, so that a red run
    can be seen again. No example is too slow, and fixtures may be made once for all of them."""
    at_length = settings.get_current_profile_name() == SOAK
    return settings(
        max_examples=count * (AT_LENGTH if at_length else 1),
        derandomize=not at_length,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        print_blob=at_length,
    )
