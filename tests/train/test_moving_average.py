import pytest
import torch
from torch import nn

from lungspot.train.moving_average import moving_average


class Net(nn.Module):
    """One weight, one statistic and one count."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))


def values(average):
    net = average.module
    return net.weight.tolist(), net.mean.tolist(), int(net.seen)


@pytest.mark.parametrize(
    ("begun", "asked", "weights"),
    [
        (False, [1, 2], [8.0, 6.0, 5.0]),  # 8, then half way to 4, then half way to 4
        (True, [0, 1, 2], [4.0, 4.0, 4.0]),  # from 0 half way to 8, then to 4
    ],
)
def test_weights_and_statistics_follow_and_counts_are_copied(begun, asked, weights):
    net, counts = Net(), []

    def keep(count):
        counts.append(count)
        return 0.5

    average = moving_average(net, keep, begun=begun)
    for step, (value, wanted) in enumerate(zip((8.0, 4.0, 4.0), weights, strict=True), 1):
        with torch.no_grad():
            net.weight.fill_(value)
            net.mean.fill_(value)
            net.seen.fill_(step)
        average.update_parameters(net)
        assert values(average) == ([wanted] * 2, [wanted], step)
    assert counts == asked
    assert net.weight.tolist() == [4.0, 4.0]  # the network itself goes its own way


def test_all_or_nothing_may_stay():
    net = Net()
    kept, left = moving_average(net, lambda _: 1.0, begun=True), moving_average(net, lambda _: 0.0, begun=True)
    with torch.no_grad():
        net.weight.fill_(3)
    for average in (kept, left):
        average.update_parameters(net)
    assert (values(kept)[0], values(left)[0]) == ([0.0, 0.0], [3.0, 3.0])
