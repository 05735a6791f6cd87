import dramatiq
from dramatiq.brokers.stub import StubBroker

from store import tasks

broker = StubBroker()
dramatiq.set_broker(broker)
actor = dramatiq.actor(tasks.item, actor_name="price")
actor.send(3)
worker = dramatiq.Worker(broker, worker_timeout=100)
worker.start()
broker.join("default")
worker.join()
worker.stop()
