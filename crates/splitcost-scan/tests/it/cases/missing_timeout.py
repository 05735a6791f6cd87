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
# case: a timeout of None
import requests
requests.get("u", timeout=None)
#> SC301 app.py:2 app
# case: httpx with its default limit removed
import httpx
client = httpx.Client(timeout=None)
#> SC301 app.py:2 app
# case: aiohttp without a limit
import aiohttp
limit = aiohttp.ClientTimeout(total=None)
#> SC301 app.py:2 app
# case: urlopen
from urllib.request import urlopen
urlopen("u")
#> SC301 app.py:2 app
# case: not: a timeout is given
import requests
requests.get("u", timeout=3)
# case: not: the default limit of httpx
import httpx
httpx.get("u")
client = httpx.Client()
client.get("u")
# case: not: perhaps in the keyword arguments
import requests
def load(**kwargs):
    return requests.get("u", **kwargs)
# case: not: the third argument of urlopen
from urllib.request import urlopen
urlopen("u", None, 5)
# case: not: a session class of the program sets it
import requests
class Session(requests.Session):
    def request(self, *args, **kwargs):
        kwargs.setdefault("timeout", 5)
        return super().request(*args, **kwargs)
Session().get("u")
