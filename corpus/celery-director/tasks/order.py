"""The tasks of the workflow shop.ORDER."""

from director import task


@task(name="EXTRACT")
def extract(*args, **kwargs):
    return {"lines": [{"sku": n, "count": kwargs["payload"]["count"]} for n in range(5)]}


@task(name="CHECK_STOCK")
def check_stock(*args, **kwargs):
    return sum(line["count"] for line in args[0]["lines"]) < 1_000


@task(name="CHECK_CREDIT")
def check_credit(*args, **kwargs):
    return kwargs["payload"]["count"] < 90


@task(name="LOAD")
def load(*args, **kwargs):
    return {"accepted": all(args[0])}
