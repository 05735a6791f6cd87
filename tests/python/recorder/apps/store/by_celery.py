import sys
from pathlib import Path

from celery import Celery

from store import pricing

folder = Path("broker")
folder.mkdir(exist_ok=True)
app = Celery("store", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder}


@app.task
def item(item):
    return pricing.price(item)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        app.send_task("store.by_celery.item", [number])
