"""An estimator with a network in a file of its own: which classes say that they are such."""

from sklearn.linear_model import LinearRegression

from mlapi.artifacts.networks import CarriesNetwork, LoadsNetwork, carries_network, loads_network
from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.inference.compiled.network import Network


def test_a_class_says_whether_it_carries_a_network() -> None:
    estimator: type[CarriesNetwork] = ConvolutionalNetwork  # both lines are checked by mypy
    pipeline: type[LoadsNetwork] = Network

    assert carries_network(estimator())
    assert loads_network(estimator())
    assert loads_network(pipeline.__new__(pipeline))
    assert not carries_network(pipeline.__new__(pipeline))
    assert not loads_network(LinearRegression())


def test_what_a_pickle_gives_to_an_object_is_not_taken_for_its_class() -> None:
    altered = LinearRegression()
    vars(altered).update(load_network=print, without_network=print, network_=b"")

    assert not carries_network(altered)
    assert not loads_network(altered)
