import sys

from redis import Redis
from rq import Queue, Worker

connection = Redis(unix_socket_path=sys.argv[1])
queue = Queue(connection=connection)
queue.enqueue("store.tasks.item", 3)
queue.enqueue("store.tasks.absent", 3)
Worker([queue], connection=connection).work(burst=True, with_scheduler=False)
