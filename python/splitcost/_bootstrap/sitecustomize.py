"""Put first on PYTHONPATH by the command line: starts what the environment asks for, then makes way.

It never breaks the app: whatever goes wrong here is one line on stderr.
"""

import os
import sys


def _chain() -> None:
    """Run the sitecustomize that this one hides, if there is one."""
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _hold_lifeline() -> None:
    """End with the splitcost that started this process, whatever happens to it."""
    try:
        from splitcost import _lifeline

        _lifeline.hold()
    except ImportError:
        pass  # Another interpreter than the app's: it lives and dies with its process group.
    except Exception as error:
        print(f"splitcost: this process may outlive it: {type(error).__name__}: {error}", file=sys.stderr)


def _start() -> None:
    mode = os.environ.get("SPLITCOST_MODE", "none")
    try:
        if mode == "record":
            from splitcost import recorder

            recorder.start()
        elif mode == "rehearse":
            from splitcost import rehearsal

            rehearsal.start()
    except Exception as error:
        print(f"splitcost: cannot {mode} in this process: {type(error).__name__}: {error}", file=sys.stderr)


_hold_lifeline()
try:
    _chain()
finally:
    _start()
