# case: a loop over elements
import requests
def load(users):
    for user in users:
        requests.get(user, timeout=1)
#> SC201 app.py:4 app.load
# case: a comprehension through a helper
import requests
def one(user):
    return requests.get(user, timeout=1)
def all(users):
    return [one(user) for user in users]
#> SC201 app.py:5 app.all > app.one > requests.get
# case: awaited together
import asyncio, httpx
async def all(client: httpx.AsyncClient, users):
    return await asyncio.gather(*(client.get(user) for user in users))
#> SC201 app.py:3 app.all
# case: a query for each row
from sqlalchemy.orm import Session
def all(session: Session, orders):
    for order in orders:
        order.user = session.get("User", order.user_id)
#> SC202 app.py:4 app.all
# case: a method of a service
import requests
class Prices:
    def get(self, product):
        return requests.get(product, timeout=1)
class Orders:
    def __init__(self, prices: Prices):
        self.prices = prices
    def total(self, lines):
        return sum(self.prices.get(line) for line in lines)
#> SC201 app.py:9 app.Orders.total > app.Prices.get > requests.get
# case: not: turning pages
import requests
def all():
    page = 1
    while page:
        page = requests.get(str(page), timeout=1).json()["next"]
# case: a retry loop is no loop over elements
import requests
def load():
    for attempt in range(3):
        try:
            return requests.get("u", timeout=1)
        except requests.RequestException:
            continue
#> SC302 app.py:5 app.load
# case: not: once before the loop
import requests
def load():
    for line in requests.get("u", timeout=1).iter_lines():
        print(line)
# case: not: zip and listdir
import os
def names(a, b):
    return [x for x in zip(a, b)] + [x for x in os.listdir(".")]
# case: not: a loop in another function
import requests
def one(user):
    return requests.get(user, timeout=1)
def two(user):
    return one(user)
# case: a query in a comprehension, through a repository
from sqlalchemy.orm import Session
class Users:
    def __init__(self, session: Session):
        self.session = session
    def get(self, id):
        return self.session.get("User", id)
def names(users: Users, ids):
    return [users.get(id) for id in ids]
#> SC202 app.py:8 app.names > app.Users.get > sqlalchemy.orm.Session.get
# case: a cursor in a loop
import psycopg2
def write(rows):
    cursor = psycopg2.connect("d").cursor()
    for row in rows:
        cursor.execute("insert", row)
#> SC202 app.py:5 app.write
# case: awaited one after another
import asyncpg
async def write(connection: asyncpg.Connection, rows):
    for row in rows:
        await connection.execute("insert", row)
#> SC202 app.py:4 app.write
# case: not: one query, many rows
from sqlalchemy.orm import Session
def all(session: Session):
    return [row.name for row in session.execute("select 1")]
# case: not: a loop over one element
import requests
def load():
    for url in ["u"]:
        requests.get(url, timeout=1)
# case: not: a loop that only makes functions
import requests
def jobs(users):
    return [lambda: requests.get(user, timeout=1) for user in users]

# case: loops over itertools.count and other counters
import itertools

import requests


def pages(url):
    for page in itertools.count(1):
        answer = requests.get(url, params={"page": page}, timeout=1).json()
        if not answer:
            return
