# case: json while a request is answered
import json
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def handler():
    return json.dumps({"a": 1})
#> SC401 app.py:6 app.handler
# case: a datetime
import json
from datetime import datetime
json.dumps({"at": datetime.now()})
#> SC402 app.py:3 app
# case: a decimal in a list
import json
from decimal import Decimal
def encode():
    return json.dumps({"rows": [Decimal("1")]})
#> SC402 app.py:4 app.encode
# case: bytes and a set
import json
json.dumps(b"x")
json.dumps({1, 2})
#> SC402 app.py:2 app
#> SC402 app.py:3 app
# case: an object of the program
import json
class Order: ...
json.dumps({"order": Order()})
#> SC402 app.py:3 app
# case: vars in a response
from fastapi import FastAPI
from fastapi.responses import JSONResponse
app = FastAPI()
class User: ...
@app.get("/")
def handler():
    return JSONResponse(vars(User()))
#> SC403 app.py:7 app.handler
# case: a dict of an object is returned
from fastapi import FastAPI
app = FastAPI()
class User: ...
@app.get("/")
def handler():
    return User().__dict__
#> SC403 app.py:5 app.handler
# case: all rows
from fastapi import FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
class Item: ...
@app.get("/")
def handler(session: Session):
    return session.query(Item).all()
#> SC404 app.py:6 app.handler
# case: not: converted
import json
from datetime import datetime
json.dumps({"at": datetime.now().isoformat()})
# case: not: with a default
import json
from datetime import datetime
json.dumps({"at": datetime.now()}, default=str)
# case: not: json in a script
import json
print(json.dumps({"a": 1}))
# case: not: a page of rows
from fastapi import FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
class Item: ...
@app.get("/")
def handler(session: Session):
    return session.query(Item).limit(50).all()
# case: not: an enum
import json
from enum import IntEnum
class Kind(IntEnum):
    A = 1
json.dumps(Kind.A)
# case: json in a helper of a route
import json
from flask import Flask
app = Flask(__name__)
def encode(value):
    return json.dumps(value)
@app.route("/")
def handler():
    return encode({"a": 1})
#> SC401 app.py:5 app.encode
# case: json.loads while a request is answered
import json
from fastapi import FastAPI
app = FastAPI()
@app.post("/")
async def handler(request):
    return json.loads(await request.body())
#> SC401 app.py:6 app.handler
# case: another name of json, in a method
from json import dumps as encode
from fastapi import APIRouter
router = APIRouter()
class Page:
    def text(self):
        return encode([1])
@router.get("/")
def handler():
    return Page().text()
#> SC401 app.py:6 app.Page.text
# case: a copy of an object's dict in a list
from fastapi import FastAPI
app = FastAPI()
class User: ...
@app.get("/")
def handler():
    return [User().__dict__.copy()]
#> SC403 app.py:5 app.handler
# case: vars through a helper
from flask import Flask
app = Flask(__name__)
class User: ...
def shown(user):
    return vars(user)
@app.route("/")
def handler():
    return shown(User())
#> SC403 app.py:7 app.handler
# case: not: vars that stay inside
from fastapi import FastAPI
app = FastAPI()
class User: ...
@app.get("/")
def handler():
    return len(vars(User()))
# case: all rows of a helper
from fastapi import FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
class Item: ...
def items(session: Session):
    return session.query(Item).filter(1).all()
@app.get("/")
def handler(session: Session):
    return items(session)
#> SC404 app.py:8 app.handler
# case: all rows in a dictionary
from fastapi import FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
class Item: ...
@app.get("/")
def handler(session: Session):
    return {"items": session.query(Item).all()}
#> SC404 app.py:6 app.handler
# case: not: the first row
from fastapi import FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
class Item: ...
@app.get("/")
def handler(session: Session):
    return session.query(Item).first()
# case: all rows, through a repository
from flask import Flask
from sqlalchemy.orm import Session
app = Flask(__name__)
class Item: ...
class Items:
    def __init__(self, session: Session):
        self.session = session
    def all(self):
        return self.session.query(Item).all()
@app.route("/")
def handler():
    return Items(Session()).all()
#> SC404 app.py:11 app.handler
# case: not: a set that became a list
import json
def encode(names):
    unique = {name for name in names}
    return json.dumps(list(unique) + sorted(set(names)))
json.dumps(list(set([1])))
# case: not: the elements of a set
import json
def encode(names: set[str]):
    return json.dumps([{"name": name} for name in names])
# case: not: a value of the same name from another caller
import json
from datetime import datetime
def call(**options):
    return json.dumps({"a": 1, **options})
def log(**options):
    return options
def both():
    call(end=1)
    log(end=datetime.now())
# case: not: printed by a command
import json
class User: ...
def show():
    print(json.dumps(vars(User()), default=str))
# case: not: one attribute of an object
from fastapi import FastAPI
app = FastAPI()
class User: ...
@app.get("/")
def handler():
    return User().__dict__["name"]
# case: not: a cursor, whose query may have a limit
import sqlite3
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def handler():
    return sqlite3.connect("f").cursor().execute("select * from a limit 5").fetchall()
