"""The first ``sitecustomize`` on PYTHONPATH: runs the app's own, then starts what the environment asks for.

It never breaks the app: whatever goes wrong here is one line on stderr.
"""

import os
import sys
from importlib.machinery import ModuleSpec


def _hidden() -> ModuleSpec | None:
    """Return the sitecustomize that this one hides, if there is one."""
    import importlib.machinery

    here = os.path.dirname(os.path.abspath(__file__))
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    return importlib.machinery.PathFinder.find_spec("sitecustomize", others)


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
    if mode == "record":
        from splitcost import recorder

        recorder.start()
    elif mode == "rehearse":
        from splitcost import rehearsal

        rehearsal.start()


def _run(spec: ModuleSpec) -> None:
    """Run the app's own sitecustomize; what it raises is raised as without this one."""
    import importlib.util

    if spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    ours = sys.modules.get("sitecustomize")
    sys.modules["sitecustomize"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if ours is not None:
            sys.modules["sitecustomize"] = ours
        raise


def _say(what: str, error: BaseException) -> None:
    print(f"splitcost: cannot {what} in this process: {type(error).__name__}: {error}", file=sys.stderr)


_hold_lifeline()
_spec = None
try:
    _spec = _hidden()
except Exception as error:
    _say("find the app's own sitecustomize", error)
try:
    if _spec is not None:
        _run(_spec)
finally:
    try:
        _start()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic of the native half is not an `Exception`.
        _say(os.environ.get("SPLITCOST_MODE", "none"), error)
