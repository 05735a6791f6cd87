import asyncio
import sys

from tornado import web

from store import pricing


class Item(web.RequestHandler):
    def prepare(self):
        pricing.log()

    async def get(self, item):
        self.write({"price": pricing.price(int(item))})


class Plain(web.RequestHandler):
    def get(self, item):
        self.write({"price": pricing.price(int(item))})


async def main(port):
    web.Application([(r"/items/(?P<item>\d+)", Item), (r"/class/(\w+)", Plain)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
