"""A command line, one of whose commands is a server."""

import click

from store import pricing


@click.group()
def shop():
    pass


@shop.command()
@click.argument("item", type=int)
def price(item):
    click.echo(pricing.price(item))


@shop.command()
@click.argument("port", type=int)
def serve(port):
    from wsgiref.simple_server import make_server

    from store.by_wsgi import app

    pricing.log()
    with make_server("127.0.0.1", port, app) as server:
        server.handle_request()


if __name__ == "__main__":
    shop()
