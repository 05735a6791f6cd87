# case: for every request
import httpx
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def handler():
    async with httpx.AsyncClient() as client:
        return await client.get("u")
#> SC303 app.py:6 app.handler
# case: in a helper of a route
import requests
from fastapi import FastAPI
app = FastAPI()
def load():
    session = requests.Session()
    return session.get("u", timeout=1)
@app.get("/")
def handler():
    return load()
#> SC303 app.py:5 app.load
# case: in each round of a loop
import requests
def load(users):
    for user in users:
        requests.Session().get(user, timeout=1)
#> SC201 app.py:4 app.load
#> SC303 app.py:4 app.load
# case: not: once, in a module
import httpx
client = httpx.AsyncClient()
# case: not: once, in a constructor
import httpx
class Service:
    def __init__(self):
        self.client = httpx.Client()
# case: not: cached
import httpx
from functools import lru_cache
from fastapi import FastAPI
app = FastAPI()
@lru_cache
def client():
    return httpx.Client()
@app.get("/")
def handler():
    return client().get("u").json()
# case: not: a script
import requests
def main():
    session = requests.Session()
    session.get("u", timeout=1)
main()
# case: a TLS context for every request
import ssl
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def handler():
    context = ssl.create_default_context()
    return context.check_hostname
#> SC303 app.py:6 app.handler
# case: a cloud client in each round of a loop
import boto3
def copy(keys):
    for key in keys:
        boto3.client("s3").get_object(Key=key)
#> SC201 app.py:4 app.copy
#> SC303 app.py:4 app.copy
