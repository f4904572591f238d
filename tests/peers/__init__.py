"""Every net of the papers in PyTorch, and the weights and photographs on which it is compared with ours."""
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed", exc_type=ImportError)
