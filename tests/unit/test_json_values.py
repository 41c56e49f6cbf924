from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.json_values import canonical_json


@given(st.integers(-(2**53), 2**53))
def test_integral_float_equals_the_integer(number: int) -> None:
    assert canonical_json({"x": float(number)}) == canonical_json({"x": number})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_value_outside_json_is_rejected(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)
