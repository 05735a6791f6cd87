"""Writes a SQLite file of books, authors and loans: `python seed.py library.db`."""

import random
import sqlite3
import sys

AUTHORS, BOOKS, LOANS = 200, 2_000, 6_000

draw = random.Random(7)
with sqlite3.connect(sys.argv[1]) as database:
    database.executescript(
        """
        create table authors (id integer primary key, name text, country text);
        create table books (
            id integer primary key, title text, year integer, author_id integer references authors(id), topic text
        );
        create table loans (id integer primary key, book_id integer references books(id), reader text, day text);
        create index books_author on books(author_id);
        create index loans_book on loans(book_id);
        """
    )
    database.executemany(
        "insert into authors values (?, ?, ?)",
        [
            (n, f"Author {n}", draw.choice(["Chile", "Ghana", "India", "Japan"]))
            for n in range(1, AUTHORS + 1)
        ],
    )
    database.executemany(
        "insert into books values (?, ?, ?, ?, ?)",
        [
            (
                n,
                f"Book {n}",
                draw.randint(1900, 2025),
                draw.randint(1, AUTHORS),
                draw.choice(["history", "poetry", "science", "travel"]),
            )
            for n in range(1, BOOKS + 1)
        ],
    )
    database.executemany(
        "insert into loans values (?, ?, ?, ?)",
        [
            (n, draw.randint(1, BOOKS), f"reader{draw.randint(1, 300)}", f"2025-{draw.randint(1, 12):02}-01")
            for n in range(1, LOANS + 1)
        ],
    )
