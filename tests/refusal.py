"""What every InputError must be: one line that names what is wrong."""
import pytest

from minifcn.errors import InputError


def refused(call, *words):
    with pytest.raises(InputError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message
