import asyncio
import sys

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from store import tasks


async def main():
    settings = RedisSettings(unix_socket_path=sys.argv[1])
    pool = await create_pool(settings)
    await pool.enqueue_job("later", 3)
    await Worker([tasks.later], redis_pool=pool, burst=True, handle_signals=False).main()


asyncio.run(main())
