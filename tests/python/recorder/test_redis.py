"""Commands of redis-py, against a real Redis."""

from __future__ import annotations

import random

import pytest
from recorder_support import Log, Runs
from test_statements import line_of, run, statements

COMMANDS = """
def work(socket):
    import redis
    with redis.Redis(unix_socket_path=socket) as client:
        client.flushdb()
        client.set("secret-key", "secret" * 10)
        assert client.get(b"secret-key") == b"secret" * 10
        client.hset("secret-hash", mapping={"secret-field": "secret", "b": 2})
        assert len(client.hgetall("secret-hash")) == 2
        client.sadd("secret-set", "secret", "b", "c")
        assert len(client.smembers("secret-set")) == 3
        client.config_get("maxmemory")
        client.execute_command("GET secret-key")
        for name in ("secret", "SECRET secret"):
            try:
                client.execute_command(name, "secret")
            except redis.ResponseError:
                pass
        with client.pipeline() as pipeline:
            pipeline.get("secret-key").get("secret-key").incrby("secret-number", 5)
            assert len(pipeline.execute()) == 3
            assert pipeline.execute() == []
            pipeline.watch("secret-key")
            pipeline.get("secret-key")
            pipeline.multi()
            pipeline.set("secret-key", "secret")
            pipeline.execute()
        with client.pubsub() as channel:
            channel.subscribe("secret-channel")

async def later(socket):
    import redis.asyncio
    async with redis.asyncio.Redis(unix_socket_path=socket) as client:
        await client.set("secret-key", "secret")
        assert await client.get("secret-key") == b"secret"
        async with client.pipeline() as pipeline:
            pipeline.get("secret-key").mget(["secret-key", "b"])
            assert len(await pipeline.execute()) == 2
        await asyncio.gather(*[client.get("secret-key") for _ in range(3)])

import asyncio
"""


def check_secret(log: Log) -> None:
    """Check that no key and no value is in the log."""
    assert b"secret" not in log.path.read_bytes().lower()


def test_commands(runs: Runs, redis: str) -> None:
    """The name of each command, the names of a pipeline's, sizes, and elements of answers."""
    log = run(runs, "commands.py", COMMANDS, f"work({redis!r})")
    found = statements(log)
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("FLUSHDB", 0),
        ("SET", 0),
        ("GET", 1),
        ("HSET", 0),
        ("HGETALL", 2),
        ("SADD", 0),
        ("SMEMBERS", 3),
        ("CONFIG GET", 1),
        ("GET", 1),
        ("(other)", 0),
        ("(other)", 0),
        ("PIPELINE GET, INCRBY", 3),
        ("WATCH", 0),
        ("GET", 1),
        ("PIPELINE SET", 1),
        ("SUBSCRIBE", 0),
    ]
    assert {s["by"] for s in found} == {"commands:work"}
    assert found[1]["parameter_bytes"] == len("SET") + len("secret-key") + 60
    assert found[2]["row_bytes"] == 60
    assert found[2]["place"] == ("commands.py", line_of(COMMANDS, 'client.get(b"secret-key")'))
    assert all(s["nanos"] > 0 and s["transaction"] == 0 for s in found)
    check_secret(log)


def test_commands_of_coroutines(runs: Runs, redis: str) -> None:
    """The same, by coroutines, several at once."""
    log = run(runs, "commands.py", COMMANDS, f"asyncio.run(later({redis!r}))")
    found = statements(log)
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("SET", 0),
        ("GET", 1),
        ("PIPELINE GET, MGET", 2),
        *[("GET", 1)] * 3,
    ]
    assert {s["by"] for s in found} == {"commands:later"}
    assert found[4]["row_bytes"] == len("secret")
    check_secret(log)


CANARY = """
def send(socket, commands, is_pipeline):
    import redis
    client = redis.Redis(unix_socket_path=socket)
    sender = client.pipeline(transaction=False) if is_pipeline else client
    for command in commands:
        try:
            sender.execute_command(*command)
        except redis.ResponseError:
            pass
    if is_pipeline:
        sender.execute(raise_on_error=False)
"""


@pytest.mark.parametrize("is_pipeline", [False, True])
def test_no_key_and_no_value_is_written(runs: Runs, redis: str, is_pipeline: bool) -> None:
    """Canaries in every place of a command, its name included."""
    rng = random.Random(11)
    canaries = [f"ZQ{rng.getrandbits(60):x}K" for _ in range(60)]

    def of(index: int) -> tuple[object, ...]:
        canary = canaries[index]
        styles: list[tuple[object, ...]] = [
            ("SET", canary, f"value {canary}"),
            ("GET", canary.encode()),
            (f"SET {canary} {canary}",),
            (f"GET {canary}",),
            (canary, "a"),
            (canary.encode(), "a"),
            (f"CONFIG {canary}", "a"),
            ("HSET", f"key:{canary}", canary, canary),
            (b"APPEND", canary, canary),
            ("EVAL", f"return '{canary}'", 1, canary),
        ]
        return styles[index % len(styles)]

    program = f"send({redis!r}, {[of(index) for index in range(len(canaries))]!r}, {is_pipeline})"
    log = run(runs, "canary.py", CANARY, program)
    names = [s["sql"] for s in statements(log)]
    if is_pipeline:
        assert names == ["PIPELINE SET, GET, (other), CONFIG, HSET, APPEND, EVAL"]
    else:
        assert len(names) == len(canaries)
        assert set(names) == {"SET", "GET", "(other)", "CONFIG", "HSET", "APPEND", "EVAL"}
    content = log.path.read_bytes().lower()
    for canary in canaries:
        assert canary.lower().encode() not in content, canary
