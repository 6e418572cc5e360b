"""Compile every module that the program imports, its libraries' and Python's own, for the image.

The files are never compared with their sources, whose dates the image's layers may change. An import
that fails ends the build, so this also shows that the libraries are whole.
"""

import importlib
import pkgutil
import py_compile
import sys

import lm_eval_so

for module in pkgutil.walk_packages(lm_eval_so.__path__, "lm_eval_so."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
for file in sorted(files - {__file__}):
    if file.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(file, doraise=True, invalidation_mode=mode)
