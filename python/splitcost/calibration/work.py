"""Work as apps do it around a call: short pieces of much different code, which drive each other out of the caches.

A loop over a few lines would not: the code of a call, and that of the app around it, would stay in the caches as they
do in no app.
"""

from __future__ import annotations

import configparser
import copy
import csv
import difflib
import fractions
import html.parser
import inspect
import io
import ipaddress
import json
import logging
import pprint
import shlex
import statistics
import string
import textwrap
import tokenize
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from email import message_from_string
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree


def _email() -> Any:
    return message_from_string("From: a@b.example\nSubject: hello\nContent-Type: text/plain\n\nhi\n").items()


def _html() -> Any:
    return html.parser.HTMLParser().feed("<p class='a'>x<b id=1>y</b></p>")


def _json() -> Any:
    return json.JSONEncoder(sort_keys=True, indent=1).encode({"a": [1, 2.5, None, True], "b": {"c": "d"}})


def _shell() -> Any:
    return shlex.split("a 'b c' --d=\"e f\" g")


def _url() -> Any:
    return parse_qs(urlsplit("http://h.example:80/p/a?x=1&y=2%20z&x=3#f").query)


def _text() -> Any:
    return textwrap.fill("the quick brown fox jumps over the lazy dog again and again", 20)


def _numbers() -> Any:
    return Decimal("1.25").quantize(Decimal("0.1")), fractions.Fraction("3/7") + fractions.Fraction(1, 3)


def _networks() -> Any:
    return ipaddress.ip_network("10.1.2.0/24").overlaps(ipaddress.ip_network("10.1.0.0/16"))


def _difference() -> Any:
    return difflib.SequenceMatcher(None, "abcdefgh", "abxdefzh").ratio()


def _xml() -> Any:
    return ElementTree.tostring(ElementTree.fromstring("<a b='1'><c>t</c><d/></a>"))


def _csv() -> Any:
    return list(csv.DictReader(io.StringIO("a,b\n1,2\n3,4\n")))


def _settings() -> Any:
    parser = configparser.ConfigParser()
    parser.read_string("[a]\nb=1\nc=%(b)s2\n")
    return parser.get("a", "c")


def _signature() -> Any:
    return inspect.signature(logging.basicConfig), inspect.signature(pprint.pformat)


def _template() -> Any:
    return string.Template("$a and ${b}").substitute(a=1, b=2), "{:>10.2f} {!r}".format(2.5, "x")


def _log() -> Any:
    return logging.Formatter("%(asctime)s %(levelname)s %(message)s").format(
        logging.LogRecord("name", logging.INFO, "path", 1, "message %d", (3,), None)
    )


def _cookie() -> Any:
    return SimpleCookie("a=b; c=d").output()


def _copy() -> Any:
    return copy.deepcopy({"a": [1, {"b": (2, 3)}], "c": {"x": 1}})


def _printed() -> Any:
    return pprint.pformat({"a": list(range(5)), "b": {"c": "d" * 20}}, width=20)


def _statistics() -> Any:
    return statistics.stdev([1.0, 2.5, 3.5, 9.0])


def _tokens() -> Any:
    return list(tokenize.generate_tokens(io.StringIO("x = f(1, 'a')\n").readline))


def _time() -> Any:
    return datetime.strptime("2026-11-30 10:11", "%Y-%m-%d %H:%M").isoformat()


def _identifier() -> Any:
    return uuid.uuid5(uuid.NAMESPACE_DNS, "x")


_PIECES: list[Callable[[], Any]] = [
    _email,
    _html,
    _json,
    _shell,
    _url,
    _text,
    _numbers,
    _networks,
    _difference,
    _xml,
    _csv,
    _settings,
    _signature,
    _template,
    _log,
    _cookie,
    _copy,
    _printed,
    _statistics,
    _tokens,
    _time,
    _identifier,
]


def work(pieces: int, first: int = 0) -> None:
    """Do so many pieces of work, from the piece of this number on, over and over. One takes some 20 µs."""
    for number in range(first, first + pieces):
        _PIECES[number % len(_PIECES)]()
