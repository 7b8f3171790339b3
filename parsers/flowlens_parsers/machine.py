"""Functions as machine code: compiled by Numba once, kept on disk, loaded without Numba.

Importing Numba costs more processor time than parsing a million records. What its compiler makes
of a function needs nothing of Numba, so the object code is kept and handed to LLVM's loader.
"""

import ctypes
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

__all__ = ["KERNELS", "SEARCH", "Kernel", "ensure", "load", "ready"]

#: Modules whose `KERNELS` (name -> function and Numba signature) are kept as machine code.
KERNELS = (
    "flowlens_parsers.kernel",
    "flowlens_parsers.arrowkernel",
    "flowlens.conversations.rowkernel",
    "flowlens.conversations.kernel",
    "flowlens.conversations.viewkernel",
    "flowlens.conversations.seatkernel",
    "flowlens.conversations.throughkernel",
    "flowlens.conversations.threadkernel",
    "flowlens.conversations.choosekernel",
    "flowlens.conversations.sortkernel",
    "flowlens.expected.kernel",
)

#: What searches text; whoever counts conversations does without it.
SEARCH = "flowlens_parsers.searchkernel"

#: A compiled function; it takes integers, an array as its address, and returns one.
Kernel = Callable[..., int]


def ready(module: str) -> bool:
    """Say whether a module's functions are compiled and on disk."""
    path = _place(module)
    return path is not None and path.is_file()


def ensure() -> None:
    """Compile what is not on disk yet; takes some seconds the first time."""
    for module in (*KERNELS, SEARCH):
        load(module)


def load(module: str) -> Mapping[str, Kernel]:
    """Return the compiled functions of a module by name, compiling them if they are not on disk.

    Args:
        module: One with `KERNELS`; it is imported only to be compiled.

    Raises:
        ImportError: LLVM's loader, or the compiler where it is needed, is not installed.
    """
    with _LOADING:  # threads that begin together would each load it
        return _loaded(module)


_LOADING = Lock()


@cache
def _loaded(module: str) -> Mapping[str, Kernel]:
    path = _place(module)
    if path is not None and path.is_file():
        return _linked(path.read_bytes())
    code = _compiled(module)
    if path is not None:
        _keep(path, code)
    return _linked(code)


def _place(module: str) -> Path | None:
    """Return where a module's code is kept; None where the loader is missing."""
    try:
        mark = _mark(module.rpartition(".")[0])
    except ImportError:
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "flowlens" / f"{module}-{mark}.o"


@cache
def _mark(package: str) -> str:
    """Return what tells apart sources, versions of LLVM and processors, whose code differs.

    A kernel may take in functions of those beside it.
    """
    import llvmlite
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    parts = (llvmlite.__version__, get_host_cpu_name(), get_host_cpu_features().flatten())
    spec = find_spec(package)
    rooms = [] if spec is None else spec.submodule_search_locations or []
    paths = (path for room in rooms for path in sorted(Path(room).glob("*kernel.py")))
    texts = b"".join(path.read_bytes() for path in paths)
    return sha256("\n".join(parts).encode() + texts).hexdigest()[:16]


def _keep(path: Path, code: bytes) -> None:
    """Write the code at once or not at all; a folder that cannot be written is no fault."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(code)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


def _compiled(module: str) -> bytes:
    """Return a line that names symbol, length and arity of each function, then their code."""
    from numba import cfunc

    index, codes = {}, []
    for name, (function, signature) in import_module(module).KERNELS.items():
        made = cfunc(signature, nopython=True)(function)
        code = made._library._get_compiled_object()
        index[name] = (made._wrapper_name, len(code), len(signature.args))
        codes.append(code)
    return b"".join((json.dumps(index).encode(), b"\n", *codes))


#: What the code lives in, as long as the process does.
_ENGINES: list[Any] = []


def _linked(code: bytes) -> dict[str, Kernel]:
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    head, _, rest = code.partition(b"\n")
    index: dict[str, tuple[str, int, int]] = json.loads(head)
    for _, length, _ in index.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(rest[:length]))
        rest = rest[length:]
    engine.finalize_object()
    _ENGINES.append(engine)
    return {
        name: ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * arity)(
            engine.get_function_address(symbol)
        )
        for name, (symbol, _, arity) in index.items()
    }
