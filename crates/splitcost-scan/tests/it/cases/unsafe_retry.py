# case: tenacity without a limit
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
# case: urllib3 for all methods
from urllib3.util.retry import Retry
policy = Retry(total=3, backoff_factor=1, allowed_methods=None)
#> SC302 app.py:2 app
# case: not: with a limit and a pause
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
# case: tenacity without parentheses
import tenacity
@tenacity.retry
def load(): ...
#> SC302 app.py:3 app.load
# case: backoff without a limit
import backoff
@backoff.on_exception(backoff.expo, OSError)
def load(): ...
#> SC302 app.py:2 app
# case: urllib3 without a pause
from urllib3 import Retry
policy = Retry(total=3)
#> SC302 app.py:2 app
# case: a counted loop without a pause, through a helper
import requests
def once():
    return requests.get("u", timeout=1)
def load():
    for attempt in range(5):
        try:
            return once()
        except requests.RequestException:
            pass
#> SC302 app.py:7 app.load > app.once > requests.get
# case: not: the pause is in a helper
import time, requests
def pause(attempt):
    time.sleep(2 ** attempt)
def load():
    for attempt in range(5):
        try:
            return requests.get("u", timeout=1)
        except requests.RequestException:
            pause(attempt)
# case: a loop that success leaves
import requests
def load():
    for attempt in range(3):
        try:
            answer = requests.get("u", timeout=1)
        except requests.RequestException:
            continue
        return answer
#> SC302 app.py:5 app.load
# case: not: pages, inside a try
import requests
def load(url):
    found = []
    try:
        while url:
            answer = requests.get(url, timeout=1).json()
            found.append(answer)
            if answer["last"]:
                break
    except requests.RequestException:
        return []
    return found
# case: not: pages, with another way where one fails
import requests
def load(url):
    for page in range(100):
        try:
            answer = requests.get(url, params={"page": page}, timeout=1)
        except requests.HTTPError:
            url = "other"
            continue
        if answer.json()["last"]:
            break
        url = answer.json()["next"]
# case: not: a failure ends the loop
import requests
def load(urls):
    while True:
        try:
            return requests.get("u", timeout=1)
        except requests.RequestException:
            raise
