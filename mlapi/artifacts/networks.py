"""What an estimator declares whose network has a file of its own, network.onnx, beside its pickle.

So a server, or anybody who reads ONNX, finds the network without unpickling anything. The first class that
does is `mlapi.estimators.algorithms.cnn.ConvolutionalNetwork`, which need not know these protocols.
"""

from typing import Any, Protocol, TypeGuard


class LoadsNetwork(Protocol):
    """What answers with a network that it is given."""

    def load_network(self, network: bytes) -> None:
        """Answer with this ONNX file.

        Raises:
            BrokenArtifact: It is no network that mlapi writes, or is for other pictures or classes.
        """
        ...


class CarriesNetwork(LoadsNetwork, Protocol):
    """A fitted estimator that holds its network, and can be pickled without it."""

    network_: bytes
    """The ONNX file."""

    def without_network(self) -> Any:
        """Return a copy without the network, which answers once it has loaded it again."""
        ...


def loads_network(part: Any) -> TypeGuard[LoadsNetwork]:
    """Return whether a compiled pipeline or an estimator takes a network.

    The class is asked, and never the object: a pickle can give an object any attribute.
    """
    return _has_method(part, "load_network")


def carries_network(estimator: Any) -> TypeGuard[CarriesNetwork]:
    """Return whether an estimator is of a class whose network has a file of its own.

    The class is asked, as in `loads_network`. An estimator that was pickled without its network is one too.
    """
    return _has_method(estimator, "without_network") and loads_network(estimator)


def _has_method(part: Any, name: str) -> bool:
    return callable(getattr(type(part), name, None))
