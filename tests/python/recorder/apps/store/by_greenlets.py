"""An app whose threads are replaced by greenlets."""

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()

from store import pricing

print(pricing.price(3))
