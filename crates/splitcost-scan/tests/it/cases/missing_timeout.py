# case: requests
import requests
requests.get("u")
#> SC301 app.py:2 app
# case: a session
import requests
def load():
    session = requests.Session()
    return session.post("u")
#> SC301 app.py:4 app.load
# case: None
import requests
requests.get("u", timeout=None)
#> SC301 app.py:2 app
# case: httpx without its limit
import httpx
client = httpx.Client(timeout=None)
#> SC301 app.py:2 app
# case: aiohttp without one
import aiohttp
limit = aiohttp.ClientTimeout(total=None)
#> SC301 app.py:2 app
# case: urlopen
from urllib.request import urlopen
urlopen("u")
#> SC301 app.py:2 app
# case: not: it has one
import requests
requests.get("u", timeout=3)
# case: not: httpx has one by itself
import httpx
httpx.get("u")
client = httpx.Client()
client.get("u")
# case: not: perhaps in the keywords
import requests
def load(**kwargs):
    return requests.get("u", **kwargs)
# case: not: the third of urlopen
from urllib.request import urlopen
urlopen("u", None, 5)
# case: not: a session of the program sets it
import requests
class Session(requests.Session):
    def request(self, *args, **kwargs):
        kwargs.setdefault("timeout", 5)
        return super().request(*args, **kwargs)
Session().get("u")
