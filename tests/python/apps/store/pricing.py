"""A service object at module level."""


class Pricing:
    def __init__(self):
        self.rates = {}

    def price(self, item):
        return 2 * item


service = Pricing()
