"""The other service uses clients that it was given."""
import os


def bump(client, name):
    return [os.getpid(), client.incr(name)]


async def bump_async(client, name):
    return [os.getpid(), await client.incr(name)]


def fetch(client, path):
    return [os.getpid(), client.get(path).text]


async def fetch_async(client, path):
    return [os.getpid(), (await client.get(path)).text]


def identity(client):
    return [os.getpid(), id(client)]
