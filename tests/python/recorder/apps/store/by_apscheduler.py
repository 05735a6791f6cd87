import queue

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler

from store import tasks

scheduler = BackgroundScheduler()
done = queue.Queue()
scheduler.add_listener(done.put, EVENT_JOB_EXECUTED)
scheduler.add_job(tasks.item, args=[3])
scheduler.start()
done.get(timeout=30)
scheduler.shutdown()
