"""An ordinary class: wherever an instance is made, it is local."""


class Line:
    def __init__(self, item):
        self.item = item

    def shown(self):
        return f"line {self.item}"
