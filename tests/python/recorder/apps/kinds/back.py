"""Takes values."""


def take(value):
    return value


def apply(function, order):
    function(order)
