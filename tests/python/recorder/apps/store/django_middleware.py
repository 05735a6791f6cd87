"""A middleware of the app's own, as every Django app has some."""

from store import pricing


class Log:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        pricing.log()
        return self.get_response(request)
