# case: tenacity without an end
import tenacity
@tenacity.retry(wait=tenacity.wait_fixed(1))
def load(): ...
#> SC302 app.py:2 app
# case: a loop without a pause
import requests
def load():
    while True:
        try:
            return requests.get("u", timeout=1)
        except requests.RequestException:
            continue
#> SC302 app.py:5 app.load
# case: all methods
from urllib3.util.retry import Retry
policy = Retry(total=3, backoff_factor=1, allowed_methods=None)
#> SC302 app.py:2 app
# case: not: with an end and a pause
import tenacity
@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential())
def load(): ...
# case: not: a loop that pauses
import time, requests
def load():
    while True:
        try:
            return requests.get("u", timeout=1)
        except requests.RequestException:
            time.sleep(1)
